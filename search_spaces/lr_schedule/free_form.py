"""Curves of any form: knots in the logarithm, and points joined by straight lines.

Why: the published families are a few dozen bets; a free curve can be moved wherever the loss goes. The rule: `knots`
only ever fall after the warm-up, so that every answer is a sane schedule and a continuous searcher may roam; `points`
may do anything in [0, 1], and are what refined schedules become.

Source: monotone piecewise cubic interpolation, Fritsch and Butland 1984 (PCHIP).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from search_spaces.lr_schedule.curve import Curve, Floats, Warmed
from search_spaces.lr_schedule.questions import series, written

LEAST_DROP, MOST_DROP = 0.01, 4.0
"""Of the logarithm between two knots: 1 % to a factor of 55. Drawn in the logarithm: linear decay has 0.13 to 2."""

TO_ZERO = 2.3
"""The drop that stands for one to 0, which has no logarithm; at this one linear decay is followed best."""

POINTS = 33
"""Joints of `points`: 32 equal parts of the run."""


def falling(levels: Sequence[float]) -> tuple[float, ...]:
    """Returns the drops of knots that follow `levels` (the first 1, never rising) as closely as legal drops allow."""
    drops = [math.log(one / other) if other > 0 else TO_ZERO for one, other in pairwise(levels)]
    return tuple(min(max(drop, LEAST_DROP), MOST_DROP) for drop in drops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knots(Warmed):
    """exp of a monotone cubic through knots at x = 0, 1/K, ..., 1: 0 at the first, then lower by each drop."""

    family: ClassVar[str] = "knots"
    drop: tuple[float, ...] = series(
        "fall of the logarithm from knot to knot",
        low=LEAST_DROP,
        high=MOST_DROP,
        default=falling([1 - index / 8 for index in range(9)]),
        log=True,
    )

    def levels(self) -> Floats:
        """Returns the logarithm at each knot, [K + 1], the first 0."""
        return np.concatenate([[0.0], -np.cumsum(self.drop)])

    def shape(self, x: Floats) -> Floats:
        """Returns the curve."""
        levels = self.levels()
        return np.exp(hermite(levels, monotone_slopes(levels), x))

    def shape_formula(self) -> str:
        """Returns the knots."""
        return f"monotone cubic in the logarithm through {written(tuple(np.exp(self.levels()).tolist()))}"

    def shape_code(self) -> str:
        """Returns the statements."""
        return (
            "place = x * (len(LEVELS) - 1)\n"
            "knot = min(int(place), len(LEVELS) - 2)\n"
            "u = place - knot\n"
            "low, high, rise, fall = LEVELS[knot], LEVELS[knot + 1], SLOPES[knot], SLOPES[knot + 1]\n"
            "level = low + (high - low) * u**2 * (3 - 2 * u) + u * (1 - u) * (rise * (1 - u) - fall * u)\n"
            "return math.exp(level)\n"
        )

    def constants(self) -> Mapping[str, object]:
        """Returns the logarithms at the knots and the slopes there, per knot."""
        levels = self.levels()
        return {"LEVELS": tuple(levels.tolist()), "SLOPES": tuple(monotone_slopes(levels).tolist())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Points(Curve):
    """Straight lines through 33 values at x = 0, 1/32, ..., 1; no warm-up but their own.

    x = t/(T - 1), both ends on the curve: refined schedules end at 0, and a list of values has a first and a last.
    """

    family: ClassVar[str] = "points"
    value: tuple[float, ...] = series(
        "factor at equal distances",
        low=0.0,
        high=1.0,
        default=[1 - index / (POINTS - 1) for index in range(POINTS)],
        length=POINTS,
    )

    def values(self, steps: int) -> Floats:
        """Returns the lines, [steps]."""
        return np.interp(np.arange(steps) / max(1, steps - 1), np.linspace(0, 1, POINTS), self.value)

    def formula(self) -> str:
        """Returns a few of the points."""
        some = written(self.value[:: (POINTS - 1) // 8])
        return f"straight lines through {POINTS} points, every fourth: {some}, x = t/(T - 1)"

    def code(self) -> str:
        """Returns the statements."""
        return (
            "place = step / max(1, steps - 1) * (len(VALUE) - 1)\n"
            "point = min(int(place), len(VALUE) - 2)\n"
            "return VALUE[point] + (VALUE[point + 1] - VALUE[point]) * (place - point)\n"
        )


def points_along(values: Floats) -> Points:
    """Returns the points on a curve [steps >= 2]."""
    on_curve = np.interp(np.linspace(0, 1, POINTS), np.linspace(0, 1, len(values)), values)
    return Points(value=tuple(on_curve.tolist()))


def monotone_slopes(levels: Floats) -> Floats:
    """Returns the slopes of PCHIP at knots one apart, [n], for values [n >= 3] that only fall or only rise.

    Inside the harmonic mean of the neighbouring differences; at the ends (3 d0 - d1)/2, or 0 where that points the
    other way.
    """
    differences = np.diff(levels)
    before, after = differences[:-1], differences[1:]
    inside = 2 * before * after / (before + after)
    ends = [(3 * differences[0] - differences[1]) / 2, (3 * differences[-1] - differences[-2]) / 2]
    signs = np.sign(differences[[0, -1]])
    first, last = np.where(np.sign(ends) == signs, ends, 0.0)
    return np.concatenate([[first], inside, [last]])


def hermite(levels: Floats, slopes: Floats, x: Floats) -> Floats:
    """Returns the cubic through values and slopes [n] at knots one apart, at x [m] in [0, 1] of their whole length."""
    place = x * (len(levels) - 1)
    knot = np.minimum(place.astype(np.int64), len(levels) - 2)
    u = place - knot
    low, high, rise, fall = levels[knot], levels[knot + 1], slopes[knot], slopes[knot + 1]
    between: Floats = low + (high - low) * u**2 * (3 - 2 * u) + u * (1 - u) * (rise * (1 - u) - fall * u)
    return between
