"""Batch norm whose scale is given with the input, and whose running statistics lie in one tensor.

Why: a supernet multiplies normalised outputs by mixing weights; as the scale of the norm that costs nothing, and one
norm serves all edges that leave a state. Source: Ioffe, Szegedy 2015; constants are torch's. The rule: in training
statistics are the batch's, in evaluation those collected, exactly as `torch.nn.BatchNorm2d(affine=False)` has them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

MOMENTUM, EPSILON = 0.1, 1e-5


class RunningNorm(nn.Module):
    """[batch, features, height, width] -> the same.

    Attributes:
        statistics: running mean and variance, [2, features].
    """

    statistics: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("statistics", torch.stack([torch.zeros(features), torch.ones(features)]))

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Normalises.

        Args:
            x: input.
            scale: [features], contiguous: for a strided one torch 2.13 computes wrong gradients in channels-last
                layout; None = 1.
        """
        mean, variance = self.statistics
        return functional.batch_norm(x, mean, variance, scale, None, self.training, MOMENTUM, EPSILON)
