"""A chain as a network: shapes, parameter counts by formula, and images that are too small."""

import pytest
import torch

from automl.contracts import Signature
from automl.errors import InvalidSetting
from search_spaces.darts.hypercuboid.chain import read_chain
from search_spaces.darts.hypercuboid.network import build_network
from search_spaces.darts.hypercuboid.operations import ResizablePool, SharpSepConv, build_primitive
from search_spaces.darts.hypercuboid.zoo import PUBLISHED

CIFAR = Signature(inputs=(3, 32, 32), outputs=(10,))


def size(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def sharp(c_in: int, c_out: int, *, kernel: int = 3) -> int:
    """The spec's formula with C_mid = C_out."""
    return c_in * kernel**2 + c_in * c_out + 2 * c_out + c_out * kernel**2 + c_out * c_out + 2 * c_out


@pytest.mark.parametrize(("c_in", "c_out"), [(32, 64), (8, 8), (256, 768)])
def test_parameters_of_a_sharp_sep_conv_follow_the_formula(c_in, c_out):
    assert size(SharpSepConv(c_in, c_out)) == sharp(c_in, c_out)


def test_a_pool_has_parameters_only_where_the_channels_change():
    assert size(ResizablePool(16, 16, stride=2)) == 0
    assert size(ResizablePool(16, 32)) == 16 * 32 + 2 * 32
    assert size(ResizablePool(16, 32, affine=False)) == 16 * 32


@pytest.mark.parametrize("name", ["resizable_pool", "sharp_sep_conv"])
@pytest.mark.parametrize(("stride", "side"), [(1, 7), (2, 4)])
def test_a_primitive_changes_channels_and_halves_the_size(name, stride, side):
    made = build_primitive(name, 3, 5, stride=stride)
    assert made(torch.randn(2, 3, 7, 7)).shape == (2, 5, side, side)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_chains_have_the_parameters_of_their_parts(name):
    chain = PUBLISHED[name]
    before, total = chain.stem, 27 * chain.stem + 2 * chain.stem
    for channels, primitive in chain.steps:
        resizing = before * channels + 2 * channels if before != channels else 0
        total += sharp(before, channels) if primitive == "sharp_sep_conv" else resizing
        before = channels
    total += sharp(before, 768) + 768 * 10 + 10
    assert size(build_network(chain, CIFAR, torch.Generator(), features=768)) == total


def test_four_reductions_of_32_pixels_leave_two():
    network = build_network(PUBLISHED["handmade"], CIFAR, torch.Generator(), features=24)
    features = network.steps(network.stem(torch.randn(2, 3, 32, 32)))
    assert features.shape == (2, 256, 2, 2)
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_equal_seeds_build_equal_networks_whatever_torch_draws_elsewhere():
    chain = read_chain("4: 8S 8R")
    states = []
    for own in (0, 1):
        torch.manual_seed(own)
        states.append(build_network(chain, CIFAR, torch.Generator().manual_seed(3), features=8).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_images_too_small_for_the_reductions_are_refused():
    small = Signature(inputs=(1, 8, 8), outputs=(10,))
    with pytest.raises(InvalidSetting, match="<= 6 for images of 8 x 8"):
        build_network(PUBLISHED["scalar"], small, torch.Generator(), features=8)
