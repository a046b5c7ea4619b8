"""Initial weights: of the right size, and from the given generator alone."""

import torch
from torch import nn

from search_spaces.darts.weights import initialise


def drawn(seed: int) -> nn.Module:
    layers = nn.Sequential(nn.Conv2d(8, 64, 3, groups=2, bias=True), nn.BatchNorm2d(64), nn.Linear(400, 50))
    initialise(layers, torch.Generator().manual_seed(seed))
    return layers


def test_convolutions_are_he_normal_and_linear_layers_uniform():
    conv, norm, linear = drawn(0).requires_grad_(False)
    assert abs(float(conv.weight.std()) - (2 / (32 * 9)) ** 0.5) < 0.005
    assert float(linear.weight.abs().max()) <= 1 / 20 and abs(float(linear.weight.std()) - 1 / 20 / 3**0.5) < 0.001
    assert not conv.bias.any() and not linear.bias.any()
    assert bool((norm.weight == 1).all()) and not norm.bias.any()


def test_only_the_given_generator_matters():
    torch.manual_seed(1)
    first = drawn(5)
    torch.manual_seed(2)
    for one, other in zip(first.state_dict().values(), drawn(5).state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(first[0].weight, drawn(6)[0].weight)
