"""From architecture logits to the weights that operations are mixed by, and to those that cells are derived from.

Why: what differs between DARTS, sharpDARTS, FairDARTS, GDAS and PC-DARTS is only this; the supernet multiplies. Shapes:
logits [edges, operations] -> the same. Sources: DARTS (Liu et al. 2019), equation (2); Max-W (Hundt et al. 2019, arXiv
1903.09900, and the authors' code); FairDARTS (Chu et al. 2020, arXiv 1911.12126), section 4.1; GDAS (Dong, Yang 2019,
arXiv 1910.04465), equations (3) to (5); PC-DARTS (Xu et al. 2020, arXiv 1907.05737), equations (2) and (3). The rule:
`none` takes part in every softmax and maximum, though its output is zero.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Weighting: TypeAlias = Literal["softmax", "max-w", "max-w-detached", "sigmoid", "gumbel"]


def mixing_weights(logits: Tensor, *, weighting: Weighting) -> Tensor:
    """Returns what operations are multiplied by, without chance: "gumbel" gives the strongest operation 1.

    Max-W is w_hat_k = 1 - max_j w_j + w_k with w = softmax(logits) per edge, so that the strongest operation runs at
    full weight and a weak one cannot win by being easy to scale; detached, the maximum is a constant to the gradient.
    """
    match weighting:
        case "softmax":
            return torch.softmax(logits, dim=-1)
        case "sigmoid":
            return torch.sigmoid(logits)
        case "gumbel":
            return _one_hot(torch.softmax(logits, dim=-1))
        case "max-w" | "max-w-detached":
            weights = torch.softmax(logits, dim=-1)
            largest = weights.amax(dim=-1, keepdim=True)
            return 1 - (largest.detach() if weighting == "max-w-detached" else largest) + weights


def sampled_weights(logits: Tensor, *, temperature: float, generator: torch.Generator) -> Tensor:
    """Returns one sampled operation per edge: exactly 1 for it, 0 for the others; the gradient is that of y.

    y = softmax((log softmax(logits) + Gumbel noise) / temperature), and the operation with the largest y is taken.

    Args:
        logits: [edges, operations].
        temperature: > 0; GDAS falls from 10 to 0.1 in a line.
        generator: of the noise, on the CPU.
    """
    waits = torch.empty(logits.shape, dtype=torch.float64).exponential_(generator=generator)
    noise = -waits.clamp_min_(torch.finfo(torch.float64).tiny).log_()  # a wait of 0 would be infinite noise
    return _one_hot(torch.softmax((torch.log_softmax(logits, dim=-1) + noise.to(logits)) / temperature, dim=-1))


def derivation_weights(logits: Tensor, *, weighting: Weighting) -> Tensor:
    """Returns the weights that a cell is derived from: softmax, or sigmoid where operations do not compete."""
    return torch.sigmoid(logits) if weighting == "sigmoid" else torch.softmax(logits, dim=-1)


def edge_weights(logits: Tensor, *, inputs: Sequence[int]) -> Tensor:
    """Returns one softmax per node over the edges that lead to it, [edges] -> [edges].

    Args:
        logits: beta of PC-DARTS, node after node.
        inputs: edges per node; their sum is the number of edges.
    """
    return torch.cat([torch.softmax(part, dim=0) for part in torch.split(logits, list(inputs))])


def _one_hot(y: Tensor) -> Tensor:
    """Returns 1 at the largest entry of each row, with the gradient of y (straight through)."""
    hard = torch.zeros_like(y).scatter_(-1, y.argmax(dim=-1, keepdim=True), 1.0)
    return hard + (y - y.detach())  # the bracket is exactly zero
