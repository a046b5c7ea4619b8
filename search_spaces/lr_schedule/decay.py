"""Schedules that fall from the peak once: constant, linear, polynomial, cosine, exponential, inverse root, REX, steps.

Why: these are what most trainings use, and each is a baseline of the others. The rule: all have the warm-up of
`curve.Warmed`; x is the share of the run after it.

Sources: linear decay and its warm-up, Defazio et al. 2023 (arXiv 2310.07831), whose fits "warm-up of a fraction f, then
(1 - x)^p" are `polynomial` with floor 0; cosine, Loshchilov and Hutter 2017; inverse square root, Vaswani et al. 2017;
REX, Chen et al. 2021 (arXiv 2107.04197).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from search_spaces.lr_schedule.curve import EDGE, Floats, Warmed, above, falling_code
from search_spaces.lr_schedule.questions import number, written

_MOST_FLOOR = 0.5


def _floor() -> Any:
    meaning = "factor that the curve falls towards"
    return number(meaning, low=0.0, high=_MOST_FLOOR, default=0.0, absent=0.0)


def _drop() -> Any:
    return number("factor on the rate at each drop", low=0.01, high=0.9, default=0.1, log=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Warmed):
    """1 after the warm-up."""

    family: ClassVar[str] = "constant"

    def shape(self, x: Floats) -> Floats:
        """Returns ones."""
        return np.ones_like(x)

    def shape_formula(self) -> str:
        """Returns 1."""
        return "1"

    def shape_code(self) -> str:
        """Returns the statement."""
        return "return 1.0\n"

    def formula(self) -> str:
        """Returns the warm-up and 1; there is no x to explain."""
        return "1" if self.warmup == 0 else f"(t + 1)/W for t < W = {written(self.warmup)} T, then 1"

    def code(self) -> str:
        """Returns the statements without x where there is no warm-up."""
        return Warmed.code(self) if self.warmup else self.shape_code()


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Warmed):
    """floor + (1 - floor)(1 - x)."""

    family: ClassVar[str] = "linear"
    floor: float = _floor()

    def shape(self, x: Floats) -> Floats:
        """Returns the line."""
        return self.floor + (1 - self.floor) * (1 - x)

    def shape_formula(self) -> str:
        """Returns the line."""
        return above(self.floor, "1 - x")

    def shape_code(self) -> str:
        """Returns the statement."""
        return falling_code(self.floor, "1 - x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Polynomial(Warmed):
    """floor + (1 - floor)(1 - x)^power."""

    family: ClassVar[str] = "polynomial"
    power: float = number("exponent of 1 - x; published fits are 0.8 to 3", low=0.25, high=4.0, default=1.0, log=True)
    floor: float = _floor()

    def shape(self, x: Floats) -> Floats:
        """Returns the power."""
        return self.floor + (1 - self.floor) * (1 - x) ** self.power

    def shape_formula(self) -> str:
        """Returns the power."""
        return above(self.floor, f"(1 - x)^{written(self.power)}")

    def shape_code(self) -> str:
        """Returns the statement."""
        return falling_code(self.floor, "(1 - x) ** POWER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Warmed):
    """floor + (1 - floor)(1 + cos(pi x))/2."""

    family: ClassVar[str] = "cosine"
    floor: float = _floor()

    def shape(self, x: Floats) -> Floats:
        """Returns half a cosine."""
        return self.floor + (1 - self.floor) * (1 + np.cos(np.pi * x)) / 2

    def shape_formula(self) -> str:
        """Returns half a cosine."""
        return above(self.floor, "(1 + cos(pi x))/2")

    def shape_code(self) -> str:
        """Returns the statement."""
        return falling_code(self.floor, "(1 + math.cos(math.pi * x)) / 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(Warmed):
    """end^x."""

    family: ClassVar[str] = "exponential"
    end: float = number("factor at x = 1", low=1e-4, high=0.9, default=0.01, log=True)

    def shape(self, x: Floats) -> Floats:
        """Returns the exponential."""
        return np.power(self.end, x)

    def shape_formula(self) -> str:
        """Returns the exponential."""
        return f"{written(self.end)}^x"

    def shape_code(self) -> str:
        """Returns the statement."""
        return "return END**x\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseRoot(Warmed):
    """sqrt(w/(t/T)) after a warm-up of the share w: the rate of the Transformer, peak at the end of the warm-up.

    t/T = w + x (1 - w), so the shape is 1/sqrt(1 + x (1 - w)/w).
    """

    family: ClassVar[str] = "inverse-root"
    warmup: float = number("share of the run spent rising", low=0.001, high=0.5, default=0.05, log=True)

    def shape(self, x: Floats) -> Floats:
        """Returns the inverse root."""
        return 1 / np.sqrt(1 + x * (1 - self.warmup) / self.warmup)

    def shape_formula(self) -> str:
        """Returns the inverse root."""
        return f"1/sqrt(1 + {written((1 - self.warmup) / self.warmup)} x)"

    def shape_code(self) -> str:
        """Returns the statement."""
        return "return 1 / math.sqrt(1 + x * (1 - WARMUP) / WARMUP)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rex(Warmed):
    """(1 - x)/(1 - x/2), reflected exponential: above linear decay all the way, steep at the end."""

    family: ClassVar[str] = "rex"

    def shape(self, x: Floats) -> Floats:
        """Returns the quotient."""
        return (1 - x) / (1 - x / 2)

    def shape_formula(self) -> str:
        """Returns the quotient."""
        return "(1 - x)/(1 - x/2)"

    def shape_code(self) -> str:
        """Returns the statement."""
        return "return (1 - x) / (1 - x / 2)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Warmed):
    """factor^floor(x/every)."""

    family: ClassVar[str] = "step"
    every: float = number("share of the run between two drops", low=0.05, high=0.9, default=1 / 3)
    factor: float = _drop()

    def shape(self, x: Floats) -> Floats:
        """Returns the stairs."""
        return np.power(self.factor, np.floor(x / self.every + EDGE))

    def shape_formula(self) -> str:
        """Returns the stairs."""
        return f"{written(self.factor)}^floor(x/{written(self.every)})"

    def shape_code(self) -> str:
        """Returns the statement."""
        return f"return FACTOR ** math.floor(x / EVERY + {EDGE})\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones(Warmed):
    """factor^(number of milestones reached), three of them, in any order; one at 1 is never reached."""

    family: ClassVar[str] = "milestones"
    first: float = number("x of a drop", low=0.05, high=1.0, default=0.3)
    second: float = number("x of a drop", low=0.05, high=1.0, default=0.6)
    third: float = number("x of a drop", low=0.05, high=1.0, default=0.9)
    factor: float = _drop()

    def shape(self, x: Floats) -> Floats:
        """Returns the stairs."""
        places = np.array([self.first, self.second, self.third])
        stairs: Floats = np.power(self.factor, (x[:, None] >= places - EDGE).sum(1).astype(np.float64))
        return stairs

    def shape_formula(self) -> str:
        """Returns the stairs."""
        places = written(tuple(sorted((self.first, self.second, self.third))))
        return f"{written(self.factor)}^(number of {places} up to x)"

    def shape_code(self) -> str:
        """Returns the statement."""
        return f"return FACTOR ** sum(x >= place - {EDGE} for place in (FIRST, SECOND, THIRD))\n"
