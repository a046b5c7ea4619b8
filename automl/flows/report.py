"""What a study says of itself: its digest, its counts, its best trials. Pure functions of the log.

Why: `status`, `top`, `show`, the tracker and the Python API must tell the same story. The rule: fields are added, never
renamed; nothing here reads a clock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from automl.canonical import JSON, digest
from automl.contracts.history import Opened, StudyLog
from automl.contracts.trial import OUTCOMES, Closed, Objective, Verdict
from automl.errors import InvalidSetting
from automl.flows.audit import false_rejections
from automl.flows.proxies import proxy_report
from automl.flows.schedule_prediction import law_health
from automl.numerics.ranking import front, pareto_order, utilities


def study_digest(log: StudyLog) -> str:
    """Returns the digest that is equal for interrupted and uninterrupted runs and for any number of workers.

    It covers number, genotype, outcome, reason, values, curves, verdicts and derived genotypes of every closed trial;
    no times.
    """
    return digest([_identity(log.opened[closed.number], closed) for closed in log.closed])


def _identity(opened: Opened, closed: Closed) -> JSON:
    return {
        "number": closed.number,
        "genotype": opened.genotype,
        "outcome": closed.outcome,
        "reason": closed.reason,
        "values": list(closed.values),
        "curves": {leg: curve.to_json() for leg, curve in closed.curves.items()},
        "verdicts": [_timeless(verdict) for verdict in closed.ledger],
        **({"derived": [dict(entry) for entry in closed.derived]} if closed.derived else {}),
    }


def _timeless(verdict: Verdict) -> JSON:
    return {name: value for name, value in verdict.to_json().items() if name != "seconds"}


def ranking(log: StudyLog, objectives: Sequence[Objective]) -> list[int]:
    """Returns the numbers of the completed trials from best to worst (by Pareto front with several objectives)."""
    done = [closed for closed in log.closed if closed.outcome == "completed"]
    if not done:
        return []
    scores = utilities([closed.values for closed in done], [o.direction for o in objectives])
    return [done[index].number for index in pareto_order(scores)]


def pareto(log: StudyLog, objectives: Sequence[Objective]) -> list[int]:
    """Returns the completed trials that no other one dominates, in trial order."""
    done = [closed for closed in log.closed if closed.outcome == "completed"]
    if not done:
        return []
    scores = utilities([closed.values for closed in done], [o.direction for o in objectives])
    return [closed.number for closed, on_front in zip(done, front(scores), strict=True) if on_front]


def row(log: StudyLog, number: int, *, objectives: Sequence[Objective]) -> dict[str, Any]:
    """Returns one trial as a row of `top` and `show`.

    Raises:
        InvalidSetting: there is no such trial.
    """
    if not 0 <= number < len(log.opened):
        known = f"an int in [0, {len(log.opened) - 1}]" if log.opened else "none, as the study has no trial yet"
        raise InvalidSetting("trial", number, known)
    opened = log.opened[number]
    closed = log.closed[number] if number < len(log.closed) else None
    values = closed.values if closed else (None,) * len(objectives)
    return {
        "trial": number,
        "outcome": closed.outcome if closed else "open",
        "reason": closed.reason if closed else "",
        "values": {o.name: value for o, value in zip(objectives, values, strict=True)},
        "genotype": opened.genotype,
        "description": opened.description,
        "fingerprint": opened.fingerprint,
        "seconds": closed.seconds if closed else 0.0,
        "steps": closed.steps if closed else 0,
        "parents": list(opened.memo.get("parents", ())),
    }


def status(log: StudyLog, objectives: Sequence[Objective]) -> dict[str, Any]:
    """Returns counts per outcome, rejections by filter, failures by reason, where the steps went, and the best."""
    outcomes = Counter(closed.outcome for closed in log.closed)
    best = ranking(log, objectives)[:1]
    redrawn: Counter[str] = Counter()
    for opened in log.opened:
        redrawn.update(opened.memo.get("redrawn", {}))
    sessions: Sequence[Mapping[str, Any]] = log.notes.get("sessions", ())
    return {
        "study": log.name,
        "trials": len(log.opened),
        "open": len(log.opened) - len(log.closed),
        **{outcome: outcomes[outcome] for outcome in OUTCOMES},
        "trained": sum(opened.trained for opened in log.opened),
        "rejected_by": dict(Counter(c.reason for c in log.closed if c.outcome == "rejected")),
        "failures": dict(Counter(c.reason for c in log.closed if c.outcome == "failed")),
        "redrawn": dict(redrawn),
        "steps_trained": sum(closed.steps for closed in log.closed),
        "steps_saved": steps_saved(log),
        "steps_audit": sum(closed.audit["steps"] for closed in log.closed if closed.audit),
        "best": _best(log, best[0], objectives) if best else None,
        "pareto": pareto(log, objectives) if len(objectives) > 1 else best,
        "baseline": _named(log.notes.get("baseline", {}).get("values"), objectives),
        "audit": {name: rate.to_json() for name, rate in false_rejections(log, objectives).items()},
        "idle_share": sessions[-1]["idle_share"] if sessions else None,
        "workers": sessions[-1]["workers"] if sessions else None,
        "depth": log.header.get("depth"),
        "law_health": health if (health := law_health(log))["proposals"] else None,
        "proxies": proxy_report(log, objectives),
        "digest": study_digest(log),
    }


def steps_saved(log: StudyLog) -> dict[str, int]:
    """Returns training steps not spent, by what saved them ("duplicates" or a filter), against a full training each."""
    full = log.notes.get("baseline", {}).get("steps", 0)
    saved: Counter[str] = Counter()
    for closed in log.closed:
        if closed.outcome in ("rejected", "duplicate"):
            by = closed.reason if closed.outcome == "rejected" else "duplicates"
            saved[by] += max(0, full - closed.steps)
    return dict(saved)


def _best(log: StudyLog, number: int, objectives: Sequence[Objective]) -> dict[str, Any]:
    return {"trial": number, "values": _named(log.closed[number].values, objectives)}


def _named(values: Sequence[float | None] | None, objectives: Sequence[Objective]) -> dict[str, float | None] | None:
    return None if values is None else {o.name: value for o, value in zip(objectives, values, strict=True)}
