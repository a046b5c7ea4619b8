"""What the zero-cost proxies of a study are worth: their rank correlation with what training came to.

Why: a screen that trusts a proxy must show what the trust rests on, and which proxy would have been the better choice.
The rule: only a study with the screen is told of it; parameters and FLOPs stand beside every proxy, because one that
ranks no better than they do is not needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from automl.canonical import JSON
from automl.contracts.history import StudyLog
from automl.contracts.trial import Objective
from automl.numerics.proxy_worth import PROXIES, ProxyWorth, proxy_worth, score_row
from automl.seeding import child

SCREEN = "zero-cost"
"""Name of the filter, see `automl.filters.zero_cost`."""


def proxy_report(log: StudyLog, objectives: Sequence[Objective]) -> dict[str, JSON] | None:
    """Returns proxy -> its worth on the completed trials; None for a study without the screen.

    Each has `trials`, `correlation`, `low`, `high`, and a `state`: of the proxy that the screen judges by "in use",
    "switched off" or "learning", of the others "reliable" or "unreliable".
    """
    settings = log.header.get("filters", {}).get(SCREEN)
    if settings is None:
        return None
    completed = [closed for closed in log.closed if closed.outcome == "completed"]
    measured = [log.opened[closed.number].measurements for closed in completed]
    report: dict[str, JSON] = {}
    for proxy in PROXIES:
        if not any(proxy in one for variants in measured for one in variants.values()):
            continue
        worth = proxy_worth(
            [score_row(proxy, variants) for variants in measured],
            [closed.values for closed in completed],
            directions=[objective.direction for objective in objectives],
            rng=child(0, SCREEN),
            level=settings["confidence"],
        )
        report[proxy] = {**asdict(worth), "state": _state(proxy, worth, settings)}
    return report


def _state(proxy: str, worth: ProxyWorth, settings: Mapping[str, Any]) -> str:
    if proxy != settings["proxy"]:
        return "reliable" if worth.reliable else "unreliable"
    if worth.trials < settings["learn"]:
        return "learning"
    return "in use" if worth.reliable else "switched off"
