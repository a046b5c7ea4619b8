"""The space: closed operators, honest redraws, strict decoding, and what `apply` builds."""

import math
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.canonical import dumps, loads
from automl.errors import InvalidGenotype, InvalidSetting
from automl.testing.space_suite import SpaceSuite
from search_spaces.norm_act import NormActSpace
from search_spaces.norm_act.fingerprint import REASONS, prober
from search_spaces.norm_act.graph import to_nodes
from search_spaces.norm_act.layer import NormActLayer
from search_spaces.norm_act.space import SAME, GraphScreen, LayerFactory

torch.set_num_threads(1)
SPACE = NormActSpace()
BATCH_FREE = NormActSpace(batch_independent=True)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def closed(space: NormActSpace, genotype) -> bool:
    return space.decode(space.encode(genotype)) == genotype == loads(dumps(genotype))


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), intermediate=st.integers(2, 16), batch_independent=st.booleans())
def test_samples_mutants_and_children_decode_and_pass_the_screens(seed, intermediate, batch_independent):
    space = NormActSpace(intermediate=intermediate, batch_independent=batch_independent)
    generator = rng(seed)
    first, second = space.sample(generator).genotype, space.sample(generator).genotype
    for draw in (space.mutate(first, generator), space.crossover(first, second, generator)):
        assert closed(space, draw.genotype)
        assert not prober().reason(to_nodes(draw.genotype), batch_independent=batch_independent)
        assert set(draw.redrawn) <= {*REASONS, SAME}


@given(seed=st.integers(0, 10**6))
def test_equal_generators_give_equal_draws(seed):
    assert SPACE.sample(rng(seed)) == SPACE.sample(rng(seed))


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_a_mutant_differs_from_its_parent_in_one_node_and_in_function(seed):
    parent = SPACE.sample(rng(seed)).genotype
    child = SPACE.mutate(parent, rng(seed + 1)).genotype
    pairs = list(zip(to_nodes(parent), to_nodes(child), strict=True))
    assert sum(one != other for one, other in pairs) == 1
    assert prober().form(to_nodes(parent)) != prober().form(to_nodes(child))


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_a_child_takes_every_node_from_a_parent(seed):
    first, second = SPACE.sample(rng(seed)).genotype, SPACE.sample(rng(seed + 1)).genotype
    child = SPACE.crossover(first, second, rng(seed + 2)).genotype
    for one, other, taken in zip(to_nodes(first), to_nodes(second), to_nodes(child), strict=True):
        assert taken in (one, other)


def test_redraws_are_counted_by_reason():
    draws = [SPACE.sample(rng(seed)) for seed in range(60)]
    thrown = sum(sum(draw.redrawn.values()) for draw in draws)
    ignored = sum(draw.redrawn.get("ignores its input", 0) for draw in draws)
    assert 0.75 < thrown / (thrown + len(draws)) < 0.9
    assert ignored > thrown / 2


def test_redrawing_does_not_change_which_graphs_are_kept():
    """The same stream without redrawing contains the kept graph at the counted place."""
    draw, generator = SPACE.sample(rng(4)), rng(4)
    one_at_a_time = NormActSpace(redraws=1)
    for _ in range(sum(draw.redrawn.values())):
        with pytest.raises(InvalidSetting):
            one_at_a_time.sample(generator)
    assert one_at_a_time.sample(generator).genotype == draw.genotype


def test_giving_up_says_what_was_thrown_away():
    with pytest.raises(InvalidSetting, match=r"redraws=2.*ignores its input: 2"):
        NormActSpace(redraws=2).sample(rng(1))


def test_a_batch_independent_layer_is_so_to_the_last_bit():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((4, 4, 3, 3), generator=generator)
    other = torch.cat([x[:2], 5 * torch.randn((2, 4, 3, 3), generator=generator) - 1])
    for seed in range(40):
        nodes = to_nodes(BATCH_FREE.sample(rng(seed)).genotype)
        layer = NormActLayer(nodes, channels=4, groups=2)
        assert torch.equal(layer(x)[:2], layer(other)[:2])


def test_the_zoo_decodes_and_its_batch_independent_part_is_free_of_batch_moments():
    assert all(closed(SPACE, genotype) for genotype in SPACE.zoo().values())
    assert {"bn-relu", "gn-relu", "evonorm-b0", "evonorm-s0", "crrelu"} <= set(SPACE.zoo())
    assert set(SPACE.zoo()) - set(BATCH_FREE.zoo()) == {
        "bn-relu",
        "bn-silu",
        "powernorm",
        "evonorm-b0",
        "evonorm-b1",
        "evonorm-b2",
    }
    assert set(NormActSpace(intermediate=2).zoo()) == {
        "frn", "relu", "squared-relu", "prelu", "silu", "tanh", "sigmoid", "rmsnorm", "powernorm",
    }  # fmt: skip


RELU = {"op4": "max", "a4": 0, "b4": 1}
SMALL = NormActSpace(intermediate=1)


@pytest.mark.parametrize(
    ("answers", "where"),
    [
        ({**RELU, "a4": True}, "a4"),
        ({**RELU, "a4": 0.0}, "a4"),
        ({**RELU, "a4": "0"}, "a4"),
        ({**RELU, "a4": None}, "a4"),
        ({**RELU, "a4": math.nan}, "a4"),
        ({**RELU, "b4": 4}, "b4"),
        ({**RELU, "b4": -1}, "b4"),
        ({**RELU, "b4": 10**400}, "b4"),
        ({**RELU, "op4": "gelu"}, "op4"),
        ({**RELU, "op4": 3}, "op4"),
        ({**RELU, "op4": ["max"]}, "op4"),
        ({**RELU, "op4": "neg"}, "$"),
        ({**RELU, "op5": "neg", "a5": 4}, "$"),
        ({"op4": "max", "a4": 0}, "b4"),
        ({}, "op4"),
        ([], "$"),
        ("max", "$"),
        (None, "$"),
    ],
)
def test_data_that_is_no_genotype_is_refused_with_its_place(answers, where):
    with pytest.raises(InvalidGenotype) as caught:
        SMALL.decode(answers)
    assert caught.value.where == where


def test_a_million_keys_are_refused_unread():
    with pytest.raises(InvalidGenotype, match="1000000 entries"):
        SMALL.decode(dict.fromkeys(map(str, range(10**6)), 0))


def test_an_optuna_trial_is_a_source_of_answers_as_it_is():
    trial = optuna.trial.FixedTrial(dict(SPACE.zoo()["evonorm-s0"]))
    assert SPACE.suggest(trial) == SPACE.zoo()["evonorm-s0"]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    genotype = SPACE.suggest(study.ask())
    assert closed(SPACE, genotype)


def test_the_screen_judges_as_sampling_does():
    screen = SPACE.screens()[0]
    kept = screen.judge(SPACE.zoo()["relu"], "", {}, SimpleNamespace())
    assert kept.keep and kept.filter == "norm-act-graph" and kept.reason == ""
    verdict = GraphScreen(batch_independent=True).judge(SPACE.zoo()["bn-relu"], "", {}, SimpleNamespace())
    assert not verdict.keep and verdict.reason == "uses batch moments"


class TestConformance(SpaceSuite):
    """What every space keeps."""

    def space(self) -> NormActSpace:
        return SPACE


class TestConformanceOfBatchIndependence(SpaceSuite):
    """The same with the setting that refuses most graphs."""

    def space(self) -> NormActSpace:
        return BATCH_FREE


def factory(genotype) -> LayerFactory:
    recipe = SimpleNamespace(norm_act=lambda channels, role: torch.nn.ReLU(), replace=lambda **changes: changes)
    changes = SPACE.apply(genotype, recipe)
    assert set(changes) == SPACE.slots
    return changes["norm_act"]


def test_a_normalization_with_activation_becomes_the_layer():
    layer = factory(SPACE.zoo()["evonorm-s0"])(8, "norm+act")
    x = torch.randn(3, 8, 5, 5)
    assert {name for name, _ in layer.named_parameters()} == {"v1", "gamma", "beta"}
    grouped = x.reshape(3, 8, -1).var(2, unbiased=False)
    expected = x * torch.sigmoid(x) / torch.sqrt(grouped + 1e-5)[:, :, None, None]
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_a_normalization_without_activation_becomes_the_affine_only():
    layer = factory(SPACE.zoo()["evonorm-b0"])(8, "norm")
    x = torch.randn(3, 8, 5, 5)
    assert {name for name, _ in layer.named_parameters()} == {"gamma", "beta"}
    torch.testing.assert_close(layer(x), x)


def test_an_activation_without_normalization_stays_the_recipes_own():
    assert isinstance(factory(SPACE.zoo()["evonorm-b0"])(8, "act"), torch.nn.ReLU)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("intermediate", 0), ("intermediate", 65), ("intermediate", True), ("groups", 0), ("redraws", 0)],
)
def test_settings_out_of_range_are_refused_by_name(setting, value):
    with pytest.raises(InvalidSetting, match=f"norm_act.{setting}"):
        NormActSpace(**{setting: value})


def test_words_for_people():
    genotype = SPACE.zoo()["evonorm-s0"]
    assert SPACE.describe(genotype) == "x*sigmoid(v1*x)/std_whcg(x)"
    assert SPACE.name == "norm-act" and SPACE.suggestible
    assert "class NormAct" in SPACE.source(genotype)


def test_a_seeded_walk_is_pinned():
    genotype, generator = SPACE.zoo()["bn-relu"], rng(7)
    walk = []
    for _ in range(5):
        genotype = SPACE.mutate(genotype, generator).genotype
        walk.append(SPACE.describe(genotype))
    assert walk == [
        "max(v1*(x + std_bwh(x))/std_bwh(x) + v0, 0)",
        "rms_whcg(x + std_bwh(x))",
        "rms_whcg(x)",
        "sigmoid(x)",
        "sigmoid(x + std_wh(0))",
    ]
