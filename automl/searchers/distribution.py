"""Searchers that move a normal distribution over a box of numbers, a generation at a time.

Why: where every answer is a number, a distribution learns scales and (CMA-ES) correlations from ranks alone, and its
generations can be trained as one batch. What they share is here; each algorithm adds how a point is drawn and what a
ranked generation teaches.

The rule: the trials g P to g P + P - 1 are one generation, all drawn from the distribution that follows from the
generations before it. So the search must not propose from within a generation: it reads `generation` and makes its
window of blocks that long. The point that a trial was drawn at is its memo; a genotype that came from elsewhere (a warm
start) stands at the point its answers give. Points and means stay in the box, a draw beyond a bound is moved onto it:
out there nothing changes any more, and a mean that strayed there would not find back.

Only ranks are learnt from: a trial without any number ranks below all, a duplicate as its twin (the same function has
the same rank; ranked last, it would drive the distribution away from what it has converged to). Where there are several
objectives, trials are ranked by front and crowding, and one distribution settles on one part of the front.
"""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from automl.canonical import JSON
from automl.contracts.history import Opened
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Closed, Objective, Values
from automl.errors import CannotEncode, InvalidGenotype, InvalidSetting
from automl.numerics.ranking import ABSENT, Floats, pareto_order, utilities
from automl.searchers.continuous_space import ABLE, BORDER, Box, box_of

Distribution = TypeVar("Distribution")

LEAST = 8
"""Smallest population: with fewer, an update is mostly noise."""

NARROWEST, WIDEST = 1e-4, BORDER
"""Limits of a standard deviation, in coordinates of the box: 1e-4 is 0.004 % of a range, 3 puts a third of the draws
on the bounds."""


@dataclass(slots=True, kw_only=True)
class Fold(Generic[Distribution]):
    """The state; `ask` adds to `drawn` in place, so fold it forward once and make a new one with `init`.

    Attributes:
        box: the space as numbers.
        distribution: what the present generation is drawn from.
        drawn: trial number -> point, of the trials of generations that are not learnt yet.
        told: values of the trials of the present generation that are closed, in order.
    """

    box: Box
    distribution: Distribution
    drawn: dict[int, Floats] = field(default_factory=dict)
    told: tuple[Values, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionSearcher(abc.ABC, Generic[Distribution]):
    """What the distribution searchers share.

    Attributes:
        space: must always ask for the same numbers; see `automl.searchers.continuous_space`.
        objectives: what trials are ranked by.
        population: trials per generation, an even int >= 8, or 0 = 4 + 3 ln(dimensions), rounded up to an even number.
            Rule of thumb: leave it; larger for noisy scores, or to fill a batch.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    population: int = 0

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InvalidSetting("searcher.objectives", self.objectives, "at least one objective")
        if self.population and (self.population < LEAST or self.population % 2):
            allowed = f"an even int >= {LEAST}, or 0 = by the number of dimensions"
            raise InvalidSetting("searcher.population", self.population, allowed)
        box_of(self.space, searcher=self.name)

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name on the command line."""

    @abc.abstractmethod
    def first(self, dimensions: int) -> Distribution:
        """Returns the standard normal distribution, which is uniform over the box."""

    @abc.abstractmethod
    def draw(self, distribution: Distribution, rng: np.random.Generator) -> Floats:
        """Returns a point of the distribution, [dimensions]."""

    @abc.abstractmethod
    def learn(self, distribution: Distribution, points: Floats, ranked: list[int]) -> Distribution:
        """Returns the next distribution.

        Args:
            distribution: what the points were drawn from.
            points: one generation in trial order, [population, dimensions].
            ranked: rows from best to worst.
        """

    @property
    def generation(self) -> int:
        """Trials that must be proposed from the same older ones: the population."""
        return self.population or population_for(len(box_of(self.space, searcher=self.name).dimensions))

    def init(self) -> Fold[Distribution]:
        """Returns the fold before the first trial."""
        box = box_of(self.space, searcher=self.name)
        return Fold(box=box, distribution=self.first(len(box.dimensions)))

    def ask(
        self, state: Fold[Distribution], pending: tuple[Genotype, ...], number: int, rng: np.random.Generator
    ) -> tuple[Genotype, Mapping[str, JSON]]:
        """Proposes a point of the distribution, whose place is noted in the state; see `Searcher.ask`.

        Raises:
            CannotEncode: the space asks other questions than it did at first.
        """
        point = np.clip(self.drawn(state, number, rng), -BORDER, BORDER)
        try:
            genotype = self.space.decode(state.box.answers(point))
        except InvalidGenotype as error:
            reason = f"after these answers it asks something else ({error})"
            raise CannotEncode(self.space.name, self.name, reason, ABLE) from error
        state.drawn[number] = point
        return genotype, {"parents": [], "operator": self.name, "redrawn": {}, "point": point.tolist()}

    def drawn(self, state: Fold[Distribution], number: int, rng: np.random.Generator) -> Floats:
        """Returns the point of trial `number`; a searcher whose points come in pairs overrides it."""
        return self.draw(state.distribution, rng)

    def tell(self, state: Fold[Distribution], trial: Opened, end: Closed) -> Fold[Distribution]:
        """Adds a result, and learns from the generation where it is the last one of it."""
        ranked = end.outcome in ("completed", "duplicate")
        told = (*state.told, end.values if ranked else (None,) * len(self.objectives))
        if len(told) < (self.population or population_for(len(state.box.dimensions))):
            return Fold(box=state.box, distribution=state.distribution, drawn=state.drawn, told=told)
        return Fold(
            box=state.box,
            distribution=self._learnt(state, trial.number, told),
            drawn={number: point for number, point in state.drawn.items() if number > trial.number},
        )

    def restore(self, state: Fold[Distribution], trial: Opened) -> Fold[Distribution]:
        """Puts a recorded trial back at its point."""
        known: Any = trial.memo.get("point")
        point = state.box.point(self.space.encode(trial.genotype)) if known is None else np.array(known, dtype=float)
        drawn = {**state.drawn, trial.number: point}
        return Fold(box=state.box, distribution=state.distribution, drawn=drawn, told=state.told)

    def _learnt(self, state: Fold[Distribution], last: int, told: tuple[Values, ...]) -> Distribution:
        scores = utilities(told, [goal.direction for goal in self.objectives])
        if (scores == ABSENT).all():  # nothing was measured: there is nothing to move towards
            return state.distribution
        points = np.stack([state.drawn[number] for number in range(last - len(told) + 1, last + 1)])
        return self.learn(state.distribution, points, pareto_order(scores))


def population_for(dimensions: int) -> int:
    """Returns 4 + 3 ln(dimensions), rounded up to an even number, at least 8 (Hansen, arXiv:1604.00772, made even)."""
    return max(LEAST, 2 * math.ceil((4 + 3 * math.log(dimensions)) / 2))
