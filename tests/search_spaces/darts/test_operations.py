"""Operations: shapes, sizes, and what the names stand for."""

import pytest
import torch

from automl.errors import InvalidSetting, UnknownName
from search_spaces.darts.operations import (
    FactorizedReduce,
    OperationStyle,
    build_operation,
    middle_channels,
    style_of,
)
from search_spaces.darts.vocabulary import SHORT_NAMES

DARTS_STYLE, SHARP_STYLE = style_of("darts"), style_of("sharp")


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("style", [DARTS_STYLE, SHARP_STYLE], ids=["once", "sharp"])
@pytest.mark.parametrize("side", [8, 7, 2, 1])
@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_operation_keeps_the_size_or_halves_it_rounded_up(name, side, style):
    x = torch.randn(2, 6, side, side)
    for stride in (1, 2):
        y = build_operation(name, 6, stride=stride, style=style)(x)
        assert y.shape == (2, 6, -(-side // stride), -(-side // stride))
        assert bool(torch.isfinite(y).all())


@pytest.mark.parametrize("name", ["sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "flood_conv_5x5", "choke_conv_3x3",
                                  "dil_choke_conv_3x3", "dil_flood_conv_3x3", "sep_conv_7x7"])  # fmt: skip
def test_sharp_convolutions_have_the_parameters_of_the_formula(name):
    """C k^2 + C m + 2m + m k^2 + m C + 2C with m channels in the middle."""
    channels, kernel = 12, int(name[-1])
    middle = 4 * channels if "flood" in name else 32 if "choke" in name else channels
    expected = channels * kernel**2 + 2 * channels * middle + 2 * middle + middle * kernel**2 + 2 * channels
    assert count(build_operation(name, channels, stride=1, style=SHARP_STYLE)) == expected


def test_the_dilated_convolution_of_darts_has_one_stage():
    assert count(build_operation("dil_conv_5x5", 12, stride=2, style=DARTS_STYLE)) == 12 * 25 + 144 + 24
    assert count(build_operation("dil_conv_5x5", 12, stride=2, style=SHARP_STYLE)) == 2 * (12 * 25 + 144 + 24)


def test_pools_and_skips_of_stride_one_have_no_parameters():
    names = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect")
    assert [count(build_operation(name, 8, stride=1, style=DARTS_STYLE)) for name in names] == [0, 0, 0, 0]
    assert count(build_operation("skip_connect", 8, stride=2, style=DARTS_STYLE)) == 8 * 8 + 2 * 8


def test_none_is_zero_and_passes_no_gradient():
    x = torch.randn(1, 2, 4, 4, requires_grad=True)
    y = build_operation("none", 2, stride=2, style=DARTS_STYLE)(x)
    assert not y.any() and not y.requires_grad


def test_average_pooling_does_not_count_its_padding():
    y = build_operation("avg_pool_3x3", 1, stride=1, style=DARTS_STYLE)(torch.ones(1, 1, 4, 4))
    assert torch.equal(y, torch.ones(1, 1, 4, 4))


def test_the_factorized_reduction_reads_even_pixels_and_then_odd_ones():
    reduce = FactorizedReduce(1, 2).eval()
    with torch.no_grad():
        reduce.even.weight.fill_(1.0)
        reduce.odd.weight.fill_(1.0)
    y = reduce(torch.arange(16.0).view(1, 1, 4, 4)) * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(y[0], torch.tensor([[[0.0, 2.0], [8.0, 10.0]], [[5.0, 7.0], [13.0, 15.0]]]))


def test_supernets_norms_learn_nothing():
    style = style_of("darts", affine=False)
    assert count(build_operation("sep_conv_3x3", 4, stride=1, style=style)) == 2 * (4 * 9 + 16)


def test_middle_channels_follow_the_kind():
    kinds = ("sep_conv", "flood_conv", "dil_flood_conv", "choke_conv", "dil_choke_conv")
    assert [middle_channels(kind, 10, choke=32) for kind in kinds] == [10, 40, 40, 32, 32]


def test_wrong_names_and_settings_are_refused():
    with pytest.raises(UnknownName, match="sep_conv_3x3"):
        build_operation("sep_conv_3x4", 8, stride=1, style=DARTS_STYLE)
    with pytest.raises(UnknownName, match="sharper"):
        style_of("sharpest")
    with pytest.raises(InvalidSetting, match=r"darts\.choke"):
        OperationStyle(choke=0)
    with pytest.raises(InvalidSetting, match=r"darts\.dilated"):
        OperationStyle(dilated="twice")
