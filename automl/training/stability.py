"""How large a gradient can be made by moving the weights: the stability probe of EvoNorm.

Why: a layer may learn well for some hundred steps and still blow up in a longer run; its gradient norm then grows
without bound within a few steps of ascent. Paper: Liu et al. 2020 (EvoNorm), rejection by stability: at most 100 steps,
reject above 1e8. The rule: the ascent works on copies; the training state is never touched.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import Module

from automl.canonical import JSON, finite
from automl.contracts import Batch

LEARNING_RATE = 0.01
"""The paper gives none. Measured on the digits after 100 steps: BN-ReLU, GN-SiLU, EvoNorm-B0 and -S0 end between 9 and
100 at 0.01, and an unstable max of the input above 1e10; at 0.1 BN-ReLU with a second affine passes 1e8 as well."""
STRIDE = 1e-3
"""Length of the forward difference, relative to the weights; single precision leaves three good digits of H u."""

LARGEST_STEPS = 100
LIMIT = 1e8
EXAMPLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ascent:
    """The end of a gradient-norm ascent.

    Attributes:
        gradient_norm: ||dL/dtheta||_2 where it ended; NaN or infinite when it left the numbers.
        steps: ascent steps taken.
    """

    gradient_norm: float
    steps: int

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form; a norm that is not finite is null."""
        return {"gradient_norm": finite(self.gradient_norm), "steps": self.steps}


def ascend_gradient_norm(
    loss: Callable[[Sequence[Tensor]], Tensor],
    parameters: Sequence[Tensor],
    *,
    learning_rate: float,
    steps: int = LARGEST_STEPS,
    limit: float = LIMIT,
) -> Ascent:
    """Moves parameters along d||g||/dtheta, g = dL/dtheta.

    With the unit vector u = g / ||g|| that direction is the Hessian's product H u, taken as the forward difference
    (g(theta + h u) - g(theta)) / h. It costs two gradients a step where double backward costs about ten, and needs no
    second derivative of a candidate's own backward.

    Args:
        loss: parameters -> scalar.
        parameters: the start; not changed.
        learning_rate: factor on the direction, > 0.
        steps: most ascent steps.
        limit: stops once the norm is above it, or not finite.

    Returns:
        The last norm seen; 0 or a constant norm, which has no direction, ends the ascent as well.
    """
    moving = [parameter.detach().clone() for parameter in parameters]
    for done in range(steps + 1):
        gradients = _gradients(loss, moving)
        norm = _norm(gradients)
        if done == steps or not norm <= limit or norm == 0:
            break
        stride = STRIDE * max(1.0, _norm(moving))
        ahead = torch._foreach_add(moving, gradients, alpha=stride / norm)
        change = torch._foreach_sub(_gradients(loss, ahead), gradients)
        if _norm(change) == 0:
            break
        moving = list(torch._foreach_add(moving, change, alpha=learning_rate / stride))
    return Ascent(gradient_norm=norm, steps=done)


def _gradients(loss: Callable[[Sequence[Tensor]], Tensor], at: Sequence[Tensor]) -> list[Tensor]:
    leaves = [tensor.detach().requires_grad_() for tensor in at]
    return list(torch.autograd.grad(loss(leaves), leaves, allow_unused=True, materialize_grads=True))


def _norm(tensors: Sequence[Tensor]) -> float:
    norm = float(torch.stack(torch._foreach_norm(list(tensors))).norm())
    return norm if math.isfinite(norm) else math.inf


def probe_stability(
    model: Module, loss: Callable[[Any, Tensor], Tensor], *, batch: Batch, learning_rate: float = LEARNING_RATE
) -> Ascent:
    """Runs the ascent on a copy of `model` in training mode.

    Args:
        model: as trained so far; not changed, and neither are its running statistics.
        loss: (outputs, targets) -> scalar.
        batch: a few dozen examples.
        learning_rate: factor on the direction, > 0.
    """
    twin = copy.deepcopy(model).train()
    names, parameters = zip(*((n, p) for n, p in twin.named_parameters() if p.requires_grad), strict=True)
    inputs, targets = batch

    def batch_loss(moved: Sequence[Tensor]) -> Tensor:
        return loss(functional_call(twin, dict(zip(names, moved, strict=True)), (inputs,)), targets)

    return ascend_gradient_norm(batch_loss, parameters, learning_rate=learning_rate)
