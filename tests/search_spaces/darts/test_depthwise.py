"""Depthwise convolution: values and gradients of first and second order are those of torch."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from search_spaces.darts.depthwise import FASTEST, depthwise


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sides", [(8, 8), (7, 10), (6, 9), (2, 2), (12, 16)])
def test_values_and_gradients_are_those_of_torch(kernel, stride, sides):
    x = random(2, 3, *sides, seed=0).contiguous(memory_format=FASTEST).requires_grad_()
    weight = random(3, 1, kernel, kernel, seed=1).requires_grad_()
    ours = depthwise(x, weight, stride=stride)
    plain = functional.conv2d(x, weight, None, stride, kernel // 2, 1, 3)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    pull = random(*ours.shape, seed=2)
    for one, other in zip(
        torch.autograd.grad(ours, (x, weight), pull), torch.autograd.grad(plain, (x, weight), pull), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (5, 2), (7, 2)])
def test_second_derivatives_exist_and_are_right(kernel, stride):
    x = random(1, 2, 6, 8, seed=0).requires_grad_()
    weight = random(2, 1, kernel, kernel, seed=1).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda *given: depthwise(*given, stride=stride), (x, weight))
