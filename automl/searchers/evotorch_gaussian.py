"""CEM and PGPE on EvoTorch's functional interface: its updates, our draws.

Why: `cem_tell` and `pgpe_tell` take a state, a population and its scores and return a state, which is all that a fold
needs. EvoTorch draws from the global generator of torch, so its `ask` is left alone: points are drawn with the trial's
own generator. Importing EvoTorch costs seconds; only who chooses these searchers comes by here.

The rule: EvoTorch reads NaN as "not evaluated yet", so it is told ranks (the best row gets the highest), never scores.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from evotorch.algorithms.functional import cem, cem_tell, pgpe, pgpe_tell

from automl.errors import InvalidSetting
from automl.numerics.ranking import Floats
from automl.searchers.continuous_space import BORDER
from automl.searchers.distribution import NARROWEST, WIDEST, DistributionSearcher, Fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Cem(DistributionSearcher[Any]):
    """Cross-entropy method: the mean and deviation of the best share become the next distribution.

    Source: Rubinstein, "The Cross-Entropy Method for Combinatorial and Continuous Optimization", 1999; the variant of
    Duan et al., ICML 2016, as in EvoTorch.

    Attributes:
        elite: share of a generation that is learnt from, in (0, 1); at least two trials. Rule of thumb: a half for
            small populations, a tenth from 100 on.
        change: by what share a deviation may change per generation, in (0, 1]. Rule of thumb: 0.2; small generations
            collapse early without it.
    """

    elite: float = 0.5
    change: float = 0.2

    def __post_init__(self) -> None:
        DistributionSearcher.__post_init__(self)
        if not 0 < self.elite < 1 or int(self.generation * self.elite) < 2:
            allowed = f"a share in (0, 1) that makes at least 2 of {self.generation} trials"
            raise InvalidSetting("searcher.elite", self.elite, allowed)
        if not 0 < self.change <= 1:
            raise InvalidSetting("searcher.change", self.change, "a number in (0, 1]")

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "cem"

    def first(self, dimensions: int) -> Any:
        """Returns EvoTorch's state at the standard normal distribution."""
        return cem(
            center_init=torch.zeros(dimensions, dtype=torch.float64),
            stdev_init=1.0,
            parenthood_ratio=self.elite,
            objective_sense="max",
            stdev_min=NARROWEST,
            stdev_max=WIDEST,
            stdev_max_change=self.change,
        )

    def draw(self, distribution: Any, rng: np.random.Generator) -> Floats:
        """Returns mean + deviation z."""
        return _drawn(distribution.center, distribution.stdev, rng)

    def learn(self, distribution: Any, points: Floats, ranked: list[int]) -> Any:
        """Returns EvoTorch's next state."""
        return cem_tell(distribution, torch.from_numpy(points), _ranks(ranked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pgpe(DistributionSearcher[Any]):
    """Policy gradients with parameter-based exploration: antithetic pairs, ClipUp on the mean.

    A trial of odd number mirrors the one before it at the mean, so that a pair differs in one direction only.

    Source: Sehnke et al., Neural Networks 23(4), 2010; Toklu, Liskowski, Srivastava, "ClipUp", PPSN 2020; as in
    EvoTorch.

    Attributes:
        center_rate: length of a step of the mean, > 0, where 6 is the whole range. Rule of thumb: 0.2.
        deviation_rate: learning rate of the deviations, > 0. Rule of thumb: 1; a deviation changes by at
            most a fifth per generation.
    """

    center_rate: float = 0.2
    deviation_rate: float = 1.0

    def __post_init__(self) -> None:
        DistributionSearcher.__post_init__(self)
        for setting in ("center_rate", "deviation_rate"):
            if not 0 < getattr(self, setting) < float("inf"):
                raise InvalidSetting(f"searcher.{setting}", getattr(self, setting), "a finite number > 0")

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "pgpe"

    def first(self, dimensions: int) -> Any:
        """Returns EvoTorch's state at the standard normal distribution."""
        return pgpe(
            center_init=torch.zeros(dimensions, dtype=torch.float64),
            stdev_init=1.0,
            center_learning_rate=self.center_rate,
            stdev_learning_rate=self.deviation_rate,
            objective_sense="max",
            stdev_min=NARROWEST,
            stdev_max=WIDEST,
        )

    def draw(self, distribution: Any, rng: np.random.Generator) -> Floats:
        """Returns mean + deviation z."""
        return _drawn(distribution.optimizer_state.center, distribution.stdev, rng)

    def drawn(self, state: Fold[Any], number: int, rng: np.random.Generator) -> Floats:
        """Returns a drawn point for an even number, the mirror image of its elder for an odd one."""
        if number % 2 == 0:
            return self.draw(state.distribution, rng)
        return np.asarray(2 * state.distribution.optimizer_state.center.numpy() - state.drawn[number - 1])

    def learn(self, distribution: Any, points: Floats, ranked: list[int]) -> Any:
        """Returns EvoTorch's next state, its mean in the box; it stays where no direction is better than another."""
        learnt = pgpe_tell(distribution, torch.from_numpy(points), _ranks(ranked))
        mean = learnt.optimizer_state
        if not bool(torch.isfinite(mean.center).all()):  # ClipUp divides by the length of the gradient, here 0
            return learnt._replace(optimizer_state=distribution.optimizer_state)
        return learnt._replace(optimizer_state=mean._replace(center=mean.center.clamp(-BORDER, BORDER)))


def _drawn(center: torch.Tensor, stdev: torch.Tensor, rng: np.random.Generator) -> Floats:
    return np.asarray(center.numpy() + stdev.numpy() * rng.standard_normal(len(center)))


def _ranks(ranked: list[int]) -> torch.Tensor:
    """Returns [rows]: 0 for the worst row, the number of rows less one for the best."""
    ranks = torch.empty(len(ranked), dtype=torch.float64)
    ranks[ranked] = torch.arange(len(ranked) - 1, -1, -1, dtype=torch.float64)
    return ranks
