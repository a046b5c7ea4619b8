"""Depthwise convolution of stride 1 that keeps the size, with a fast weight gradient on a CPU.

Why: torch's CPU kernel for the weight gradient takes about five times as long for kernels wider than 3 as for 3, and in
a supernet that would be the longest part of a step. The rule: the three middle columns of the gradient come from one
call, every other column from a call of its own on shifted images; forward and input gradient are torch's.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FASTEST = torch.channels_last
"""Layout in which depthwise convolutions and batch norms of torch's CPU kernels are fastest."""

MIDDLE = 3
"""Width up to which the kernel of the weight gradient is fast."""


def depthwise(x: Tensor, weight: Tensor) -> Tensor:
    """Convolves every channel with its own kernel.

    Args:
        x: [batch, channels, height, width].
        weight: [channels, 1, k, k], k odd.

    Returns:
        [batch, channels, height, width].
    """
    kernel = weight.shape[-1]
    if x.device.type != "cpu" or kernel <= MIDDLE or x.shape[-1] < kernel:
        return functional.conv2d(x, weight, None, 1, kernel // 2, 1, weight.shape[0])
    result: Tensor = _WideDepthwise.apply(x, weight)  # type: ignore[no-untyped-call]
    return result


class _WideDepthwise(torch.autograd.Function):
    """Both passes consist of differentiable calls, so second derivatives exist."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight, None, 1, weight.shape[-1] // 2, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=FASTEST)
        by_input = by_weight = None
        if ctx.needs_input_grad[0]:
            by_input = functional.conv2d(
                gradient, weight.flip(2, 3), None, 1, weight.shape[-1] // 2, 1, weight.shape[0]
            )
        if ctx.needs_input_grad[1]:
            by_weight = _weight_gradient(x, gradient, kernel=weight.shape[-1])
        return by_input, by_weight


def _weight_gradient(x: Tensor, gradient: Tensor, *, kernel: int) -> Tensor:
    """Returns [channels, 1, kernel, kernel], columns from left to right."""
    outside = (kernel - MIDDLE) // 2
    columns = []
    for shift in range(kernel // 2, kernel // 2 - outside, -1):
        left = x[..., :-shift].contiguous(memory_format=FASTEST)
        columns.append(_columns(left, gradient[..., shift:].contiguous(memory_format=FASTEST), (kernel, 1)))
    columns.append(_columns(x, gradient, (kernel, MIDDLE)))
    for shift in range(kernel // 2 - outside + 1, kernel // 2 + 1):
        right = x[..., shift:].contiguous(memory_format=FASTEST)
        columns.append(_columns(right, gradient[..., :-shift].contiguous(memory_format=FASTEST), (kernel, 1)))
    return torch.cat(columns, dim=3)


def _columns(x: Tensor, gradient: Tensor, shape: tuple[int, int]) -> Tensor:
    """Returns the weight gradient of a depthwise convolution with kernels of this shape."""
    channels, padding = x.shape[1], [shape[0] // 2, shape[1] // 2]
    unused = x.new_zeros((channels, 1, *shape))
    mask = [False, True, False]
    result: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, unused, None, [1, 1], padding, [1, 1], False, [0, 0], channels, mask
    )[1]
    return result
