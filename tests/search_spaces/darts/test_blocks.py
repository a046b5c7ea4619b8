"""Cells and heads as modules: shapes, the sum of a node, drop path."""

import pytest
import torch
from torch import nn

from search_spaces.darts.blocks import AuxiliaryHead, CellBlock, LargeStem, SmallStem
from search_spaces.darts.cell import CellPair, parse_cell
from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.network import NetworkPlan
from search_spaces.darts.operations import style_of


def block(cells: CellPair, *, reduces: bool = False, after_reduction: bool = False) -> CellBlock:
    plan = NetworkPlan(cells=cells, style=style_of("darts"))
    return CellBlock(plan, 6, before=(12, 10), reduces=reduces, after_reduction=after_reduction)


def pair(text: str, **settings) -> CellPair:
    cell = parse_cell(text, **settings)
    return CellPair(normal=cell, reduce=cell)


@pytest.mark.parametrize("name", DESIGNS)
def test_normal_cells_keep_the_size_and_reduction_cells_halve_it(name):
    cells = DESIGNS[name].cells
    last = torch.randn(2, 10, 8, 8)
    assert block(cells)(torch.randn(2, 12, 8, 8), last).shape == (2, 6 * len(cells.normal.concat), 8, 8)
    halved = block(cells, reduces=True, after_reduction=True)(torch.randn(2, 12, 16, 16), last)
    assert halved.shape == (2, 6 * len(cells.reduce.concat), 4, 4)


@pytest.mark.parametrize("side", [5, 3, 1])
def test_odd_sizes_fit_together(side):
    cells = DESIGNS["darts-v2"].cells
    halved = block(cells, reduces=True, after_reduction=True)(
        torch.randn(2, 12, 2 * side - 1, 2 * side), torch.randn(2, 10, side, side)
    )
    assert halved.shape == (2, 24, (side + 1) // 2, (side + 1) // 2)


def test_a_node_is_the_sum_of_its_edges():
    cell = block(pair("sk,0 sk,1 / sk,2 sk,0"))
    before, last = torch.randn(2, 12, 4, 4), torch.randn(2, 10, 4, 4)
    cell.eval()
    first, second = cell.input0(before), cell.input1(last)
    torch.testing.assert_close(cell(before, last), torch.cat([first + second, 2 * first + second], dim=1))


def test_a_node_without_edges_is_zero():
    out = block(pair("sk,0 / - / s3,3", concat=[2, 3]), reduces=True)(
        torch.randn(2, 12, 8, 8), torch.randn(2, 10, 8, 8)
    )
    assert out.shape == (2, 12, 4, 4) and not out[:, 6:].any() and out[:, :6].any()


def test_drop_path_keeps_the_expectation_and_drops_whole_examples():
    cell, output = block(pair("s3,0 s3,1")), torch.ones(4000, 3, 2, 2)
    cell.drop_probability = 0.3
    torch.manual_seed(0)
    dropped = cell.applied(nn.ReLU(), output)
    per_example = dropped.flatten(1)
    assert bool((per_example == per_example[:, :1]).all())
    assert sorted(set(per_example[:, 0].tolist())) == pytest.approx([0.0, 1 / 0.7])
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.05)


def test_drop_path_spares_identities_and_evaluation():
    cell, output = block(pair("s3,0 s3,1")), torch.ones(100, 3, 2, 2)
    cell.drop_probability = 0.5
    assert torch.equal(cell.applied(nn.Identity(), output), output)
    assert torch.equal(cell.eval().applied(nn.ReLU(), output), output)


def test_drop_path_draws_from_the_default_generator_only_when_it_is_on():
    cell, output = block(pair("s3,0 s3,1")), torch.ones(50, 3, 2, 2)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    cell.applied(nn.ReLU(), output)
    assert torch.equal(torch.get_rng_state(), state)
    cell.drop_probability = 0.5
    first = cell.applied(nn.ReLU(), output)
    torch.manual_seed(3)
    assert torch.equal(cell.applied(nn.ReLU(), output), first)


def test_stems_give_two_states_with_the_channels_they_name():
    for stem, sides in ((SmallStem(3, 8), (32, 32)), (LargeStem(3, 8), (8, 4))):
        states = stem(torch.randn(2, 3, 32, 32))
        assert [tuple(state.shape) for state in states] == [
            (2, channels, side, side) for channels, side in zip(stem.channels, sides, strict=True)
        ]


@pytest.mark.parametrize("side", [1, 2, 3, 5, 7, 8, 14, 16])
def test_the_auxiliary_head_takes_features_of_any_size(side):
    assert AuxiliaryHead(6, 10)(torch.randn(2, 6, side, side)).shape == (2, 10)


@pytest.mark.parametrize(("channels", "narrow", "wide"), [(576, 128, 768), (768, 128, 768), (64, 15, 86), (1, 1, 2)])
def test_the_auxiliary_head_is_as_wide_as_published_and_narrower_on_small_networks(channels, narrow, wide):
    head = AuxiliaryHead(channels, 10)
    assert (head.layers[0].out_channels, head.layers[3].out_channels) == (narrow, wide)


def test_the_auxiliary_head_pools_as_published():
    """Windows of 5 with stride 3 on 8 x 8, with stride 2 on 7 x 7."""
    head = AuxiliaryHead(1, 2)
    seen = []
    head.layers.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    for side, stride in ((8, 3), (7, 2)):
        features = torch.rand(2, 1, side, side)
        head(features)
        torch.testing.assert_close(seen[-1], nn.AvgPool2d(5, stride=stride)(features))
