"""Decoders: the longest path is the longest, greedy walks are greedy, and sums are what the spec says."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from search_spaces.darts.hypercuboid.decoders import (
    DECODERS,
    Path,
    beam_search,
    by_step,
    greedy_from_bottom,
    greedy_from_top,
    longest_path,
)
from search_spaces.darts.hypercuboid.plan import GridPlan
from search_spaces.darts.hypercuboid.zoo import PUBLISHED

SIZES = GridPlan().sizes
seeds = st.integers(0, 2**32 - 1)
examples = settings(max_examples=60, deadline=None, derandomize=True)


def softmaxed(seed: int, *, layers: int = 8, widths: int = 4) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(2, layers // 2, widths * widths * 2))
    powers = np.exp(logits)
    return (powers / powers.sum(-1, keepdims=True)).reshape(2, layers // 2, widths, widths, 2)


def weight_along(path: Path, weights: np.ndarray) -> float:
    places = zip(range(len(path.primitives)), path.widths, path.widths[1:], path.primitives, strict=False)
    return sum(float(weights[t % 2, t // 2, i, j, p]) for t, i, j, p in places)


def pointing_at(chain) -> np.ndarray:
    """Weights of 1 along a chain, 0 elsewhere."""
    weights, before = np.zeros((2, 4, 4, 4, 2)), SIZES.index(chain.stem)
    for t, (channels, primitive) in enumerate(chain.steps):
        after = SIZES.index(channels)
        weights[t % 2, t // 2, before, after, ("resizable_pool", "sharp_sep_conv").index(primitive)] = 1.0
        before = after
    return weights


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_uniform_weights_sum_to_a_quarter_and_give_the_first_of_everything(name):
    found = DECODERS[name](np.full((2, 4, 4, 4, 2), 1 / 32))
    assert found.weight == pytest.approx(8 / 32, abs=1e-15)
    assert found.widths == (0,) * 9 and found.primitives == (0,) * 8


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_weights_that_point_at_a_published_chain_decode_to_it(name):
    chain = PUBLISHED[name]
    found = longest_path(pointing_at(chain))
    assert found.chain(SIZES) == chain
    assert found.weight == 8.0


def test_a_hand_made_grid_of_two_steps():
    weights = np.zeros((2, 1, 2, 2, 2))
    weights[0, 0, 0, 1, 0] = 0.5  # stride 1, narrow to wide, pool: the strongest first operation
    weights[0, 0, 1, 0, 1] = 0.4
    weights[1, 0, 1, 1, 0] = 0.1
    weights[1, 0, 0, 0, 1] = 0.3  # stride 2: rewards the narrow width
    longest = longest_path(weights)
    assert (longest.widths, longest.primitives) == ((1, 0, 0), (1, 1))
    assert longest.weight == pytest.approx(0.7, abs=1e-15)
    top = greedy_from_top(weights)
    assert (top.widths, top.primitives) == ((0, 1, 1), (0, 0))
    assert top.weight == pytest.approx(0.6, abs=1e-15)
    bottom = greedy_from_bottom(weights)
    assert (bottom.widths, bottom.primitives) == ((1, 0, 0), (1, 1))
    assert beam_search(weights, beam=1).weight == pytest.approx(0.6, abs=1e-15)


@examples
@given(seed=seeds, layers=st.sampled_from([2, 4]), widths=st.integers(1, 3))
def test_the_longest_path_is_the_best_of_all_paths(seed, layers, widths):
    weights = softmaxed(seed, layers=layers, widths=widths)
    steps = by_step(weights).max(-1)
    all_paths = itertools.product(range(widths), repeat=layers + 1)
    best = max(sum(steps[t, path[t], path[t + 1]] for t in range(layers)) for path in all_paths)
    assert longest_path(weights).weight == pytest.approx(best, abs=1e-12)


@examples
@given(seed=seeds, widths=st.integers(1, 5))
def test_no_decoder_beats_the_longest_path_and_sums_are_those_of_the_path(seed, widths):
    weights = softmaxed(seed, widths=widths)
    longest = longest_path(weights)
    others = [decode(weights) for decode in DECODERS.values()]
    others += [beam_search(weights, beam=beam) for beam in range(1, widths + 1)]
    for path in others:
        assert path.weight <= longest.weight + 1e-12
        assert path.weight == pytest.approx(weight_along(path, weights), abs=1e-12)
        assert len(path.widths) == 9 and len(path.primitives) == 8
    assert beam_search(weights, beam=widths) == longest


@examples
@given(seed=seeds)
def test_every_step_of_a_greedy_walk_is_the_strongest_there_is(seed):
    weights = softmaxed(seed)
    steps = by_step(weights)
    top, bottom = greedy_from_top(weights), greedy_from_bottom(weights)
    for t in range(8):
        assert steps[t, top.widths[t], top.widths[t + 1], top.primitives[t]] == steps[t, top.widths[t]].max()
        taken = steps[t, bottom.widths[t], bottom.widths[t + 1], bottom.primitives[t]]
        assert taken == steps[t, :, bottom.widths[t + 1]].max()
    assert top.widths[0] == 0 and bottom.widths[-1] == 0


def test_steps_alternate_their_strides():
    weights = np.zeros((2, 3, 1, 1, 2))
    weights[0, :, 0, 0, 0] = [1, 3, 5]
    weights[1, :, 0, 0, 0] = [2, 4, 6]
    assert by_step(weights)[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "weights",
    [np.zeros((2, 4, 4, 3, 2)), np.zeros((1, 4, 4, 4, 2)), np.zeros((2, 4, 4, 4)), np.full((2, 1, 1, 1, 2), np.nan)],
    ids=["not square", "one stride", "no primitives", "nan"],
)
def test_what_is_no_grid_is_refused(weights):
    with pytest.raises(InvalidSetting, match="weights"):
        longest_path(weights)


@pytest.mark.parametrize("beam", [0, 5, True])
def test_a_beam_wider_than_the_grid_is_refused(beam):
    with pytest.raises(InvalidSetting, match=r"an int in \[1, 4\]"):
        beam_search(np.zeros((2, 4, 4, 4, 2)), beam=beam)
