"""Pure optimizers on flat buffers: SGD with Nesterov momentum, and AdamW.

Why: a rule written once per flat buffer runs one kernel per operation instead of one per parameter, and a pure rule can
be stacked, exported and checked against a genotype. The rule: nothing given is changed in place; the state is made of
plain dicts of tensors, so that it can be stored in a snapshot.
Papers: Sutskever et al. 2013 (Nesterov momentum, in the form torch uses); Loshchilov and Hutter 2019 (AdamW).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from automl.errors import InvalidSetting

Buffers: TypeAlias = Mapping[str, Tensor]
State: TypeAlias = Mapping[str, Buffers]
Shapes: TypeAlias = Mapping[str, Sequence[tuple[int, ...]]]
"""Of the tensors that each buffer is made of; rules that work entry by entry need not look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NesterovSGD:
    """v <- momentum v + g + wd p;  p <- p - lr (g + wd p + momentum v).

    Attributes:
        momentum: share of the velocity that is kept, no unit, in [0, 1); rule of thumb 0.9. 0 is plain SGD.
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        _require_share("momentum", self.momentum)

    def init(self, parameters: Buffers, *, shapes: Shapes) -> State:
        """Returns zero velocities, one per buffer."""
        return {"velocity": {name: torch.zeros_like(buffer) for name, buffer in parameters.items()}}

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
        """Returns new parameters and velocities; see `UpdateRule`."""
        moved, velocity = {}, {}
        for name, parameter in parameters.items():
            decay = weight_decay[name]
            slope = torch.add(gradients[name], parameter, alpha=decay) if decay else gradients[name]
            velocity[name] = torch.add(slope, state["velocity"][name], alpha=self.momentum)
            direction = torch.add(slope, velocity[name], alpha=self.momentum)
            moved[name] = torch.add(parameter, direction, alpha=-learning_rate)
        return moved, {"velocity": velocity}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay: p <- p (1 - lr wd) - lr m_hat / (sqrt(s_hat) + eps).

    Attributes:
        beta1: decay of the mean of gradients, in [0, 1); rule of thumb 0.9.
        beta2: decay of the mean of squared gradients, in [0, 1); rule of thumb 0.999.
        epsilon: added to the root, > 0; rule of thumb 1e-8.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _require_share("beta1", self.beta1)
        _require_share("beta2", self.beta2)
        if not self.epsilon > 0:
            raise InvalidSetting("epsilon", self.epsilon, "a number > 0")

    def init(self, parameters: Buffers, *, shapes: Shapes) -> State:
        """Returns zero moments, two per buffer."""
        zeros = {name: torch.zeros_like(buffer) for name, buffer in parameters.items()}
        return {"first": zeros, "second": dict(zeros)}

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
        """Returns new parameters and moments; see `UpdateRule`."""
        rate = learning_rate / (1 - self.beta1 ** (step + 1))
        correction = math.sqrt(1 - self.beta2 ** (step + 1))
        moved, first, second = {}, {}, {}
        for name, parameter in parameters.items():
            gradient = gradients[name]
            first[name] = torch.lerp(state["first"][name], gradient, 1 - self.beta1)
            kept = state["second"][name] * self.beta2
            second[name] = kept.addcmul_(gradient, gradient, value=1 - self.beta2)
            root = torch.sqrt(second[name]).div_(correction).add_(self.epsilon)
            decayed = parameter * (1 - learning_rate * weight_decay[name])
            moved[name] = decayed.addcdiv_(first[name], root, value=-rate)
        return moved, {"first": first, "second": second}


def _require_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise InvalidSetting(name, value, "a number in [0, 1)")
