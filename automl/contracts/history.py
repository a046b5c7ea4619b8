"""The durable log of a study, and the searcher that is a fold over it.

Why: the history is the only truth; killing the driver at any point loses at most the rungs in flight.
The rule: one writer; trials open in order, close in order, and never change once closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from automl.canonical import JSON
from automl.contracts.rung import Failure, RungResult
from automl.contracts.space import Genotype
from automl.contracts.trial import Closed, Verdict

if TYPE_CHECKING:
    import numpy as np

State = TypeVar("State")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A trial as it stands before anything of it is trained; written in one transaction.

    Attributes:
        number: trial number, from 0.
        genotype: the proposal.
        fingerprint: of the genotype, under the space's version.
        description: one line for people, so that a study can be read without its space.
        memo: what the searcher wants back on resume, canonical JSON; "parents" (trial numbers), "operator" and
            "redrawn" (reason -> count) are read by reports.
        verdicts: of the screens; the first that does not keep settles the trial.
        measurements: variant -> the probe's measurements.
        opened_at_ms: wall clock, not part of any digest.
    """

    number: int
    genotype: Genotype
    fingerprint: str
    description: str = ""
    memo: Mapping[str, Any] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    measurements: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict)
    opened_at_ms: int = 0

    @property
    def trained(self) -> bool:
        """Whether it goes to training: no screen and no duplicate settled it."""
        return all(verdict.keep for verdict in self.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RungRecord:
    """One recorded rung of one leg: a result or a failure.

    Attributes:
        leg: key of the leg.
        index: which rung of the leg, from 0.
        result: None when the job failed.
        failure: None when it succeeded.
        audit: whether it was trained for an audit only; then it is no part of the trial's curves.
    """

    leg: str
    index: int
    result: RungResult | None = None
    failure: Failure | None = None
    audit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLog:
    """A study as read from the history.

    Attributes:
        name: of the study.
        header: what it was created with.
        opened: every trial, in order.
        rungs: trial number -> recorded rungs.
        closed: the closed prefix of the trials, in order.
        notes: name -> JSON written beside the trials (baseline, sessions, reviews, rerank reports).
    """

    name: str
    header: Mapping[str, Any]
    opened: tuple[Opened, ...]
    rungs: Mapping[int, tuple[RungRecord, ...]]
    closed: tuple[Closed, ...]
    notes: Mapping[str, Any]


class History(Protocol):
    """The durable log of one study, opened by its single writer."""

    def open(self, trial: Opened) -> None:
        """Appends a trial.

        Raises:
            StorageError: its number is not the next one (someone else wrote), or the disk is full.
        """

    def record(self, number: int, rung: RungRecord) -> None:
        """Stores a rung's end, in any order across trials, before the next rung of that trial is submitted."""

    def close_trial(self, trial: Closed) -> None:
        """Commits the end of a trial; in trial order."""

    def note(self, name: str, value: JSON) -> None:
        """Stores or replaces a named note."""

    def all(self) -> StudyLog:
        """Reads the whole log."""

    def close(self) -> None:
        """Lets go of the study, so that another driver may have it."""


class Searcher(Protocol[State]):
    """Proposes genotypes: a fold over closed trials. State in, state out; the object itself never changes."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    def init(self) -> State:
        """Returns the state of an empty study."""

    def ask(
        self, state: State, pending: tuple[Genotype, ...], number: int, rng: "np.random.Generator"
    ) -> tuple[Genotype, Mapping[str, JSON]]:
        """Proposes trial `number`.

        Args:
            state: after `tell` of trials 0..p-1, and (for the trials that were asked or restored) p..number-1 as open.
            pending: genotypes of the open trials p..number-1.
            number: of the trial.
            rng: the trial's own generator; the only source of randomness.

        Returns:
            The genotype and the memo stored with it (see `Opened.memo`).
        """

    def tell(self, state: State, trial: Opened, end: Closed) -> State:
        """Folds in one closed trial; called in trial order."""

    def restore(self, state: State, trial: Opened) -> State:
        """Takes note of a trial that was asked in an earlier life of the study, in place of `ask`."""
