"""How often each filter rejects what it should have kept.

Why: a filter that throws good candidates away looks, without an audit, like one that saves time. The rule: a share of
the rejected trials, drawn by trial number, is trained to the end anyway; its results stay in the ledger, unseen by the
searcher.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from automl.canonical import JSON
from automl.contracts.history import StudyLog
from automl.contracts.trial import Objective
from automl.numerics.intervals import rate_interval
from automl.numerics.ranking import utilities


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseRejections:
    """One filter's audit.

    Attributes:
        audited: rejected trials that were trained anyway.
        false: those that were, in every objective, at least as good as the median completed trial.
        rate: false / audited; None while nothing was audited.
        low: lower end of the 95 % Clopper-Pearson interval of the rate.
        high: upper end.
    """

    audited: int
    false: int
    rate: float | None
    low: float
    high: float

    def to_json(self) -> dict[str, JSON]:
        """Returns the fields by name."""
        return asdict(self)


def false_rejections(log: StudyLog, objectives: Sequence[Objective]) -> dict[str, FalseRejections]:
    """Returns filter -> audit, for filters with at least one audited rejection."""
    directions = [objective.direction for objective in objectives]
    completed = [closed.values for closed in log.closed if closed.outcome == "completed"]
    bar = np.median(utilities(completed, directions), axis=0) if completed else np.full(len(directions), np.inf)
    wrong: dict[str, list[bool]] = defaultdict(list)
    for closed in log.closed:
        if closed.audit is not None:
            reached = utilities([closed.audit["values"]], directions)[0]
            wrong[closed.reason].append(bool(np.isfinite(reached).all() and (reached >= bar).all()))
    return {name: _rate(sum(flags), len(flags)) for name, flags in wrong.items()}


def _rate(false: int, audited: int) -> FalseRejections:
    low, high = rate_interval(false, audited)
    rate = false / audited if audited else None
    return FalseRejections(audited=audited, false=false, rate=rate, low=low, high=high)
