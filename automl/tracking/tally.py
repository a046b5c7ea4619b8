"""Running totals over closed trials: what the study run, the charts and the progress line all show.

Why one fold: three views that count for themselves would disagree. The rule: each trial is added once, in trial order.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from automl.contracts.history import Opened
from automl.contracts.trial import Closed, Objective, Values

MAX_EVENTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One closed trial as a dot in a chart.

    Attributes:
        number: trial number.
        outcome: see `Outcome`.
        values: one per objective; None where there is none.
        saved_steps: training steps not spent so far, against a whole training (see `Tally.steps_saved`).
    """

    number: int
    outcome: str
    values: Values
    saved_steps: int


@dataclass(slots=True, kw_only=True)
class Tally:
    """The totals; `add` is the fold.

    Attributes:
        objectives: what "best" means.
        outcomes: outcome -> count.
        rejected_by: filter -> count.
        failed_by: failure reason -> count.
        steps_trained: training steps spent, audit excluded.
        seconds: worker seconds spent.
        whole_training: steps of the longest completed trial; 0 until one completes.
        best: per objective (trial, value) of the best completed trial; None until there is one.
        improvements: per objective (trial, value, closed_at_ms) whenever the best improved.
        events: one per trial, the first `MAX_EVENTS`.
        spared_trials: rejected and duplicate trials.
        spared_trials_steps: steps those were trained.
    """

    objectives: tuple[Objective, ...]
    outcomes: Counter[str] = field(default_factory=Counter)
    rejected_by: Counter[str] = field(default_factory=Counter)
    failed_by: Counter[str] = field(default_factory=Counter)
    steps_trained: int = 0
    seconds: float = 0.0
    whole_training: int = 0
    best: list[tuple[int, float] | None] = field(default_factory=list)
    improvements: list[list[tuple[int, float, int]]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    spared_trials: int = 0
    spared_trials_steps: int = 0

    def __post_init__(self) -> None:
        self.best = [None for _ in self.objectives]
        self.improvements = [[] for _ in self.objectives]

    @property
    def trials(self) -> int:
        """Number of closed trials."""
        return self.outcomes.total()

    @property
    def steps_saved(self) -> int:
        """Steps that rejected and duplicate trials would have taken beyond what they took, had each trained fully.

        A whole training is as long as the longest completed trial. Failed trials save nothing: they gave no answer.
        """
        return max(0, self.spared_trials * self.whole_training - self.spared_trials_steps)

    def add(self, opened: Opened, closed: Closed) -> bool:
        """Folds in one closed trial and returns whether it is a new best in some objective."""
        self.outcomes[closed.outcome] += 1
        self.steps_trained += closed.steps
        self.seconds += closed.seconds
        match closed.outcome:
            case "completed":
                self.whole_training = max(self.whole_training, closed.steps)
            case "rejected":
                self.rejected_by[rejecting_filter(opened, closed)] += 1
            case "failed":
                self.failed_by[closed.reason] += 1
        if closed.outcome in ("rejected", "duplicate"):
            self.spared_trials += 1
            self.spared_trials_steps += closed.steps
        improved = closed.outcome == "completed" and self._improve(closed)
        if len(self.events) < MAX_EVENTS:
            self.events.append(
                Event(number=closed.number, outcome=closed.outcome, values=closed.values, saved_steps=self.steps_saved)
            )
        return improved

    def _improve(self, closed: Closed) -> bool:
        improved = False
        for index, (objective, value) in enumerate(zip(self.objectives, closed.values, strict=True)):
            if value is None or not math.isfinite(value):
                continue
            best = self.best[index]
            if best is None or better(value, best[1], objective=objective):
                self.best[index] = (closed.number, value)
                self.improvements[index].append((closed.number, value, closed.closed_at_ms))
                improved = True
        return improved


def better(value: float, other: float, *, objective: Objective) -> bool:
    """Returns whether `value` is strictly better; both finite."""
    return value > other if objective.direction == "maximize" else value < other


def rejecting_filter(opened: Opened, closed: Closed) -> str:
    """Returns the filter that rejected the trial: the first verdict that does not keep, else the recorded reason."""
    verdicts = closed.ledger or opened.verdicts
    return next((verdict.filter for verdict in verdicts if not verdict.keep), closed.reason)
