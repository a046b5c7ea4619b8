"""Pooling is that of torch."""

import pytest
import torch
from torch import nn

from search_spaces.darts.pooling import average_pool, max_pool


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sides", [(8, 8), (5, 7), (1, 2)])
def test_values_and_gradients_are_those_of_torch(stride, sides):
    x = torch.randn((2, 3, *sides), generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    pairs = (
        (max_pool, nn.MaxPool2d(3, stride=stride, padding=1)),
        (average_pool, nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)),
    )
    for ours, plain in pairs:
        one, other = ours(x, stride=stride), plain(x)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
        gradients = [torch.autograd.grad(output.square().sum(), x)[0] for output in (one, other)]
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)
