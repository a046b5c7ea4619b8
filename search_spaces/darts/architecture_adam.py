"""Adam as architecture weights are trained by it.

Source: DARTS (Liu et al. 2019), section 3.1, and the authors' code. The rule: weight decay is added to the gradient (it
is not decoupled), and steps are counted from the first one that moves the architecture.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureAdam:
    """m <- b1 m + (1 - b1) h, s <- b2 s + (1 - b2) h^2, alpha <- alpha - lr m_hat / (sqrt(s_hat) + eps).

    h = g + wd alpha is the gradient with decay, hats correct for the zeros at the start.

    Attributes:
        learning_rate: > 0; DARTS 3e-4, PC-DARTS 6e-4, FairDARTS 3e-3.
        beta1: in [0, 1); DARTS 0.5.
        beta2: in [0, 1); DARTS 0.999.
        weight_decay: >= 0; DARTS 1e-3.
        epsilon: > 0.
    """

    learning_rate: float = 3e-4
    beta1: float = 0.5
    beta2: float = 0.999
    weight_decay: float = 1e-3
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("learning_rate", "epsilon"):
            if not getattr(self, name) > 0:
                raise InvalidSetting(f"architecture.{name}", getattr(self, name), "a number > 0")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidSetting(f"architecture.{name}", getattr(self, name), "a number in [0, 1)")
        if not self.weight_decay >= 0:
            raise InvalidSetting("architecture.weight_decay", self.weight_decay, "a number >= 0")

    def init(self, alphas: Sequence[Tensor]) -> Mapping[str, Any]:
        """Returns zero moments and no steps done."""
        zeros = [torch.zeros_like(alpha) for alpha in alphas]
        return {"first": zeros, "second": [zero.clone() for zero in zeros], "steps": 0}

    def step(
        self, alphas: Sequence[Tensor], gradients: Sequence[Tensor], state: Mapping[str, Any]
    ) -> tuple[list[Tensor], Mapping[str, Any]]:
        """Returns new architecture weights and state; nothing given is changed."""
        steps = state["steps"] + 1
        rate = self.learning_rate / (1 - self.beta1**steps)
        correction = math.sqrt(1 - self.beta2**steps)
        moved, first, second = [], [], []
        for alpha, gradient, mean, square in zip(alphas, gradients, state["first"], state["second"], strict=True):
            slope = torch.add(gradient, alpha, alpha=self.weight_decay)
            first.append(torch.lerp(mean, slope, 1 - self.beta1))
            second.append(torch.addcmul(square * self.beta2, slope, slope, value=1 - self.beta2))
            root = second[-1].sqrt().div_(correction).add_(self.epsilon)
            moved.append(torch.addcdiv(alpha, first[-1], root, value=-rate))
        return moved, {"first": first, "second": second, "steps": steps}
