"""What a study is made of, and the jobs that follow from it.

Why: search, rerank and replay ask workers for the same kinds of work; the job says everything a worker needs.
The rule: a job depends on the plan, the genotype and the slice only, never on the trial number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl.contracts.history import Searcher
from automl.contracts.recipe import Leg, RecipeRef, Split, Task
from automl.contracts.rung import RungJob
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Monitor, Screen
from automl.errors import InvalidSetting
from automl.flows.trial_run import NextRung


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parts of a study.

    Attributes:
        space: what is searched, with its locator.
        space_locator: how a worker finds it.
        task: what candidates are trained on, with its locator.
        task_locator: how a worker finds it.
        searcher: proposes.
        screens: judge before training.
        monitors: judge between rungs.
        seed: root of every random choice, any int.
        depth: trained trials that may be open at once, >= 1.
        block: trials that are proposed from the same older ones, >= 1; above 1 it takes the place of depth. For a
            searcher with an attribute `generation` it is that number.
        threads: torch threads of one worker, >= 1.
        device: "cpu" or "cuda".
        measure_every_steps: curves also get a point at every multiple, >= 1.
        audit: share in [0, 1] of the rejected trials that are trained anyway.
        widths: locator of a task -> candidates that are trained on it as one computation, >= 1; see `RungJob.width`.
            A task that is not named here, of a second look for instance, is trained one after the other.
    """

    space: SearchSpace
    space_locator: str
    task: Task
    task_locator: str
    searcher: Searcher[Any]
    screens: tuple[Screen, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    seed: int = 0
    depth: int = 8
    block: int = 1
    threads: int = 1
    device: str = "cpu"
    measure_every_steps: int = 25
    audit: float = 0.0
    widths: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.audit <= 1:
            raise InvalidSetting("audit", self.audit, "a share in [0, 1], e.g. 0.02")
        if self.depth < 1:
            raise InvalidSetting("depth", self.depth, "an int >= 1; rule of thumb 4 x workers, at most trials / 8")
        if self.block < 1:
            raise InvalidSetting("block", self.block, "an int >= 1; the searcher's population")
        if self.measure_every_steps < 1:
            raise InvalidSetting("measure_every_steps", self.measure_every_steps, "an int >= 1")
        if any(width < 1 for width in self.widths.values()):
            raise InvalidSetting("widths", dict(self.widths), "ints >= 1")

    @property
    def variants(self) -> tuple[str, ...]:
        """The task's architectures, in the order of its legs."""
        return tuple(dict.fromkeys(leg.variant for leg in self.task.legs("search")))

    @property
    def width(self) -> int:
        """Candidates that are trained as one computation on this task."""
        return self.widths.get(self.task_locator, 1)

    def describe(self, genotype: Genotype) -> str:
        """Returns the space's line on a genotype; a space that cannot describe its own proposal says so."""
        try:
            return self.space.describe(genotype)
        except Exception as error:  # a description is for people: it must not end a search
            return f"(no description: {type(error).__name__}: {error})"

    def ref(self, genotype: Genotype | None, leg: Leg) -> RecipeRef:
        """Returns the recipe of a genotype (None = the baseline) on a leg."""
        edits = () if genotype is None else ((self.space_locator, genotype),)
        return RecipeRef(task=self.task_locator, variant=leg.variant, edits=edits, overrides=leg.overrides)

    def probe_job(self, genotype: Genotype | None, variant: str, requests: tuple[str, ...]) -> RungJob:
        """Returns the job that measures a freshly built model."""
        leg = next(leg for leg in self.task.legs("search") if leg.variant == variant)
        return RungJob(
            kind="probe",
            refs=(self.ref(genotype, leg),),
            leg=leg,
            requests=requests,
            seed=self.seed,
            threads=self.threads,
            device=self.device,
            snapshots=(None,),
        )

    def train_job(self, genotype: Genotype | None, rung: NextRung) -> RungJob:
        """Returns the job that trains one rung of a search leg."""
        wanted = {name for monitor in self.monitors for name in monitor.wants(rung.leg, rung.steps)}
        return RungJob(
            kind="train",
            refs=(self.ref(genotype, rung.leg),),
            leg=rung.leg,
            steps=rung.steps,
            measure_every_steps=self.measure_every_steps,
            requests=() if genotype is None else tuple(sorted(wanted)),
            seed=self.seed,
            threads=self.threads,
            device=self.device,
            snapshots=(rung.snapshot,),
            keep=not rung.last,
            width=self.width,
        )

    def full_job(self, genotype: Genotype | None, leg: Leg, *, seed: int, splits: tuple[Split, ...]) -> RungJob:
        """Returns the job that trains a leg whole, for rerank and export; the last model is kept.

        Where candidates are stacked, each has batches of its own, so that replicates may share a stack.
        """
        steps = self.task.rungs(leg)[-1][1]
        return RungJob(
            kind="train",
            refs=(self.ref(genotype, leg),),
            leg=leg,
            steps=(0, steps),
            measure_every_steps=self.measure_every_steps,
            splits=splits,
            seed=seed,
            threads=self.threads,
            device=self.device,
            snapshots=(None,),
            keep=True,
            width=self.width,
            replicates=(leg.replicate,) if self.width > 1 else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How far a study goes.

    Attributes:
        trials: proposals, >= 1.
        trained: trained trials; None = no bound of its own.
    """

    trials: int
    trained: int | None = None

    def __post_init__(self) -> None:
        if type(self.trials) is not int or self.trials < 1:
            raise InvalidSetting("trials", self.trials, "an int >= 1")
        if self.trained is not None and (type(self.trained) is not int or self.trained < 1):
            raise InvalidSetting("trained", self.trained, "an int >= 1, or absent")
