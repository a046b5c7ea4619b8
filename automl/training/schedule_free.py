"""Schedule-free SGD and AdamW: averaging in the place of a falling learning rate.

Why: the one well-tested alternative to a schedule, so every found schedule is compared with it. Gradients are taken at
y = (1 - beta) z + beta x, the steps are made by z, and x, a running average of z, is the model: z <- z - lr direction,
x <- (1 - c) x + c z, c = w_t / (w_1 + ... + w_t), w_t = (largest learning rate so far)^2. The rule: the parameters
that a trainer holds are y, while `shown` gives x, which is measured and kept (see `averaged_training`).

Source: Defazio et al. 2024, "The Road Less Scheduled" (arXiv 2405.15682), equations (2) to (4), and the authors' code
(facebookresearch/schedule_free): weight decay acts at y, the learning rate warms up and is then constant.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from automl.errors import InvalidSetting
from automl.training.update_rules import Buffers, Shapes

State: TypeAlias = Mapping[str, Any]
"""z as "base" and x as "average", per buffer; "weights": the sum of w and the largest learning rate, as numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFreeSGD:
    """Plain gradient steps of z: z <- z - lr (g + wd y).

    Attributes:
        beta: how far y lies from z towards x, in [0, 1); rule of thumb 0.9, for very long runs 0.95 to 0.98. The
            learning rate is 10 to 50 times that of SGD with a schedule.
    """

    beta: float = 0.9

    def __post_init__(self) -> None:
        _require_share("beta", self.beta)

    def init(self, parameters: Buffers, *, shapes: Shapes) -> State:
        """Returns z = x = y."""
        return _start(parameters)

    def step(
        self,
        parameters: Buffers,
        gradients: Buffers,
        state: State,
        *,
        learning_rate: float,
        weight_decay: Mapping[str, float],
        step: int,
    ) -> tuple[Buffers, State]:
        """Returns the next y and state; see `UpdateRule`."""

        def direction(name: str) -> Tensor:
            return torch.add(gradients[name], parameters[name], alpha=weight_decay[name])

        return _advance(state, direction, learning_rate=learning_rate, beta=self.beta)

    def shown(self, parameters: Buffers, state: State) -> Buffers:
        """Returns x, the weights that the model is measured with."""
        average: Buffers = state["average"]
        return average


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFreeAdamW:
    """Adam's steps of z without momentum, whose place beta takes: z <- z - lr (g / (sqrt(s_hat) + eps) + wd y).

    Attributes:
        beta: how far y lies from z towards x, in [0, 1); rule of thumb 0.9. The learning rate is 1 to 10 times that
            of AdamW with a schedule.
        beta2: decay of the mean of squared gradients, in [0, 1); rule of thumb 0.999.
        epsilon: added to the root, > 0; rule of thumb 1e-8.
    """

    beta: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _require_share("beta", self.beta)
        _require_share("beta2", self.beta2)
        if not self.epsilon > 0:
            raise InvalidSetting("epsilon", self.epsilon, "a number > 0")

    def init(self, parameters: Buffers, *, shapes: Shapes) -> State:
        """Returns z = x = y and a zero mean of squares."""
        return {**_start(parameters), "second": {name: torch.zeros_like(one) for name, one in parameters.items()}}

    def step(
        self,
        parameters: Buffers,
        gradients: Buffers,
        state: State,
        *,
        learning_rate: float,
        weight_decay: Mapping[str, float],
        step: int,
    ) -> tuple[Buffers, State]:
        """Returns the next y and state; see `UpdateRule`."""
        second = {}
        for name, slope in gradients.items():
            second[name] = (state["second"][name] * self.beta2).addcmul_(slope, slope, value=1 - self.beta2)
        correction = math.sqrt(1 - self.beta2 ** (step + 1))

        def direction(name: str) -> Tensor:
            root = torch.sqrt(second[name]).div_(correction).add_(self.epsilon)
            return torch.div(gradients[name], root).add_(parameters[name], alpha=weight_decay[name])

        moved, following = _advance(state, direction, learning_rate=learning_rate, beta=self.beta)
        return moved, {**following, "second": second}

    def shown(self, parameters: Buffers, state: State) -> Buffers:
        """Returns x, the weights that the model is measured with."""
        average: Buffers = state["average"]
        return average


def _start(parameters: Buffers) -> State:
    """Returns z = x = y; copies, because a trainer overwrites its parameters."""
    return {
        "base": {name: one.clone() for name, one in parameters.items()},
        "average": {name: one.clone() for name, one in parameters.items()},
        "weights": {"total": 0.0, "largest": 0.0},
    }


def _advance(
    state: State, direction: Callable[[str], Tensor], *, learning_rate: float, beta: float
) -> tuple[Buffers, State]:
    """Returns the next y, and z, x and the weights of the average; `direction` gives that of a buffer's step."""
    largest = max(state["weights"]["largest"], learning_rate)
    total = state["weights"]["total"] + largest**2
    share = largest**2 / total if total > 0 else 0.0  # before the first step of a warm-up from 0, z has not moved
    base = {name: torch.add(z, direction(name), alpha=-learning_rate) for name, z in state["base"].items()}
    average = {name: torch.lerp(x, base[name], share) for name, x in state["average"].items()}
    moved = {name: torch.lerp(base[name], x, beta) for name, x in average.items()}
    return moved, {"base": base, "average": average, "weights": {"total": total, "largest": largest}}


def _require_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise InvalidSetting(name, value, "a number in [0, 1)")
