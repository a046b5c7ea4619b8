"""Cosine power annealing (sharpDARTS).

Why: a cosine stays high for long and ends steeply, an exponential the other way round; the power goes from one to the
other. The rule: e = t + 1 counts from 1 to T, both ends on the curve: the first step has exactly 1 and the last exactly
floor, so curves of different horizons agree only as far as their steps are fine.

Source: Hundt, Jain and Hager 2019, "sharpDARTS" (arXiv 1903.09900), `cosine_power_annealing.py` of the authors, with
the warm-up e/(W + 1) for e <= W + 1 (as specified; another stored version of that file has e/W for e <= W).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from search_spaces.lr_schedule.curve import Curve, Floats, falling_code, warmup_steps
from search_spaces.lr_schedule.questions import number, written


@dataclass(frozen=True, slots=True, kw_only=True)
class CosinePower(Curve):
    """floor + (1 - floor) q_e, where q_e is (k^c - 1)/(k - 1) over its greatest value.

    c = (1 + cos(pi (e - W)/(T - W)))/2. The published p = k^(c + 1), scaled to [0, 1] over the epochs, is the same; for
    k = 1 it is c itself. With a warm-up, c starts at 1 in the epoch e = W, which the warm-up covers.
    """

    family: ClassVar[str] = "cosine-power"
    power: float = number("k: 1 is a cosine, larger is more exponential", low=1.0, high=100.0, default=10.0, log=True)
    floor: float = number("factor at the last step", low=0.0, high=0.5, default=0.0, absent=0.0)
    warmup: float = number("share of the run spent rising", low=0.0, high=0.5, default=0.0, absent=0.0)

    def values(self, steps: int) -> Floats:
        """Returns the factors, [steps]."""
        rising = warmup_steps(self.warmup, steps)
        epoch = np.arange(1, steps + 1)
        scaled = self._scaled((1 + np.cos(np.pi * (epoch - rising) / (steps - rising))) / 2)
        first = 1.0 if rising else float(scaled[0])
        share = scaled / first if first > 0 else np.ones(1)  # one step alone has no curve: it gets the peak
        if rising:
            share = np.where(epoch <= rising + 1, epoch / (rising + 1), share)
        return self.floor + (1 - self.floor) * share

    def formula(self) -> str:
        """Returns the power of the cosine."""
        rise = f"e/(W + 1) for e = t + 1 <= W + 1 = {written(self.warmup)} T + 1, then " if self.warmup else ""
        k, place = written(self.power), "(t + 1 - W)/(T - W)" if self.warmup else "(t + 1)/T"
        shape = f"({k}^c - 1)/({k} - 1)" if self.power > 1 else "c"
        floor = f"{written(self.floor)} + {written(1 - self.floor)} q, q = " if self.floor else ""
        return f"{floor}{rise}{shape} scaled to start at 1, c = (1 + cos(pi {place}))/2"

    def code(self) -> str:
        """Returns the statements."""
        rise = "rising = min(round(WARMUP * steps), steps - 1)\nif rising and step <= rising:\n    " + falling_code(
            self.floor, "(step + 1) / (rising + 1)"
        )
        shape = "math.expm1(c * math.log(POWER)) / math.expm1(math.log(POWER))" if self._curved else "c"
        return (
            (rise if self.warmup else "rising = 0\n")
            + "def scaled(epoch: int) -> float:\n"
            + "    c = (1 + math.cos(math.pi * (epoch - rising) / (steps - rising))) / 2\n"
            + f"    return {shape}\n\n"
            + "first = 1.0 if rising else scaled(1)\n"
            + "share = scaled(step + 1) / first if first > 0 else 1.0\n"
            + falling_code(self.floor, "share")
        )

    @property
    def _curved(self) -> bool:
        return math.log(self.power) > 1e-9

    def _scaled(self, cosine: Floats) -> Floats:
        if not self._curved:
            return cosine
        rate = math.log(self.power)
        return np.expm1(cosine * rate) / math.expm1(rate)
