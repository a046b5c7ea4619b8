"""CMA-ES: the distribution learns the scales and correlations of the numbers, and how far to step.

Why written out: EvoTorch's class keeps its state to itself, draws for itself and cannot be set back to a recorded
generation. These are its equations with state in, state out; the tests hold the two together step by step. The active
variant: bad points shrink the directions they lie in.

The rule: every number below follows from the generation's points and ranks; z = A^-1 (x - m) / s is computed, not
remembered, so a point from elsewhere is learnt from in the same way.

Source: Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772 (equation numbers beside the lines), as
implemented in EvoTorch 0.6.1, `evotorch.algorithms.CMAES`.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from automl.numerics.ranking import Floats
from automl.searchers.distribution import NARROWEST, WIDEST, DistributionSearcher


class Ellipsoid(NamedTuple):
    """N(mean, scale^2 shape), and the paths that its mean has taken.

    `factor` is lower triangular, factor factor^T = shape; `step_path` and `shape_path` are [dimensions]; `generations`
    counts the updates.
    """

    mean: Floats
    scale: float
    shape: Floats
    factor: Floats
    step_path: Floats
    shape_path: Floats
    generations: int


class Rates(NamedTuple):
    """What depends on the dimensions and the population only.

    `weights` are best first, positive ones sum to 1, [population]; `mass` is the effective number of parents (mu_eff).
    """

    weights: Floats
    mass: float
    step: float
    damping: float
    path: float
    one: float
    many: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CmaEs(DistributionSearcher[Ellipsoid]):
    """CMA-ES (Hansen, arXiv:1604.00772): the first choice from 10 generations on, with up to 100 numbers."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "cmaes"

    def first(self, dimensions: int) -> Ellipsoid:
        """Returns the standard normal distribution, without a past."""
        zeros, identity = np.zeros(dimensions), np.eye(dimensions)
        return Ellipsoid(zeros, 1.0, identity, identity, zeros, zeros, 0)

    def draw(self, distribution: Ellipsoid, rng: np.random.Generator) -> Floats:
        """Returns mean + scale factor z; equations 38 to 40."""
        noise = rng.standard_normal(len(distribution.mean))
        return distribution.mean + distribution.scale * (distribution.factor @ noise)

    def learn(self, distribution: Ellipsoid, points: Floats, ranked: list[int]) -> Ellipsoid:
        """Returns the distribution after one generation; equations 41 to 47."""
        old, count = distribution, len(distribution.mean)
        rates = rates_of(count, len(points))
        steps = (points[ranked] - old.mean) / old.scale  # y, best first
        noises = np.asarray(np.linalg.solve(old.factor, steps.T).T, dtype=np.float64)  # z
        parents = rates.weights[: len(points) // 2]
        mean_step, mean_noise = parents @ steps[: len(parents)], parents @ noises[: len(parents)]
        spread = math.sqrt(rates.step * (2 - rates.step) * rates.mass)
        step_path = (1 - rates.step) * old.step_path + spread * mean_noise
        length = float(np.linalg.norm(step_path))
        expected = math.sqrt(count) * (1 - 1 / (4 * count) + 1 / (21 * count**2))
        scale = old.scale * math.exp(rates.step / rates.damping * (length / expected - 1))
        fading = 1 - (1 - rates.step) ** (2 * old.generations + 1)
        moving = float(length**2 / fading / count - 1 < 1 + 4 / (count + 1))  # h_sigma: 0 while the scale explodes
        spread = math.sqrt(rates.path * (2 - rates.path) * rates.mass)
        shape_path = (1 - rates.path) * old.shape_path + moving * spread * mean_step
        shape = _reshaped(old.shape, rates, steps, noises, shape_path, moving)
        scale, shape = _limited(scale, shape, old.scale)
        factor = np.asarray(np.linalg.cholesky(shape), dtype=np.float64)
        mean = old.mean + old.scale * mean_step
        return Ellipsoid(mean, scale, shape, factor, step_path, shape_path, old.generations + 1)


def _reshaped(shape: Floats, rates: Rates, steps: Floats, noises: Floats, path: Floats, moving: float) -> Floats:
    """Returns the shape after the rank-one and the rank-mu update; equation 47."""
    count = len(shape)
    lengths = np.maximum((noises**2).sum(axis=1), np.finfo(float).tiny)  # a given point may lie on the mean
    weights = np.where(rates.weights > 0, rates.weights, count * rates.weights / lengths)
    one = rates.one * (1 - (1 - moving**2) * rates.path * (2 - rates.path))
    kept = 1 - one - rates.many * rates.weights.sum()
    updated = kept * shape + rates.one * np.outer(path, path) + rates.many * (steps.T * weights) @ steps
    return np.asarray((updated + updated.T) / 2)


def _limited(scale: float, shape: Floats, before: float) -> tuple[float, Floats]:
    """Returns scale and shape with every axis between `NARROWEST` and `WIDEST`.

    Where a limit holds, the old scale stays and the shape takes the change: scale and shape could else drift apart
    without end.
    """
    values, axes = np.linalg.eigh(shape)
    widths = scale * np.sqrt(np.maximum(values, 0.0))
    if widths[0] >= NARROWEST and widths[-1] <= WIDEST:
        return scale, shape
    limited = axes * np.clip(widths, NARROWEST, WIDEST) / before
    return before, np.asarray(limited @ limited.T, dtype=np.float64)


@lru_cache(maxsize=32)
def rates_of(dimensions: int, population: int) -> Rates:
    """Returns the default weights and learning rates; table 1 of the tutorial as EvoTorch has it."""
    half, count = population // 2, dimensions
    raw = math.log((population + 1) / 2) - np.log(np.arange(1, population + 1))
    mass = float(raw[:half].sum() ** 2 / (raw[:half] ** 2).sum())
    step = (mass + 2) / (count + mass + 3)
    damping = 1 + 2 * max(0.0, math.sqrt((mass - 1) / (count + 1)) - 1) + step
    path = (4 + mass / count) / (count + 4 + 2 * mass / count)
    one = min(1.0, population / 6) * 2 / ((count + 1.3) ** 2 + mass)
    many = min(1 - one, 2 * (0.25 + mass - 2 + 1 / mass) / ((count + 2) ** 2 + mass))
    bad = raw[half:]
    bad_mass = float(bad.sum() ** 2 / (bad**2).sum())
    total = min(1 + one / many, 1 + 2 * bad_mass / (mass + 2), (1 - many - one) / (count * many))
    weights = np.concatenate([raw[:half] / raw[:half].sum(), total * bad / np.abs(bad).sum()])
    return Rates(weights, mass, step, damping, path, one, many)
