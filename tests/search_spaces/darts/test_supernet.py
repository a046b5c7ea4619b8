"""The fused supernet: equal to the plain one, of the published size, exact through snapshots."""

import copy

import pytest
import torch
from plain_supernet import PlainSupernet, paired, plain_copy
from torch import Tensor

from automl.contracts import Signature
from automl.errors import InvalidSetting, UnknownName
from search_spaces.darts.bilevel_state import Searchable
from search_spaces.darts.supernet import Supernet, SupernetPlan, build_supernet

SMALL = {"channels": 4, "cells": 3}


def built(seed: int = 0, *, side: int = 8, image_channels: int = 3, spread: float = 1.0, **plan) -> Supernet:
    """Returns a supernet in double precision with random logits."""
    signature = Signature(inputs=(image_channels, side, side), outputs=(5,))
    generator = torch.Generator().manual_seed(seed)
    supernet = build_supernet(signature, generator, plan=SupernetPlan(**{**SMALL, **plan})).double()
    with torch.no_grad():
        for logits in supernet.architecture_parameters():
            logits.add_(torch.randn(logits.shape, generator=generator, dtype=torch.float64), alpha=spread)
    return supernet


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slopes(supernet: Supernet | PlainSupernet, x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
    """Returns scores, and gradients by the id of their parameter."""
    scores = supernet(x)
    targets = torch.arange(len(x)) % scores.shape[1]
    loss = torch.nn.functional.cross_entropy(scores, targets)
    parameters = list(supernet.parameters())
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return scores, {id(parameter): slope for parameter, slope in zip(parameters, found, strict=True)}


def gradient_pairs(fused: Supernet, plain: PlainSupernet, ours: dict, theirs: dict) -> list[tuple[Tensor, Tensor]]:
    """Pairs up gradients by putting those of the fused one in the place of its weights."""
    holder = copy.deepcopy(fused)
    with torch.no_grad():
        for parameter, original in zip(holder.parameters(), fused.parameters(), strict=True):
            parameter.copy_(ours[id(original)])
    return [(part, theirs[id(one)]) for part, one in paired(holder, plain) if id(one) in theirs]


def assert_equal_to_plain(fused: Supernet, x: Tensor) -> None:
    plain = plain_copy(fused, x.shape[1], 5)
    (ours, our_slopes), (theirs, their_slopes) = slopes(fused, x), slopes(plain, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    pairs = gradient_pairs(fused, plain, our_slopes, their_slopes)
    assert len(pairs) == len(list(plain.parameters()))
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)
    for one, other in paired(fused, plain):  # running statistics have moved alike
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    fused.eval(), plain.eval()
    torch.testing.assert_close(fused(x), plain(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("operations", ["darts", "sharpsepconv-darts", "sharp", "sharper"])
@pytest.mark.parametrize("side", [8, 7])
@pytest.mark.slow
def test_outputs_gradients_and_statistics_are_those_of_the_plain_supernet(operations, side):
    assert_equal_to_plain(built(side=side, operations=operations, choke=3), images(3, 3, side, side))


@pytest.mark.parametrize("weighting", ["max-w", "max-w-detached", "sigmoid"])
def test_every_weighting_equals_the_plain_supernet(weighting):
    assert_equal_to_plain(built(weighting=weighting), images(2, 3, 8, 8))


@pytest.mark.parametrize("shape", [(2, 1, 12, 8), (2, 1, 9, 8), (2, 1, 16, 16), (5, 1, 5, 5)])
@pytest.mark.slow
def test_every_size_equals_the_plain_supernet(shape):
    assert_equal_to_plain(built(side=min(shape[2:]), image_channels=1, channels=8), images(*shape))


@pytest.mark.parametrize("side", [8, 7])
@pytest.mark.parametrize("operations", ["darts", "sharper"])
@pytest.mark.parametrize("partial", [2, 4])
@pytest.mark.slow
def test_partial_channels_equal_the_plain_supernet(side, operations, partial):
    fused = built(side=side, channels=8, partial=partial, operations=operations)
    assert_equal_to_plain(fused, images(2, 3, side, side))


@pytest.mark.parametrize(("cells", "nodes"), [(1, 4), (2, 2), (4, 1), (3, 5)])
@pytest.mark.slow
def test_every_depth_and_number_of_nodes_equals_the_plain_supernet(cells, nodes):
    assert_equal_to_plain(built(side=16, cells=cells, nodes=nodes), images(2, 3, 16, 16))


def test_second_derivatives_are_those_of_the_plain_supernet():
    fused, x = built(operations="sharper", cells=1, nodes=2), images(2, 3, 16, 16)
    products = []
    for supernet in (fused, plain_copy(fused, 3, 5)):
        alphas = supernet.architecture_parameters()
        first = torch.autograd.grad(supernet(x).square().sum(), alphas, create_graph=True, allow_unused=True)
        slope = sum((one * torch.sin(one.detach())).sum() for one in first if one is not None)
        products.append(torch.autograd.grad(slope, alphas, allow_unused=True, materialize_grads=True))
    for one, other in zip(*products, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("operations", "partial", "millions"),
    [
        ("darts", 1, "1.930618"),
        ("sharpsepconv-darts", 1, "2.527354"),
        ("sharp", 1, "5.867642"),
        ("sharper", 1, "9.707002"),
        ("darts", 4, "0.299578"),
    ],
)
def test_published_supernets_have_their_number_of_weights(operations, partial, millions):
    plan = SupernetPlan(channels=16, cells=8, operations=operations, partial=partial)
    signature = Signature(inputs=(3, 32, 32), outputs=(10,))
    supernet = build_supernet(signature, torch.Generator().manual_seed(0), plan=plan)
    assert f"{sum(map(torch.numel, supernet.weight_parameters())) / 1e6:.6f}" == millions


def test_a_supernet_is_searchable_and_names_its_architecture():
    supernet = built(partial=4)
    assert isinstance(supernet, Searchable)
    named = [name for name, _ in supernet.named_parameters() if name.startswith("architecture.")]
    assert sorted(named) == [f"architecture.{name}" for name in ("normal", "normal_edges", "reduce", "reduce_edges")]
    both = supernet.architecture_parameters() + supernet.weight_parameters()
    assert sorted(map(id, both)) == sorted(map(id, supernet.parameters()))


def test_mixing_with_edge_weights_sums_to_one_per_node():
    weights = built(partial=4).mixing()["reduce"]
    assert weights.shape == (14, 8)
    torch.testing.assert_close(weights[5:9].sum(), torch.ones((), dtype=torch.float64))


def test_mixing_of_sigmoid_weights_lets_operations_stand_side_by_side():
    supernet = built(weighting="sigmoid", spread=0.0)
    assert torch.equal(supernet.mixing()["normal"], torch.full((14, 8), 0.5, dtype=torch.float64))


def test_equal_generators_build_equal_supernets_whatever_torch_drew_before():
    torch.manual_seed(1)
    one = built(3).state_dict()
    torch.manual_seed(2)
    other = built(3).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert not torch.equal(one["architecture.normal"], built(4).state_dict()["architecture.normal"])


def test_sampled_operations_go_on_equally_from_a_snapshot():
    supernet, x = built(weighting="gumbel"), images(2, 3, 8, 8)
    supernet(x)
    saved = copy.deepcopy(supernet.state_dict())
    following = [supernet(x).detach() for _ in range(2)]
    assert not torch.equal(*following)
    other = built(5, weighting="gumbel")
    other.load_state_dict(saved)
    torch.manual_seed(7)
    assert torch.equal(other(x), following[0])


def test_sampled_operations_make_way_for_the_strongest_in_evaluation():
    supernet, x = built(weighting="gumbel"), images(2, 3, 8, 8)
    supernet(x)
    supernet.eval()
    assert torch.equal(supernet(x), supernet(x))
    plain = plain_copy(supernet, 3, 5).eval()
    torch.testing.assert_close(supernet(x), plain(x), rtol=1e-10, atol=1e-10)


def test_images_too_small_for_two_reductions_are_refused():
    with pytest.raises(InvalidSetting, match="4 x 4"):
        built(side=3)


@pytest.mark.parametrize(
    "plan", [{"channels": 6, "partial": 4}, {"cells": 0}, {"weighting": "argmax"}, {"partial": 0}, {"nodes": 9}]
)
def test_impossible_plans_are_refused(plan):
    with pytest.raises(InvalidSetting, match=r"supernet\."):
        SupernetPlan(**plan)


def test_unknown_sets_of_operations_are_refused():
    with pytest.raises(UnknownName):
        SupernetPlan(operations="blunt")
