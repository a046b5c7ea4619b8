"""Random and perturbed learning-rate curves, in blocks.

Why: a law ranks hundreds of thousands of schedules a second, so they must be drawn as fast: thousands at a time, on 33
values each; both areas of the law are linear in these. The rule: every curve starts at its peak 1 and never rises.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from automl.numerics.annealing_law import AnnealingLaw, Floats, areas
from automl.numerics.schedule_experience import LAW_PEAK

KNOTS = 33
BLOCK = 1_024
RANKS = (*range(12), *(round(12 * 1.5**power) for power in range(1, 12)))
PERTURBED = 0.5
"""Share of curves that are perturbed ones, where there is something to perturb."""
LARGEST_FLOOR = 0.3


def best_curves(
    law: AnnealingLaw, bases: Sequence[Floats], *, count: int, steps: int, rng: np.random.Generator
) -> list[tuple[float, Floats]]:
    """Returns (predicted last loss, curve [33]) of some of `count` curves: of each thousand the best and a few others.

    The others, ever fewer towards the worse, are there because the best are nearly the same curve.

    Args:
        law: fitted to rates as of `law_rates`.
        bases: curves [33] that half of the blocks are perturbed from; () = none.
        count: how many are drawn and ranked.
        steps: T.
        rng: draws them.
    """
    forward, annealed = _knot_areas(steps, decay=law.decay)
    found = []
    for first in range(0, count, BLOCK):
        size = min(BLOCK, count - first)
        curves = perturbed(bases, size, rng) if bases and rng.random() < PERTURBED else random_curves(size, rng)
        losses = law.floor + law.scale * (curves @ forward) ** -law.exponent - law.annealing * (curves @ annealed)
        order = np.argsort(losses, kind="stable")
        found += [(float(losses[place]), curves[place]) for place in order[[rank for rank in RANKS if rank < size]]]
    return found


def random_curves(count: int, rng: np.random.Generator) -> Floats:
    """Returns [count, 33]: 1 for a share h of the run, then floor + (1 - floor) (1 - u^a)^b over the rest.

    h is 0 or uniform, a and b log-uniform in [0.3, 3], the floor 0 or uniform up to 0.3.
    """
    hold = rng.random((count, 1)) * (rng.random((count, 1)) < 0.75)
    floor = rng.random((count, 1)) * LARGEST_FLOOR * (rng.random((count, 1)) < 0.25)
    first, second = np.exp(rng.uniform(np.log(0.3), np.log(3), (2, count, 1)))
    share = np.clip((np.linspace(0, 1, KNOTS) - hold) / (1 - hold), 0, 1)
    curves: Floats = floor + (1 - floor) * (1 - share**first) ** second
    return curves


def perturbed(bases: Sequence[Floats], count: int, rng: np.random.Generator) -> Floats:
    """Returns [count, 33]: a base whose falls are stretched at random (log-normal), start and end as they were.

    Args:
        bases: at least one, [33] with maximum 1; what is before the peak is held at it, later rises are levelled.
        count: how many.
        rng: draws base, strength and noise of each.
    """
    chosen = np.stack([_falling(one) for one in bases])[rng.integers(len(bases), size=count)]
    falls = -np.diff(chosen, axis=1)
    strength = rng.uniform(0.1, 1.5, (count, 1))
    grown = (falls + 1e-3) * np.exp(strength * rng.normal(size=falls.shape))
    total = chosen[:, :1] - chosen[:, -1:]
    grown *= total / grown.sum(axis=1, keepdims=True)
    curves: Floats = np.concatenate([np.ones((count, 1)), 1 - np.cumsum(grown, axis=1)], axis=1)
    return np.maximum(curves, 0.0)


def stretched(multipliers: ArrayLike, *, points: int) -> Floats:
    """Returns a curve of any length at `points` even distances, straight lines in between."""
    values = np.asarray(multipliers, dtype=np.float64)
    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(values)), values)


def _falling(base: Floats) -> Floats:
    held = base.copy()
    held[: int(held.argmax())] = held.max()
    falling: Floats = np.minimum.accumulate(held / held.max())
    return falling


def _knot_areas(steps: int, *, decay: float) -> tuple[Floats, Floats]:
    """Returns (S1(T), S2(T)) of each knot alone, [33] each: by linearity what it adds to those of a curve."""
    places = np.concatenate([[0.0], np.linspace(0, 1, steps)])  # entry 0 repeats the first step, as in `law_rates`
    grid = np.linspace(0, 1, KNOTS)
    rates = LAW_PEAK * np.stack([np.interp(places, grid, one) for one in np.eye(KNOTS)])
    forward, annealed = areas(rates, decay=decay)
    return forward[:, -1], annealed[:, -1]
