"""Partial channel connections: only every K-th channel of a state is mixed, the others pass by.

Why: operations on a fraction of the channels cost that fraction of time and memory. Source: PC-DARTS (Xu et al. 2020,
arXiv 1907.05737), section 3.1, and the authors' code. The rule: channels are shuffled on the way into a node, so that
the next edges mix others; a shuffle of sums is the sum of shuffles, so each node is shuffled once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def split_channels(state: Tensor, *, partial: int) -> tuple[Tensor, Tensor]:
    """Returns the first 1 / partial of the channels, which are mixed, and the rest."""
    mixed = state.shape[1] // partial
    return state[:, :mixed], state[:, mixed:]


def bypass(rest: Tensor, *, stride: int) -> Tensor:
    """Returns what passes by, pooled 2x2 where the edges have a stride; odd sides keep their last pixels."""
    return functional.max_pool2d(rest, 2, 2, ceil_mode=True) if stride == 2 else rest


def weighted_sum(weights: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    """Returns sum_j weights[j] tensors[j], [j] and tensors of one shape."""
    total = weights[0] * tensors[0]
    for weight, tensor in zip(weights[1:], tensors[1:], strict=True):
        total = torch.addcmul(total, weight, tensor)
    return total


def joined(mixed: Tensor, rest: Tensor, *, partial: int) -> Tensor:
    """Returns both as one node, shuffled: channel g C / K + i of the two side by side becomes channel i K + g.

    Args:
        mixed: [batch, C / K, height, width].
        rest: [batch, C - C / K, height, width].
        partial: K.
    """
    groups = [mixed, *rest.chunk(partial - 1, dim=1)]
    return torch.stack([group.permute(0, 2, 3, 1) for group in groups], dim=4).flatten(3).permute(0, 3, 1, 2)
