"""Rules that react: against published runs on a parabola, against torch, and against bad signals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from automl.canonical import dumps
from search_spaces.lr_schedule.families import REACTIVE
from search_spaces.lr_schedule.reactive import (
    FED_HIGHEST,
    FED_LOWEST,
    HIGHEST,
    LOWEST,
    FedHyper,
    Hypergradient,
    Plateau,
)

torch.set_num_threads(1)


def signals(*, loss: float = 1.0, dot: float = 0.0, norm: float = 1.0) -> dict[str, float]:
    return {"loss": loss, "gradient_dot": dot, "gradient_l2": norm, "gradient_l1": norm}


def down_the_parabola(rule, *, rate: float, steps: int) -> list[tuple[float, float]]:
    """Plain gradient descent on x^2/2 from 1, [(learning rate, x after the step)]."""
    state, x, before, path = rule.init(steps), 1.0, 0.0, []
    for step in range(steps):
        factor, state = rule.multiplier(state, step, signals(loss=x * x / 2, dot=x * before, norm=abs(x)))
        before = x
        x -= rate * factor * x
        path.append((rate * factor, x))
    return path


def test_hypergradient_descent_gives_the_published_run():
    """Oracle O3.10: lr0 = 0.1, h = 0.02; in factors on lr0 the rate is h/lr0."""
    expected = [
        (0.1, 0.9), (0.118, 0.7938), (0.1322884, 0.68878947), (0.14322362, 0.59013855), (0.15135325, 0.50081916),
    ]  # fmt: skip
    path = down_the_parabola(Hypergradient(rule="additive", rate=0.2), rate=0.1, steps=5)
    assert np.array(path) == pytest.approx(np.array(expected), abs=1e-8)


def test_the_multiplicative_form_grows_by_its_rate_where_gradients_agree():
    path = down_the_parabola(Hypergradient(rule="multiplicative", rate=0.1), rate=0.01, steps=4)
    assert [rate for rate, _ in path] == pytest.approx([0.01, 0.011, 0.0121, 0.01331])


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1_000))
def test_the_multiplicative_form_does_not_see_the_scale_of_gradients(scale, seed):
    rule, rng = Hypergradient(rule="multiplicative", rate=0.3), np.random.default_rng(seed)
    gradients, factors = rng.normal(size=(20, 3)), []
    for size in (1.0, scale):
        state, found, before = rule.init(20), [], np.zeros(3)
        for step, gradient in enumerate(gradients * size):
            seen = signals(dot=float(gradient @ before), norm=float(np.linalg.norm(gradient)))
            factor, state = rule.multiplier(state, step, seen)
            found.append(factor)
            before = gradient
        factors.append(found)
    assert factors[0] == pytest.approx(factors[1], rel=1e-9)


def test_fedhyper_adds_up_a_window_and_moves_at_its_end():
    """By hand: windows of 2; a = 0 + 0.5 (1 + 2) = 1.5, then 1.5 + 0.5 (1 * 2.5 * -1 + 2.5 * 2.5 * 0.2) = 0.875."""
    rule = FedHyper(window=0.2, rate=0.5)
    state, factors = rule.init(10), []
    for step, dot in enumerate([1.0, 2.0, -1.0, 0.2, 0.0]):
        factor, state = rule.multiplier(state, step, signals(dot=dot))
        factors.append(factor)
    assert factors == pytest.approx([1, 1, 2.5, 2.5, 1.875])


def test_fedhyper_stays_within_the_bounds_of_the_authors():
    for dot, bound in ((1e9, 1 + FED_HIGHEST), (-1e9, 1 + FED_LOWEST)):
        rule = FedHyper(window=0.1, rate=1.0)
        state = rule.init(10)
        for step in range(3):
            factor, state = rule.multiplier(state, step, signals(dot=dot))
        assert factor == pytest.approx(bound)


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_a_plateau_without_memory_is_that_of_torch(patience):
    losses = np.abs(np.cumsum(np.random.default_rng(3).normal(size=200))) + 0.5
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience)
    ours = Plateau(patience=patience / 200, factor=0.5, memory=0.0)
    state, found, expected = ours.init(200), [], []
    for step, loss in enumerate(losses.tolist()):
        theirs.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
        factor, state = ours.multiplier(state, step, signals(loss=loss))
        found.append(factor)
    kept = [rate for rate in expected if rate > 1e-7]  # torch stops lowering below 1e-8
    assert found[: len(kept)] == pytest.approx(kept) and len(set(kept)) > 3


def test_a_plateau_waits_and_then_falls():
    rule = Plateau(patience=0.2, factor=0.1, memory=0.0)
    state, factors = rule.init(10), []
    for step, loss in enumerate([3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0]):
        factor, state = rule.multiplier(state, step, signals(loss=loss))
        factors.append(factor)
    assert factors == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1])


numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e3, 1e3))


@settings(max_examples=150)
@given(
    family=st.sampled_from(REACTIVE), seed=st.integers(0, 10**6), data=st.lists(st.tuples(numbers, numbers, numbers))
)
def test_whatever_the_signals_factors_stay_bounded_and_states_plain(random_rule, family, seed, data):
    rule = random_rule(family, seed)
    state = rule.init(max(1, len(data)))
    for step, (loss, dot, norm) in enumerate(data):
        factor, state = rule.multiplier(state, step, signals(loss=loss, dot=dot, norm=abs(norm)))
        assert math.isfinite(factor) and 0 <= factor <= HIGHEST
        assert isinstance(state, tuple) and dumps(list(state))


@given(family=st.sampled_from(REACTIVE), seed=st.integers(0, 10**6))
def test_every_rule_starts_at_the_peak(random_rule, family, seed):
    rule = random_rule(family, seed)
    assert rule.multiplier(rule.init(100), 0, signals())[0] == 1


def test_the_hypergradient_is_clipped():
    rule = Hypergradient(rule="additive", rate=1.0)
    assert rule.multiplier(rule.init(9), 1, signals(dot=1e6))[0] == HIGHEST
    assert rule.multiplier(rule.init(9), 1, signals(dot=-1e6))[0] == LOWEST
