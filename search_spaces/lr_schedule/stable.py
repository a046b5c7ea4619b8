"""Schedules with a long constant part: warm-up, stable, decay; and the infinite schedule.

Why: a run at a constant rate can be prolonged, and a cooldown can branch off from any point of it. The rule: the
cooldown of `wsd` is a share of the whole run, the phases of `infinite` are shares of what follows the warm-up.

Sources: WSD and its cooldown shapes, Haegele et al. 2024 (arXiv 2405.18392), code of the authors; infinite schedules,
Ibrahim et al. 2024 (arXiv 2403.08763) and Singh et al. 2025 (arXiv 2503.02844), inverse-sqrt cooldown with a = 10.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, assert_never

import numpy as np

from search_spaces.lr_schedule.curve import Floats, Warmed, above, falling_code
from search_spaces.lr_schedule.questions import choice, number, written

LEAST_EXP = 1e-4
"""The exponential cooldown cannot end at 0; with a smaller floor it ends here."""

BENT = 10.0
"""a of the inverse-sqrt cooldown."""

_COOLDOWN_FORMULA = {
    "linear": "1 - u",
    "1-sqrt": "1 - sqrt(u)",
    "cosine": "(1 + cos(pi u))/2",
    "mirror-cosine": "2 (1 - u) - (1 + cos(pi u))/2",
    "square": "1 - u^2",
}
_COOLDOWN_CODE = {
    "linear": "1 - u",
    "1-sqrt": "1 - math.sqrt(u)",
    "cosine": "(1 + math.cos(math.pi * u)) / 2",
    "mirror-cosine": "2 * (1 - u) - (1 + math.cos(math.pi * u)) / 2",
    "square": "1 - u**2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupStableDecay(Warmed):
    """1 until t = (1 - cooldown) T, then a shape of u, the share of the cooldown that is over, down to floor."""

    family: ClassVar[str] = "wsd"
    cooldown: float = number("share of the whole run spent falling", low=0.02, high=0.5, default=0.2)
    form: Literal["1-sqrt", "linear", "cosine", "mirror-cosine", "square", "exp"] = choice(
        "how it falls", options=("1-sqrt", "linear", "cosine", "mirror-cosine", "square", "exp")
    )
    floor: float = number("factor that the curve falls towards", low=0.0, high=0.5, default=0.0, absent=0.0)

    def shape(self, x: Floats) -> Floats:
        """Returns the stable part and the cooldown."""
        over = (x * (1 - self.warmup) + self.warmup - (1 - self.cooldown)) / self.cooldown
        u = np.maximum(0.0, over)
        if self.form == "exp":
            return np.power(max(self.floor, LEAST_EXP), u)
        falling: Floats = self.floor + (1 - self.floor) * self._fall(u)
        return falling

    def shape_formula(self) -> str:
        """Returns the cooldown."""
        start = written(1 - self.cooldown)
        fall = f"{written(max(self.floor, LEAST_EXP))}^u" if self.form == "exp" else ""
        fall = fall or above(self.floor, _COOLDOWN_FORMULA[self.form])
        return f"{fall} with u = max(0, (t/T - {start})/{written(self.cooldown)})"

    def formula(self) -> str:
        """Returns the warm-up, where there is one, and the cooldown; there is no x to explain."""
        rise = f"(t + 1)/W for t < W = {written(self.warmup)} T, then " if self.warmup else ""
        return rise + self.shape_formula()

    def shape_code(self) -> str:
        """Returns the statements."""
        over = "x * (1 - WARMUP) + WARMUP" if self.warmup else "x"
        u = f"u = max(0.0, ({over} - (1 - COOLDOWN)) / COOLDOWN)\n"
        if self.form == "exp":
            return f"{u}return max(FLOOR, {LEAST_EXP}) ** u\n"
        return u + falling_code(self.floor, _COOLDOWN_CODE[self.form])

    def _fall(self, u: Floats) -> Floats:
        cosine: Floats = (1 + np.cos(np.pi * u)) / 2
        match self.form:
            case "linear" | "exp":
                return 1 - u
            case "1-sqrt":
                return 1 - np.sqrt(u)
            case "cosine":
                return cosine
            case "mirror-cosine":
                return 2 * (1 - u) - cosine
            case "square":
                return 1 - u**2
            case other:
                assert_never(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infinite(Warmed):
    """Down to a constant rate, along it, and at the end an exponential anneal; the defaults are those of the authors.

    With x the share after the warm-up: x < cooldown falls from 1 to level; then level; the last share `anneal` falls
    from level to level * end.
    """

    family: ClassVar[str] = "infinite"
    cooldown: float = number("share of x spent falling to the level", low=0.01, high=0.5, default=0.10 / 0.95)
    bend: Literal["cosine", "inverse-sqrt", "linear"] = choice(
        "how it falls to the level", options=("cosine", "inverse-sqrt", "linear")
    )
    level: float = number("factor of the constant part", low=0.01, high=1.0, default=0.1, log=True)
    anneal: float = number("share of x spent annealing", low=0.01, high=0.5, default=0.20 / 0.95)
    end: float = number("factor at x = 1 over the level", low=1e-3, high=1.0, default=0.1, log=True)

    def shape(self, x: Floats) -> Floats:
        """Returns the three phases."""
        share = np.minimum(1.0, x / self.cooldown)
        over = np.maximum(0.0, (x - (1 - self.anneal)) / self.anneal)
        return (1 + (self.level - 1) * self._bent(share)) * np.power(self.end, over)

    def shape_formula(self) -> str:
        """Returns the three phases."""
        root = f"(1 - 1/sqrt(1 + {BENT:g} u))/{written(1 - 1 / math.sqrt(1 + BENT))}"
        place = {"cosine": "(1 - cos(pi u))/2", "inverse-sqrt": root, "linear": "u"}
        fall = f"(1 - {written(1 - self.level)} {place[self.bend]})"
        late = f"max(0, (x - {written(1 - self.anneal)})/{written(self.anneal)})"
        return f"{fall} {written(self.end)}^{late} with u = min(1, x/{written(self.cooldown)})"

    def shape_code(self) -> str:
        """Returns the statements."""
        bent = {
            "cosine": "(1 - math.cos(math.pi * u)) / 2",
            "inverse-sqrt": f"(1 / math.sqrt(1 + {BENT} * u) - 1) / (1 / math.sqrt(1 + {BENT}) - 1)",
            "linear": "u",
        }
        return (
            "u = min(1.0, x / COOLDOWN)\n"
            "late = max(0.0, (x - (1 - ANNEAL)) / ANNEAL)\n"
            f"return (1 + (LEVEL - 1) * {bent[self.bend]}) * END**late\n"
        )

    def _bent(self, u: Floats) -> Floats:
        """Returns the share of the way to the level that is done, [n], from 0 to 1."""
        match self.bend:
            case "cosine":
                return (1 - np.cos(np.pi * u)) / 2
            case "inverse-sqrt":
                root: Floats = 1 / np.sqrt(1 + BENT * u)
                return (root - 1) / (1 / math.sqrt(1 + BENT) - 1)
            case "linear":
                return u
            case other:
                assert_never(other)
