"""A task without training for the toy space, and a worker factory for it.

Why: the flow, the storage and the process executor are tested together in milliseconds per trial. The rule: what a toy
job returns is `run_toy`, computed from the genotype alone.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from automl.contracts.recipe import Dataset, Leg, Recipe, Signature, Split
from automl.contracts.rung import RungJob
from automl.contracts.trial import Curve, Objective, Values
from automl.testing.simulated import run_toy
from automl.testing.toy_space import TOY_OBJECTIVES


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyTask:
    """Scores toy expressions; three rungs, one leg per variant.

    Attributes:
        name: as in messages.
        variants: legs of a trial.
        slices: rungs of a leg, consecutive.
        objectives: a prefix of `TOY_OBJECTIVES`.
    """

    name: str = "toy"
    variants: tuple[str, ...] = ("only",)
    slices: tuple[tuple[int, int], ...] = ((0, 5), (5, 20), (20, 60))
    objectives: tuple[Objective, ...] = TOY_OBJECTIVES[:1]

    def legs(self, purpose: Literal["search", "rerank"]) -> tuple[Leg, ...]:
        """Returns one leg per variant."""
        return tuple(Leg(variant=variant) for variant in self.variants)

    def rungs(self, leg: Leg) -> tuple[tuple[int, int], ...]:
        """Returns the slices."""
        return self.slices

    def values(self, curves: Mapping[Leg, Curve]) -> Values:
        """Returns the mean of the last values over the legs."""
        return tuple(_mean([curve.last(goal.metric) for curve in curves.values()]) for goal in self.objectives)

    def signature(self, variant: str) -> Signature:
        """Returns that of a scalar function."""
        return Signature(inputs=(1,), outputs=(1,))

    def baseline(self, variant: str) -> Recipe:
        """Refuses: toy jobs build no recipe."""
        _no_training()

    def data(self, split: Split, variant: str) -> Dataset:
        """Refuses: there is no data."""
        _no_training()

    def measure(self, model: object, data: Dataset) -> Mapping[str, float]:
        """Refuses: there is no model."""
        _no_training()


def toy_factory(arguments: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Returns the job function of a toy worker.

    Args:
        arguments: "seconds" (real time that a job takes, default 0).
    """
    seconds = float(arguments.get("seconds", 0.0))

    def run(job: Mapping[str, Any]) -> Mapping[str, Any]:
        time.sleep(seconds)
        return run_toy(RungJob.from_json(job)).to_json()

    return run


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _no_training() -> NoReturn:
    raise TypeError("the toy task has no data and no model: run its jobs with run_toy")
