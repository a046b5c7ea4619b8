"""Schedules that rise more than once or from afar: warm restarts and one-cycle.

Why: a rate that goes up again leaves a minimum, and a long rise allows a higher peak. The rule: a restart is a jump, so
these curves are not continuous; `one-cycle` counts t from 0 to T - 1, both ends on the curve, as torch's does.

Sources: SGDR, Loshchilov and Hutter 2017 (arXiv 1608.03983); one-cycle, Smith and Topin 2018 (arXiv 1708.07120), in the
form of `torch.optim.lr_scheduler.OneCycleLR` (two cosines, momentum left alone).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from search_spaces.lr_schedule.curve import Curve, Floats, Warmed, above, falling_code
from search_spaces.lr_schedule.questions import number, whole, written


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmRestarts(Warmed):
    """Cosines from 1 to floor; cycle i is growth^i times as long as the first, and the last ends with the run."""

    family: ClassVar[str] = "sgdr"
    cycles: int = whole("cosines in the run", low=1, high=8, default=4)
    growth: int = whole("length of a cycle over that of the one before", low=1, high=3, default=2)
    floor: float = number("factor at the end of a cycle", low=0.0, high=0.5, default=0.0, absent=0.0)

    def ends(self) -> tuple[float, ...]:
        """Returns where the cycles end, [cycles], the last at 1."""
        lengths = [self.growth**index for index in range(self.cycles)]
        return tuple(sum(lengths[: index + 1]) / sum(lengths) for index in range(self.cycles))

    def shape(self, x: Floats) -> Floats:
        """Returns the cosines."""
        ends = np.array([0.0, *self.ends()])
        # x and the ends are quotients of ints, so equal ones are equal floats
        cycle = np.searchsorted(ends[1:-1], x, side="right")
        share = (x - ends[cycle]) / (ends[cycle + 1] - ends[cycle])
        cosine: Floats = self.floor + (1 - self.floor) * (1 + np.cos(np.pi * share)) / 2
        return cosine

    def shape_formula(self) -> str:
        """Returns a cosine within its cycle."""
        cosine = above(self.floor, "(1 + cos(pi u))/2")
        return f"{cosine} with u from 0 to 1 in each of the cycles that end at {written(self.ends())}"

    def shape_code(self) -> str:
        """Returns the statements."""
        return (
            "end = next((one for one in ENDS if x < one), 1.0)\n"
            "start = max((one for one in ENDS if one < end), default=0.0)\n"
            "share = (x - start) / (end - start)\n" + falling_code(self.floor, "(1 + math.cos(math.pi * share)) / 2")
        )

    def constants(self) -> Mapping[str, object]:
        """Returns the ends of the cycles."""
        return {"ENDS": self.ends()}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCycle(Curve):
    """Half a cosine from start up to 1 at t = rise T - 1, then half a cosine down to end at t = T - 1.

    For T < 1/rise there is no room to rise: t = 0 has the peak.
    """

    family: ClassVar[str] = "one-cycle"
    rise: float = number("share of the run spent rising", low=0.05, high=0.6, default=0.3)
    start: float = number("factor at the first step", low=1e-3, high=1.0, default=1 / 25, log=True)
    end: float = number("factor at the last step", low=1e-8, high=0.1, default=1 / 25 / 1e4, log=True)

    def values(self, steps: int) -> Floats:
        """Returns both cosines, [steps]."""
        t, top = np.arange(steps), max(0.0, self.rise * steps - 1)
        up = self.start + (1 - self.start) * (1 - np.cos(np.pi * t / max(top, 1e-9))) / 2
        down = self.end + (1 - self.end) * (1 + np.cos(np.pi * (t - top) / max(steps - 1 - top, 1e-9))) / 2
        both: Floats = np.where(t < top, up, down)
        return both

    def formula(self) -> str:
        """Returns both cosines."""
        start, end, rise = written(self.start), written(self.end), written(self.rise)
        rising = f"{start} + {written(1 - self.start)} (1 - cos(pi t/R))/2 for t < R = {rise} T - 1"
        return f"{rising}, then {end} + {written(1 - self.end)} (1 + cos(pi (t - R)/(T - 1 - R)))/2"

    def code(self) -> str:
        """Returns the statements."""
        return (
            "top = max(0.0, RISE * steps - 1)\n"
            "if step < top:\n"
            "    return START + (1 - START) * (1 - math.cos(math.pi * step / top)) / 2\n"
            "share = (step - top) / max(steps - 1 - top, 1e-9)\n"
            "return END + (1 - END) * (1 + math.cos(math.pi * share)) / 2\n"
        )
