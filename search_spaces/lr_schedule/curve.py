"""What an open-loop schedule is: a curve over the run, known before the run starts.

Why: a schedule written in x, the share of the run that is over, means the same at every horizon; so it is found on
short runs and used on long ones. Steps t count from 0. The rule (for all families but `one-cycle`, `cosine-power` and
`points`, which say theirs): with a warm-up of W = round(warmup T) steps, at most T - 1,

    t <  W    (t + 1)/W: the first step is not lost, and step W - 1 already has the peak
    t >= W    shape(x) with x = (t - W)/(T - W) and shape(0) = 1: x = 1 lies one step behind the last, so no step is
              trained with rate 0

Two families that print the same numbers are the same schedule; fingerprints are taken of the numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.errors import InvalidSetting
from search_spaces.lr_schedule.questions import check, number, written

Floats: TypeAlias = NDArray[np.float64]

MOST_STEPS = 100_000_000
"""A table of 0.8 GB; longer horizons are typing errors."""

EDGE = 1e-9
"""Where a curve jumps, x this close before the jump counts as behind it: 0.3 is not 3/10 in floating point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve(ABC):
    """A family of curves; its fields are its settings."""

    family: ClassVar[str]

    def __post_init__(self) -> None:
        check(self)

    def multipliers(self, steps: int) -> Floats:
        """Returns the factor on the peak learning rate at each step, [steps], in [0, 1].

        Raises:
            InvalidSetting: `steps` is no int in [1, 100000000].
        """
        if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
            raise InvalidSetting("steps", steps, f"an int in [1, {MOST_STEPS}]: the length of the run")
        return np.clip(self.values(steps), 0.0, 1.0)  # rounding alone leaves the interval

    @abstractmethod
    def values(self, steps: int) -> Floats:
        """Returns `multipliers` up to rounding errors; `steps` >= 1."""

    @abstractmethod
    def formula(self) -> str:
        """Returns one line of mathematics."""

    @abstractmethod
    def code(self) -> str:
        """Returns Python statements that return the factor at `step` of `steps`; fields are upper-case constants."""

    def constants(self) -> Mapping[str, object]:
        """Returns what `code` may read besides the fields, by name; nothing by default."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed(Curve):
    """A linear warm-up, then a shape of x; see the module."""

    warmup: float = number("share of the run spent rising", low=0.0, high=0.5, default=0.0, absent=0.0)

    def values(self, steps: int) -> Floats:
        """Returns the warm-up and the shape, [steps]."""
        rising = warmup_steps(self.warmup, steps)
        shape = self.shape(np.arange(steps - rising) / (steps - rising))
        return np.concatenate([np.arange(1, rising + 1) / max(1, rising), shape])

    def formula(self) -> str:
        """Returns the warm-up, where there is one, and the shape."""
        if self.warmup == 0:
            return f"{self.shape_formula()}, x = t/T"
        rise = f"(t + 1)/W for t < W = {written(self.warmup)} T"
        return f"{rise}, then {self.shape_formula()}, x = (t - W)/(T - W)"

    def code(self) -> str:
        """Returns the statements of the warm-up, where there is one, and of the shape."""
        return (_WARMUP_CODE if self.warmup else "x = step / steps\n") + self.shape_code()

    @abstractmethod
    def shape(self, x: Floats) -> Floats:
        """Returns the factor after the warm-up, [n], at x [n] in [0, 1]; 1 at x = 0."""

    @abstractmethod
    def shape_formula(self) -> str:
        """Returns the shape as mathematics in x."""

    @abstractmethod
    def shape_code(self) -> str:
        """Returns Python statements that return the shape at `x`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TabulatedSchedule:
    """A curve as the schedule of a recipe; see `automl.contracts.Schedule`.

    Attributes:
        curve: computed once per run.
    """

    curve: Curve

    def init(self, steps: int) -> tuple[float, ...]:
        """Returns the factors of all steps."""
        return tuple(self.curve.multipliers(steps).tolist())

    def multiplier(
        self, state: tuple[float, ...], step: int, signals: Mapping[str, float]
    ) -> tuple[float, tuple[float, ...]]:
        """Returns the factor at `step`; past the horizon the last one."""
        return state[min(step, len(state) - 1)], state


def warmup_steps(share: float, steps: int) -> int:
    """Returns W, at least one step less than the run."""
    return min(round(share * steps), steps - 1)


def above(floor: float, text: str) -> str:
    """Returns the formula of a shape that ends at `floor` and not at 0."""
    return text if floor == 0 else f"{written(floor)} + {written(1 - floor)} ({text})"


def falling_code(floor: float, expression: str) -> str:
    """Returns the statement that returns FLOOR + (1 - FLOOR) times an expression, or the expression where floor = 0."""
    return f"return {expression}\n" if floor == 0 else f"return FLOOR + (1 - FLOOR) * ({expression})\n"


_WARMUP_CODE = """\
rising = min(round(WARMUP * steps), steps - 1)
if step < rising:
    return (step + 1) / rising
x = (step - rising) / (steps - rising)
"""
