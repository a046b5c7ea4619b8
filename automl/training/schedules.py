"""Learning-rate schedules: constant, and linear warm-up followed by half a cosine.

Why: a schedule is a small state machine, so that it can be stacked, exported and checked like an update rule.
Paper: Loshchilov and Hutter 2017 (SGDR) for the cosine. The rule: the state is plain data and fits into a snapshot.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The peak learning rate at every step."""

    def init(self, steps: int) -> None:
        """Returns None: there is nothing to remember."""

    def multiplier(self, state: None, step: int, signals: Mapping[str, float]) -> tuple[float, None]:
        """Returns 1."""
        return 1.0, None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupCosine:
    """(t + 1) / W for t < W, then floor + (1 - floor) (1 + cos(pi (t - W) / (T - W))) / 2.

    Attributes:
        warmup: share of the horizon spent rising, W = round(warmup T), in [0, 1); rule of thumb 0 to 0.1.
        floor: the factor that the cosine falls towards, in [0, 1]; rule of thumb 0.
    """

    warmup: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise InvalidSetting("warmup", self.warmup, "a number in [0, 1)")
        if not 0 <= self.floor <= 1:
            raise InvalidSetting("floor", self.floor, "a number in [0, 1]")

    def init(self, steps: int) -> tuple[int, int]:
        """Returns (warm-up steps, horizon in steps)."""
        return min(round(self.warmup * steps), steps - 1), steps

    def multiplier(
        self, state: tuple[int, int], step: int, signals: Mapping[str, float]
    ) -> tuple[float, tuple[int, int]]:
        """Returns the factor at `step`; past the horizon it stays at `floor`."""
        rising, horizon = state
        if step < rising:
            return (step + 1) / rising, state
        share = min(1.0, (step - rising) / (horizon - rising))
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2, state
