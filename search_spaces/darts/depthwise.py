"""Depthwise convolution with padding (k - 1) / 2, with gradients that are fast on a CPU.

Why: torch's CPU kernel for the weight gradient takes four to six times as long for kernels wider than 3 as for 3, and
its input gradient for stride 1 nearly twice as long as a forward pass. The rule: the weight gradient is put together
from columns that calls with narrow kernels give, and the input gradient for stride 1 is a convolution with the kernel
turned round.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FASTEST = torch.channels_last
"""Layout in which depthwise convolutions and batch norms of torch's CPU kernels are fastest."""

NARROW = 3
"""Width up to which the kernel of the weight gradient is fast."""


def depthwise(x: Tensor, weight: Tensor, *, stride: int = 1) -> Tensor:
    """Convolves every channel with its own kernel.

    Args:
        x: [batch, channels, height, width].
        weight: [channels, 1, k, k], k odd.
        stride: 1 or 2.

    Returns:
        [batch, channels, height / stride, width / stride], rounded up.
    """
    kernel, width = weight.shape[-1], x.shape[-1]
    if x.device.type != "cpu" or kernel < NARROW or (kernel > NARROW and width < kernel) or width % stride:
        return functional.conv2d(x, weight, None, stride, kernel // 2, 1, weight.shape[0])
    result: Tensor = _Depthwise.apply(x, weight, stride)  # type: ignore[no-untyped-call]
    return result


class _Depthwise(torch.autograd.Function):
    """Both passes consist of differentiable calls, so second derivatives exist."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=FASTEST)
        by_input = by_weight = None
        if ctx.needs_input_grad[0]:
            by_input = _input_gradient(x, weight, gradient, stride=ctx.stride)
        if ctx.needs_input_grad[1]:
            pieces = _pieces_with_stride if ctx.stride == 2 else _pieces
            by_weight = torch.cat(pieces(x, gradient, kernel=weight.shape[-1]), dim=3)
        return by_input, by_weight, None


def _input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, *, stride: int) -> Tensor:
    padding = weight.shape[-1] // 2
    if stride == 1:
        return functional.conv2d(gradient, weight.flip(2, 3), None, 1, padding, 1, weight.shape[0])
    return _gradients(x, gradient, weight, stride=stride, mask=(True, False))[0]


def _pieces(x: Tensor, gradient: Tensor, *, kernel: int) -> list[Tensor]:
    """Returns columns of the weight gradient for stride 1, from left to right: the middle three, others one by one.

    Column c, counted from the middle, pairs every gradient with the input c pixels to its right.
    """
    reach = kernel // 2
    pieces = []
    for column in range(-reach, -1):
        left, right = x[..., :column], gradient[..., -column:]
        pieces.append(_column(left, right, kernel))
    pieces.append(_weight_gradient(x, gradient, (kernel, NARROW), stride=1))
    for column in range(2, reach + 1):
        pieces.append(_column(x[..., column:], gradient[..., :-column], kernel))
    return pieces


def _column(x: Tensor, gradient: Tensor, height: int) -> Tensor:
    x, gradient = x.contiguous(memory_format=FASTEST), gradient.contiguous(memory_format=FASTEST)
    return _weight_gradient(x, gradient, (height, 1), stride=1)


def _pieces_with_stride(x: Tensor, gradient: Tensor, *, kernel: int) -> list[Tensor]:
    """Returns columns of the weight gradient for stride 2 and images of even width: three by three on shifted images.

    A shifted image lacks what was pushed out of it. What is pushed out on the right no gradient asks for, and on the
    left only the first column of a piece does, which the piece before has.
    """
    pieces: list[Tensor] = []
    for shift in range(1 - kernel // 2, kernel // 2, 2):
        shifted = functional.pad(x.permute(0, 2, 3, 1), (0, 0, -shift, shift)).permute(0, 3, 1, 2) if shift else x
        piece = _weight_gradient(shifted, gradient, (kernel, NARROW), stride=2)
        pieces.append(piece[..., 1:] if pieces else piece)
    return pieces


def _weight_gradient(x: Tensor, gradient: Tensor, shape: tuple[int, int], *, stride: int) -> Tensor:
    """Returns [channels, 1, *shape]."""
    unused = x.new_zeros((x.shape[1], 1, *shape))
    return _gradients(x, gradient, unused, stride=stride, mask=(False, True))[1]


def _gradients(
    x: Tensor, gradient: Tensor, weight: Tensor, *, stride: int, mask: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    padding = [weight.shape[2] // 2, weight.shape[3] // 2]
    by_input, by_weight, _ = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [stride] * 2, padding, [1, 1], False, [0, 0], weight.shape[0], [*mask, False]
    )
    return by_input, by_weight
