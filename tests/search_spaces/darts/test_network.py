"""The evaluation network: shapes, where it reduces, what it refuses, and that it is a function of its seed."""

import pytest
import torch

from automl.contracts import Signature
from automl.errors import InvalidSetting
from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.network import NetworkPlan
from search_spaces.darts.operations import style_of

V2 = DESIGNS["darts-v2"].cells
ONE_INPUT = ("sharper-scalar-none",)
CIFAR = Signature(inputs=(3, 32, 32), outputs=(10,))


def test_twenty_cells_end_in_576_features_of_8_x_8(built):
    network = built(V2, signature=CIFAR, depth=20, channels=36).eval()
    with torch.no_grad():
        states = network.through(network.stem(torch.zeros(1, 3, 32, 32)), 0, 20)
    assert states[1].shape == (1, 576, 8, 8)
    assert [index for index, cell in enumerate(network.cells) if cell.stride == 2] == [6, 13]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 8])
def test_networks_of_any_depth_score_small_images(built, digits, depth):
    network = built(V2, signature=digits, depth=depth)
    assert network(torch.randn(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_scores_small_images_and_all_its_weights_learn(built, digits, name):
    """A convolution without a gradient would be rejected before training; only a cell that reads one input has any."""
    design = DESIGNS[name]
    network = built(design.cells.canonical(), signature=digits, operations=design.operations)
    scores = network(torch.randn(8, 1, 8, 8))
    torch.nn.functional.cross_entropy(scores, torch.arange(8)).backward()
    convs = [part.weight for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert bool(torch.isfinite(scores).all())
    assert all(conv.grad is not None and bool(conv.grad.any()) for conv in convs) == (name not in ONE_INPUT)


def test_equal_seeds_give_equal_networks_whatever_torch_has_drawn(built, digits):
    torch.manual_seed(1)
    first = built(V2, signature=digits, seed=4).state_dict()
    torch.manual_seed(2)
    second = built(V2, signature=digits, seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    third = built(V2, signature=digits, seed=5).state_dict()
    assert not torch.equal(first["stem.layers.0.weight"], third["stem.layers.0.weight"])


def test_the_auxiliary_scores_stand_behind_the_main_ones_in_training_only(built, digits):
    network = built(V2, signature=digits, auxiliary=True)
    scores, auxiliary = network(torch.randn(4, 1, 8, 8))
    assert scores.shape == auxiliary.shape == (4, 10)
    assert network.eval()(torch.randn(4, 1, 8, 8)).shape == (4, 10)


def test_the_auxiliary_head_reads_the_second_reduction_cell(built):
    network = built(V2, signature=CIFAR, auxiliary=True, depth=8, channels=4)
    assert network.auxiliary.layers[0].in_channels == network.widths[5] == 64


def test_an_auxiliary_head_does_not_change_the_scores(built, digits):
    images = torch.randn(4, 1, 8, 8)
    plain, helped = (built(V2, signature=digits, auxiliary=auxiliary).eval() for auxiliary in (False, True))
    helped.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(plain(images), helped(images))


def test_the_large_stem_halves_three_times_before_the_cells(built):
    signature = Signature(inputs=(3, 32, 32), outputs=(7,))
    network = built(V2, signature=signature, stem="large", depth=3)
    assert network(torch.randn(2, 3, 64, 48)).shape == (2, 7)
    with pytest.raises(InvalidSetting, match="halves them 5 times"):
        built(V2, signature=Signature(inputs=(3, 31, 64), outputs=(7,)), stem="large", depth=3)


def test_drop_path_reaches_every_cell(built, digits):
    network = built(V2, signature=digits)
    network.set_drop_path(0.25)
    assert [cell.drop_probability for cell in network.cells] == [0.25] * 5


@pytest.mark.parametrize(
    ("inputs", "outputs", "complaint"),
    [
        ((64,), (10,), "tasks with images"),
        ((1, 8, 8), (10, 10), "tasks with images"),
        ((1, 3, 8), (10,), "at least 4 x 4"),
        ((1, 8, 8), (1,), "two classes"),
    ],
)
def test_data_that_cells_cannot_serve_are_refused(built, inputs, outputs, complaint):
    with pytest.raises(InvalidSetting, match=complaint):
        built(V2, signature=Signature(inputs=inputs, outputs=outputs))


def test_the_smallest_images_still_train(built):
    network = built(V2, signature=Signature(inputs=(2, 4, 4), outputs=(3,)), auxiliary=True)
    scores, auxiliary = network(torch.randn(4, 2, 4, 4))
    (scores.sum() + auxiliary.square().sum()).backward()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"depth": 0}, "cells"), ({"depth": 65}, "cells"), ({"channels": True}, "channels"), ({"stem": "huge"}, "stem"),
     ({"channels": 1, "stem": "large"}, "channels")],
)  # fmt: skip
def test_plans_out_of_range_are_refused(settings, complaint):
    with pytest.raises(InvalidSetting, match=rf"darts\.{complaint}"):
        NetworkPlan(cells=V2, style=style_of("darts"), **settings)
