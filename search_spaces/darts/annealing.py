"""Learning rates of differentiable searches: DARTS's cosine, and sharpDARTS's cosine power annealing.

Why: the weights of a supernet are trained by the published schedules, and a space may import no other space. Sources:
DARTS (Liu et al. 2019), section 3.1; sharpDARTS (Hundt et al. 2019, arXiv 1903.09900), section 4.2, and the authors'
code. The rule: a step is what the papers call an epoch, so the peak stands exactly and the floor is reached where they
say.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineToFloor:
    """floor + (1 - floor) (1 + cos(pi t / T)) / 2, t = 0 .. T - 1.

    Attributes:
        floor: share of the peak that it falls towards, in [0, 1); DARTS 0.001 / 0.025 = 0.04.
    """

    floor: float = 0.04

    def __post_init__(self) -> None:
        _require_share("floor", self.floor)

    def init(self, steps: int) -> int:
        """Returns the horizon."""
        return steps

    def multiplier(self, state: int, step: int, signals: Mapping[str, float]) -> tuple[float, int]:
        """Returns the factor at `step`; past the horizon it stays at the floor."""
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(1.0, step / state))) / 2, state


@dataclass(frozen=True, slots=True, kw_only=True)
class CosinePower:
    """floor + (1 - floor) q, q = (p^c - 1) / (p - 1), c = (1 + cos(pi t / T)) / 2; q = c for p = 1.

    Steps count from 1; after W steps of warm-up t = step - W and T = steps - W, and steps 1 .. W + 1 have
    q = k / (W + 1). Without warm-up q is scaled so that the first step stands at 1.

    Attributes:
        power: p, >= 1; the authors' 2 for small images, 10 for large ones.
        floor: share of the peak at the end, in [0, 1); the authors' 1e-4 / 0.025.
        warmup: share of the steps that rise, W = round(warmup T), in [0, 1); the authors' 5 of 120 epochs.
    """

    power: float = 2.0
    floor: float = 0.004
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not self.power >= 1:
            raise InvalidSetting("power", self.power, "a number >= 1")
        _require_share("floor", self.floor)
        _require_share("warmup", self.warmup)

    def init(self, steps: int) -> tuple[int, int]:
        """Returns (steps of warm-up, horizon)."""
        return min(round(self.warmup * steps), max(0, steps - 2)), steps

    def multiplier(
        self, state: tuple[int, int], step: int, signals: Mapping[str, float]
    ) -> tuple[float, tuple[int, int]]:
        """Returns the factor at `step`; past the horizon it stays at the floor."""
        rising, horizon = state
        place = min(step + 1, horizon)
        if rising and place <= rising + 1:
            share = place / (rising + 1)
        else:
            top = 1.0 if rising else self._raw(1 / horizon)
            share = self._raw((place - rising) / (horizon - rising)) / top if top > 0 else 1.0
        return self.floor + (1 - self.floor) * share, state

    def _raw(self, share: float) -> float:
        """Returns q at t / T = `share`."""
        cosine = (1 + math.cos(math.pi * share)) / 2
        if self.power == 1:
            return cosine
        return math.expm1(cosine * math.log(self.power)) / (self.power - 1)  # stable for p near 1


def _require_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise InvalidSetting(name, value, "a number in [0, 1)")
