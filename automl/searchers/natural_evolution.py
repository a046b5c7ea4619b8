"""SNES: a normal distribution with one standard deviation per number follows the natural gradient.

Why written out: four lines of arithmetic need no class that draws for itself; the tests hold them against EvoTorch's.
The rule: mean += sum u (x - mean); deviation *= exp(rate / 2 sum u (z^2 - 1)), z = (x - mean) / deviation, u the
utility of a rank.

Source: Schaul, Glasmachers, Schmidhuber, "High Dimensions and Heavy Tails for Natural Evolution Strategies", GECCO
2011; utilities of Wierstra et al., JMLR 15, 2014; as implemented in EvoTorch 0.6.1, `evotorch.algorithms.SNES`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from automl.numerics.ranking import Floats
from automl.searchers.continuous_space import BORDER
from automl.searchers.distribution import NARROWEST, WIDEST, DistributionSearcher


class Diagonal(NamedTuple):
    """A normal distribution with independent numbers; both are [dimensions]."""

    mean: Floats
    deviation: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Snes(DistributionSearcher[Diagonal]):
    """Separable natural evolution strategy: learns scales but no correlations; for hundreds of numbers."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "snes"

    def first(self, dimensions: int) -> Diagonal:
        """Returns the standard normal distribution."""
        return Diagonal(np.zeros(dimensions), np.ones(dimensions))

    def draw(self, distribution: Diagonal, rng: np.random.Generator) -> Floats:
        """Returns mean + deviation z."""
        return distribution.mean + distribution.deviation * rng.standard_normal(len(distribution.mean))

    def learn(self, distribution: Diagonal, points: Floats, ranked: list[int]) -> Diagonal:
        """Returns the distribution one step of the natural gradient further."""
        mean, deviation = distribution
        count, weights = len(mean), rank_utilities(len(points))
        rate = 0.2 * (3 + math.log(count)) / math.sqrt(count)
        steps = points[ranked] - mean
        gain = weights @ ((steps / deviation) ** 2 - 1)
        return Diagonal(
            np.clip(mean + weights @ steps, -BORDER, BORDER),
            np.clip(deviation * np.exp(rate / 2 * gain), NARROWEST, WIDEST),
        )


def rank_utilities(population: int) -> Floats:
    """Returns max(0, ln(P/2 + 1) - ln k) over its sum, less 1/P, for rank k = 1 (best) to P; the sum is 0."""
    raw = np.maximum(0.0, math.log(population / 2 + 1) - np.log(np.arange(1, population + 1)))
    return np.asarray(raw / raw.sum() - 1 / population)
