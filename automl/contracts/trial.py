"""The life of one genotype in a study: curves, verdicts, outcome; and the filters that judge it.

Why: a rejection must be honest, so each verdict carries filter, measured value, threshold and cost.
The rule: screens judge a genotype before training, monitors judge its curves between rungs; both are pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from automl.canonical import JSON
from automl.contracts.space import Genotype
from automl.errors import InvalidSetting

if TYPE_CHECKING:
    from automl.contracts.history import Opened, RungRecord
    from automl.contracts.recipe import Leg

Values: TypeAlias = tuple[float | None, ...]
"""One number per objective; None where there is none. None and NaN rank below every number."""

Outcome: TypeAlias = Literal["completed", "rejected", "duplicate", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("completed", "rejected", "duplicate", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One number that trials are ranked by.

    Attributes:
        name: unique within the task.
        direction: which way is better.
        metric: the curve's metric it is read from, e.g. "accuracy".
        variant: the variant whose legs it is read from; None = all legs.
        chance: the metric of a model that has learnt nothing; None = unknown.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    metric: str
    variant: str | None = None
    chance: float | None = None

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise InvalidSetting("objective.direction", self.direction, "'maximize' or 'minimize'")

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Objective":
        """Reads `to_json`'s form."""
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What was measured along one leg.

    Attributes:
        steps: steps done at each measurement, increasing.
        metrics: name -> one number per entry of `steps`; None = not finite.
    """

    steps: tuple[int, ...] = ()
    metrics: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def last(self, metric: str) -> float | None:
        """Returns the latest value of `metric`, None where it is absent or not finite."""
        values = self.metrics.get(metric, ())
        return values[-1] if values else None

    def at(self, step: int, metric: str) -> float | None:
        """Returns the value of `metric` after exactly `step` steps, None where it was not measured."""
        values = self.metrics.get(metric, ())
        return values[self.steps.index(step)] if values and step in self.steps else None

    def then(self, later: "Curve") -> "Curve":
        """Returns this curve continued by a later slice with the same metrics."""
        if not self.steps:
            return later
        metrics = {name: (*values, *later.metrics.get(name, ())) for name, values in self.metrics.items()}
        return Curve(steps=(*self.steps, *later.steps), metrics=metrics)

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {"steps": list(self.steps), "metrics": {name: list(v) for name, v in self.metrics.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Curve":
        """Reads `to_json`'s form."""
        return cls(steps=tuple(data["steps"]), metrics={name: tuple(v) for name, v in data["metrics"].items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One filter's word on one trial: an entry of the ledger.

    Attributes:
        filter: name of the filter.
        keep: whether the trial may go on.
        reason: short phrase; empty when kept, unless the filter stood aside and says why.
        measured: what was measured (number, or name -> number).
        threshold: what it was compared with.
        leg: key of the leg judged; None for screens.
        steps: training steps spent on the trial when it was judged.
        seconds: time spent on measuring (never judged).
        duplicate_of: the older trial whose result is replayed; set by the duplicates screen only.
    """

    filter: str
    keep: bool
    reason: str = ""
    measured: JSON = None
    threshold: JSON = None
    leg: str | None = None
    steps: int = 0
    seconds: float = 0.0
    duplicate_of: int | None = None

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Verdict":
        """Reads `to_json`'s form."""
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """How a trial ended. Its curves are read from the recorded rungs.

    Attributes:
        number: trial number.
        outcome: see `Outcome`.
        reason: filter of a rejection, `FailureReason` of a failure, "of N" of a duplicate, "" when completed.
        values: one per objective; of a duplicate its twin's; all None when rejected or failed.
        curves: leg key -> curve; empty for duplicates and what was never trained.
        ledger: every verdict in order, screens first.
        steps: training steps spent on it, audit excluded.
        seconds: worker seconds spent on it.
        audit: for an audited rejection {"values": [...], "steps": n}, what it would have reached; else None.
        evidence: a failure's last words (exception, tail of stderr, leg); else None.
        closed_at_ms: wall clock, not part of any digest.
        derived: what its trainings derived, {"leg", "step", "genotype", ...} each; see `DerivingSpace`. Of a rejected
            trial they are as good as any. Read from the recorded rungs, like the curves.
    """

    number: int
    outcome: Outcome
    reason: str
    values: Values
    curves: Mapping[str, Curve] = field(default_factory=dict)
    ledger: tuple[Verdict, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    audit: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] | None = None
    closed_at_ms: int = 0
    derived: tuple[Mapping[str, JSON], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A closed trial as a screen of a later one sees it.

    Attributes:
        measurements: variant -> the probe's measurements.
        trained: whether it went to training (no screen and no duplicate settled it).
        outcome: see `Outcome`.
        reason: as of `Closed`.
        values: one per objective; None = absent. Those of an audit stay out of sight.
    """

    measurements: Mapping[str, Mapping[str, JSON]]
    trained: bool
    outcome: Outcome
    reason: str
    values: Values


class StudyView(Protocol):
    """What a screen may know of the study: the older trials, open or closed, and the baseline's probe."""

    def twin(self, fingerprint: str) -> int | None:
        """Returns the first trial with that fingerprint."""

    @property
    def baseline(self) -> Mapping[str, Mapping[str, JSON]]:
        """Variant -> the baseline's probe measurements."""

    @property
    def finished(self) -> Sequence[Finished]:
        """The closed trials that the trial judged was proposed from, in trial order; not all that are closed."""


class Screen(Protocol):
    """Judges a genotype before training, from probe measurements; pure, runs in the driver."""

    @property
    def name(self) -> str:
        """Name in the ledger."""

    @property
    def probes(self) -> tuple[str, ...]:
        """Names of the probe measurements it needs; () = it judges before any probe is run."""

    def judge(
        self, genotype: Genotype, fingerprint: str, measurements: Mapping[str, Mapping[str, JSON]], study: StudyView
    ) -> Verdict:
        """Returns the verdict; `measurements` is variant -> name -> value."""


class Monitor(Protocol):
    """Judges a trial's curves between rungs; pure, runs in the driver."""

    @property
    def name(self) -> str:
        """Name in the ledger."""

    def wants(self, leg: "Leg", rung: tuple[int, int]) -> tuple[str, ...]:
        """Returns the extra measurements that the rung job must take at its end, e.g. ("stability",)."""

    def judge(
        self, trial: "Opened", rung: "RungRecord", *, leg: "Leg", curve: Curve, reference: Sequence[Curve]
    ) -> Verdict | None:
        """Returns a verdict, or None where it has no word at this rung.

        Args:
            trial: the trial judged.
            rung: the rung just recorded (its result is there; failures never reach a monitor).
            leg: the leg it belongs to.
            curve: the leg's whole curve so far.
            reference: this leg's curves, as far as this rung, of the closed trials that the trial was proposed from.
        """
