"""The dominant eigenvalue of the Hessian of a loss with respect to a few parameters.

Why: a sharp validation loss around the architecture weights announces that the derived cell will do worse than the
mixture. Source: Zela et al. 2020 (R-DARTS, ICLR), section 4.1. The rule: the loss is computed once, and every
product with the Hessian is one more backward pass through its gradient.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

EIGENVALUE = "eigenvalue"
"""Name of the reading."""
ITERATIONS = 20
TOLERANCE = 1e-2
"""Relative change of the estimate at which the iteration stops; windows compare ratios of 1.3."""


def dominant_eigenvalue(
    loss: Tensor, parameters: Sequence[Parameter], *, seed: int, iterations: int = ITERATIONS
) -> float | None:
    """Returns the eigenvalue of largest size, by power iteration; None where it is not finite.

    Args:
        loss: 0-d, with its graph.
        parameters: n numbers in all; the Hessian is [n, n].
        seed: of the first direction.
        iterations: products at most, >= 1.
    """
    slopes = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)
    slope = torch.cat([one.reshape(-1) for one in slopes])
    if not slope.requires_grad:
        return 0.0  # linear in the parameters
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(slope.numel(), generator=generator).to(slope)
    value = 0.0
    for _ in range(iterations):
        direction = direction / torch.linalg.vector_norm(direction)
        product = _product(slope, parameters, direction)
        before, value = value, float(torch.dot(direction, product))
        size = float(torch.linalg.vector_norm(product))
        if not size > 0 or abs(value - before) <= TOLERANCE * abs(value):
            break
        direction = product
    return value if torch.isfinite(torch.tensor(value)) else None


def _product(slope: Tensor, parameters: Sequence[Parameter], direction: Tensor) -> Tensor:
    """Returns the Hessian times `direction`, [n]."""
    columns = torch.autograd.grad(
        slope, parameters, grad_outputs=direction, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([column.reshape(-1) for column in columns])
