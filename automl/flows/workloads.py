"""What is compared on what: methods, workloads, and the training runs that both need.

Why: setting a target and racing towards it train the same kind of run. The rule: time is counted in training steps at
fixed measuring points, so that it does not depend on the machine; every run of a workload, whatever the method, is
given the same budget, and its schedule ends where the budget ends.

Source: Dahl et al., "Benchmarking Neural Network Training Algorithms" (AlgoPerf, arXiv 2306.07179), section 4: a run
may take 4/3 of what the tuned baseline took to set the target.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from automl.canonical import JSON
from automl.contracts.recipe import Leg, RecipeRef
from automl.contracts.rung import Answer, Executor, RungJob
from automl.contracts.space import Genotype
from automl.contracts.trial import Objective
from automl.errors import InvalidSetting
from automl.flows.jobs import Jobs
from automl.flows.retraining import FIRST_REPLICATE
from automl.seeding import child_seed

MEASUREMENTS = 40
"""Measuring points within a budget: times are known to 2.5 % of it."""
LARGEST_GRID = 64

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way of training: changes to a workload's own recipe.

    Attributes:
        name: as shown.
        edits: (space locator, genotype), in order; () = the recipe as it is.
    """

    name: str
    edits: tuple[tuple[str, Genotype], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A task, one of its architectures, and what its own recipe needs.

    Attributes:
        name: as shown.
        task: its locator.
        variant: which of the task's architectures.
        objective: what the target is a value of; read from the validation split.
        learning_rate: peak of the task's own recipe, > 0; grids are multiples of it.
        steps: of the run that sets the target, >= 1.
        held_out_of: name of the workload that this one is a variant of; None = it counts for the scores.
    """

    name: str
    task: str
    variant: str
    objective: Objective
    learning_rate: float
    steps: int
    held_out_of: str | None = None

    def __post_init__(self) -> None:
        if type(self.steps) is not int or self.steps < 1:
            raise InvalidSetting("steps", self.steps, "an int >= 1")

    @property
    def budget(self) -> int:
        """Steps of every compared run: 4/3 of those that set the target, rounded up."""
        return -(-4 * self.steps // 3)

    @property
    def measure_every_steps(self) -> int:
        """Distance of measuring points, the same for targets and races."""
        return max(1, self.budget // MEASUREMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is trained for a comparison.

    Attributes:
        studies: each tunes every method anew with a fresh seed, >= 1; the median over studies is a method's time.
        target_seeds: runs of the baseline at each learning rate that set the target, >= 1.
        learning_rates: multiples of the workload's own that every method is tuned on, each > 0.
        seed: root of every random choice.
        threads: torch threads of one worker.
        device: "cpu" or "cuda".
    """

    studies: int = 3
    target_seeds: int = 5
    learning_rates: tuple[float, ...] = (0.3, 1.0, 3.0)
    seed: int = 0
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.studies < 1:
            raise InvalidSetting("studies", self.studies, "an int >= 1; rule of thumb 3 to 5")
        if self.target_seeds < 1:
            raise InvalidSetting("target_trials", self.target_seeds, "an int >= 1; rule of thumb 5 to 20")
        rates = self.learning_rates
        if not rates or len(set(rates)) < len(rates) or not all(0 < rate < float("inf") for rate in rates):
            allowed = "different numbers > 0, multiples of the task's own learning rate, e.g. 0.3,1,3"
            raise InvalidSetting("learning_rates", rates, allowed)
        if len(rates) > LARGEST_GRID:
            raise InvalidSetting("learning_rates", f"{len(rates)} numbers", f"at most {LARGEST_GRID}; leave some out")

    def to_json(self) -> dict[str, JSON]:
        """Returns what a report says of it, in the words of the command line."""
        return {
            "studies": self.studies,
            "target_trials": self.target_seeds,
            "learning_rates": list(self.learning_rates),
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run of a comparison.

    Attributes:
        method: how.
        workload: on what.
        factor: on the workload's learning rate.
        seed: index; equal indices share data order and initial weights.
        steps: of the run, and horizon of its schedule.
        purpose: name of the seeds; another purpose has other ones.
    """

    method: Method
    workload: Workload
    factor: float
    seed: int
    steps: int
    purpose: str

    def job(self, effort: Effort) -> RungJob:
        """Returns the job that trains it whole and measures it on the validation split."""
        overrides = {"learning_rate": self.workload.learning_rate * self.factor, "steps": self.steps}
        leg = Leg(variant=self.workload.variant, overrides=overrides, replicate=FIRST_REPLICATE + self.seed)
        ref = RecipeRef(
            task=self.workload.task, variant=leg.variant, edits=self.method.edits, overrides=leg.overrides
        )
        return RungJob(
            kind="train",
            refs=(ref,),
            leg=leg,
            steps=(0, self.steps),
            measure_every_steps=self.workload.measure_every_steps,
            seed=child_seed(effort.seed, "compare", self.purpose),
            threads=effort.threads,
            device=effort.device,
            snapshots=(None,),
        )


def train_all(runs: Mapping[Key, Run], effort: Effort, *, executor: Executor) -> dict[Key, Answer]:
    """Trains every run; returns the answer of each, failures included."""
    jobs, keys = Jobs(executor), dict(enumerate(runs))
    for number, key in keys.items():
        jobs.submit(str(number), runs[key].job(effort), priority=(number,))
    answers: dict[Key, Answer] = {}
    while len(answers) < len(runs):
        answers |= {keys[int(answer.key)]: answer for _, answer in jobs.wait(1.0)}
    return answers
