"""SGD with heavy-ball momentum, as the weights of supernets are trained.

Why: the unrolled step of a bilevel search is written for it. The rule: with v <- momentum v + g + wd p and
p <- p - lr v, one imagined step is exactly w - xi (momentum v + g + wd p), the w' of DARTS's code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from automl.errors import InvalidSetting

Buffers: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentumSGD:
    """See the module and `automl.contracts.UpdateRule`.

    Attributes:
        momentum: share of the velocity that is kept, in [0, 1); DARTS's 0.9.
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise InvalidSetting("momentum", self.momentum, "a number in [0, 1)")

    def init(self, parameters: Buffers, *, shapes: Mapping[str, Sequence[tuple[int, ...]]]) -> Mapping[str, Buffers]:
        """Returns zero velocities, one per buffer."""
        return {"velocity": {name: torch.zeros_like(buffer) for name, buffer in parameters.items()}}

    def step(
        self,
        parameters: Buffers,
        gradients: Buffers,
        state: Mapping[str, Buffers],
        *,
        learning_rate: float,
        weight_decay: Mapping[str, float],
        step: int,
    ) -> tuple[Buffers, Mapping[str, Buffers]]:
        """Returns new parameters and velocities."""
        moved, velocity = {}, {}
        for name, parameter in parameters.items():
            slope = torch.add(gradients[name], parameter, alpha=weight_decay[name])
            velocity[name] = torch.add(slope, state["velocity"][name], alpha=self.momentum)
            moved[name] = torch.add(parameter, velocity[name], alpha=-learning_rate)
        return moved, {"velocity": velocity}
