"""Schedules that react to the training: hypergradient descent, FedHyper's rule, decay on a plateau.

Why: a rule that watches the gradients needs no horizon. The rule: they see the loss, the gradient's l2 norm and its
product with the gradient of the step before (see `automl.contracts.Schedule`), answer in multiples of the recipe's
learning rate, and keep a tuple of plain numbers as state. A signal that is not finite leaves the factor as it is.

Sources: Baydin et al. 2018 (arXiv 1703.04782); FedHyper, Wang et al. 2023 (arXiv 2310.03156);
`torch.optim.lr_scheduler.ReduceLROnPlateau`. Not here: the Adam form of hypergradient descent, which needs the product
of the gradient with Adam's last direction, and no signal carries that.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from search_spaces.lr_schedule.questions import check, choice, number, written

State: TypeAlias = tuple[float | None, ...]

LOWEST, HIGHEST = 1e-3, 10.0
"""Bounds of the hypergradient's factor; the authors have none, and a single bad batch can then end a run."""

FED_LOWEST, FED_HIGHEST = -0.8, 4.0
"""Bounds of a_r in the authors' code (variant G)."""

BETTER = 1e-4
"""A loss counts as better when it is lower by this share of the best; torch's threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactive(ABC):
    """A family of rules; implements `automl.contracts.Schedule`; its fields are its settings."""

    family: ClassVar[str]

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def init(self, steps: int) -> State:
        """Returns the state before the first step of a run of `steps`."""

    @abstractmethod
    def multiplier(self, state: State, step: int, signals: Mapping[str, float]) -> tuple[float, State]:
        """Returns (factor at `step`, new state)."""

    @abstractmethod
    def formula(self) -> str:
        """Returns one line of mathematics."""

    @abstractmethod
    def code(self) -> tuple[str, str]:
        """Returns Python statements of `start(steps)` and of `multiplier(state, step, loss, dot, norm)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypergradient(Reactive):
    """Descent on the learning rate itself: it grows while successive gradients agree.

    additive        m <- m + rate <g, g_before>           (with rate = published beta / learning rate)
    multiplicative  m <- m (1 + rate cos(g, g_before))    (independent of the gradient's scale, so also fit for Adam)
    """

    family: ClassVar[str] = "hypergradient"
    rule: Literal["additive", "multiplicative"] = choice(
        "how the product enters", options=("additive", "multiplicative")
    )
    rate: float = number("change of the factor per unit of the product", low=1e-8, high=1.0, default=1e-3, log=True)

    def init(self, steps: int) -> State:
        """Returns (factor, norm of the gradient before)."""
        return (1.0, 0.0)

    def multiplier(self, state: State, step: int, signals: Mapping[str, float]) -> tuple[float, State]:
        """Moves the factor before the step is made, as published."""
        factor, before = state[0] or 0.0, state[1] or 0.0
        dot, norm = signals["gradient_dot"], signals["gradient_l2"]
        if self.rule == "multiplicative":
            dot = factor * dot / (norm * before) if norm * before > 0 else 0.0
        moved = factor + self.rate * dot
        factor = min(max(moved, LOWEST), HIGHEST) if math.isfinite(moved) else factor
        return factor, (factor, norm if math.isfinite(norm) else 0.0)

    def formula(self) -> str:
        """Returns the recursion."""
        rate = written(self.rate)
        moved = f"m + {rate} <g, g'>" if self.rule == "additive" else f"m (1 + {rate} cos(g, g'))"
        return f"m <- clip({moved}, {LOWEST:g}, {HIGHEST:g}), m = 1 at first, g' the gradient before g"

    def code(self) -> tuple[str, str]:
        """Returns the statements."""
        scaled = "dot = factor * dot / (norm * before) if norm * before > 0 else 0.0\n"
        update = (
            "factor, before = state\n"
            + (scaled if self.rule == "multiplicative" else "")
            + "moved = factor + RATE * dot\n"
            + f"factor = min(max(moved, {LOWEST}), {HIGHEST}) if math.isfinite(moved) else factor\n"
            + "return factor, (factor, norm if math.isfinite(norm) else 0.0)\n"
        )
        return "return (1.0, 0.0)\n", update


@dataclass(frozen=True, slots=True, kw_only=True)
class FedHyper(Reactive):
    """1 + a, with a <- clip(a + <change before, change>) at the end of each window of the run.

    Reading of FedHyper-G for one machine: a round is a window of steps. No signal carries the change of a window, so
    its product with the one before is replaced by the sum of the products of successive steps in it, each step being
    taken as -(1 + a) g.
    """

    family: ClassVar[str] = "fedhyper"
    window: float = number("share of the run between two changes", low=0.002, high=0.2, default=0.01, log=True)
    rate: float = number("change of a per unit of the product", low=1e-8, high=1.0, default=1e-3, log=True)

    def init(self, steps: int) -> State:
        """Returns (a, sum of products, factor at the step before, steps of a window)."""
        return (0.0, 0.0, 1.0, float(max(1, round(self.window * steps))))

    def multiplier(self, state: State, step: int, signals: Mapping[str, float]) -> tuple[float, State]:
        """Moves a where a window begins, and adds the product of this step."""
        a, total, before, window = (part or 0.0 for part in state)
        if step > 0 and step % int(window) == 0:
            a, total = min(max(a + self.rate * total, FED_LOWEST), FED_HIGHEST), 0.0
        factor, dot = 1.0 + a, signals["gradient_dot"]
        product = before * factor * dot
        total = total + product if math.isfinite(total + product) else total
        return factor, (a, total, factor, window)

    def formula(self) -> str:
        """Returns the recursion."""
        every = f"every {written(self.window)} T steps"
        moved = f"clip(a + {written(self.rate)} sum m m' <g, g'>, {FED_LOWEST:g}, {FED_HIGHEST:g})"
        return f"m = 1 + a, a <- {moved} {every}, a = 0 at first"

    def code(self) -> tuple[str, str]:
        """Returns the statements."""
        update = (
            "a, total, before, window = state\n"
            "if step > 0 and step % int(window) == 0:\n"
            f"    a, total = min(max(a + RATE * total, {FED_LOWEST}), {FED_HIGHEST}), 0.0\n"
            "factor = 1.0 + a\n"
            "product = before * factor * dot\n"
            "total = total + product if math.isfinite(total + product) else total\n"
            "return factor, (a, total, factor, window)\n"
        )
        return "return (0.0, 0.0, 1.0, float(max(1, round(WINDOW * steps))))\n", update


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau(Reactive):
    """Falls by a factor when the smoothed loss has not improved for a share of the run.

    With memory 0 these are the rates of torch's ReduceLROnPlateau (threshold 1e-4, relative) after its step on the
    same loss.
    """

    family: ClassVar[str] = "plateau"
    patience: float = number("share of the run to wait", low=0.005, high=0.3, default=0.05, log=True)
    factor: float = number("factor on the rate at each drop", low=0.05, high=0.9, default=0.1, log=True)
    memory: float = number("share of the run that the loss is averaged over", low=0.0, high=0.1, default=0.01)

    def init(self, steps: int) -> State:
        """Returns (smoothed loss, best so far, steps since, factor, patience and memory in steps)."""
        return (None, None, 0.0, 1.0, float(max(1, round(self.patience * steps))), max(1.0, self.memory * steps))

    def multiplier(self, state: State, step: int, signals: Mapping[str, float]) -> tuple[float, State]:
        """Smooths, compares and, where the wait is over, lowers the factor."""
        smooth, best, loss = state[0], state[1], signals["loss"]
        since, level, patience, memory = (part or 0.0 for part in state[2:])
        if not math.isfinite(loss):
            return level, state
        smooth = loss if smooth is None else smooth + (loss - smooth) / memory
        if best is None or smooth < best - BETTER * abs(best):
            best, since = smooth, 0.0
        else:
            since += 1.0
        if since > patience:
            since, level = 0.0, level * self.factor
        return level, (smooth, best, since, level, patience, memory)

    def formula(self) -> str:
        """Returns the rule."""
        memory = f" (mean over {written(self.memory)} T steps)" if self.memory else ""
        wait = f"has not improved for {written(self.patience)} T steps"
        return f"m <- {written(self.factor)} m when the loss{memory} {wait}, m = 1 at first"

    def code(self) -> tuple[str, str]:
        """Returns the statements."""
        start = "return (None, None, 0.0, 1.0, float(max(1, round(PATIENCE * steps))), max(1.0, MEMORY * steps))\n"
        update = (
            "smooth, best, since, level, patience, memory = state\n"
            "if not math.isfinite(loss):\n"
            "    return level, state\n"
            "smooth = loss if smooth is None else smooth + (loss - smooth) / memory\n"
            f"if best is None or smooth < best - {BETTER} * abs(best):\n"
            "    best, since = smooth, 0.0\n"
            "else:\n"
            "    since += 1.0\n"
            "if since > patience:\n"
            "    since, level = 0.0, level * FACTOR\n"
            "return level, (smooth, best, since, level, patience, memory)\n"
        )
        return start, update
