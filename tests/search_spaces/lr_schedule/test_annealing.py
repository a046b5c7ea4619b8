"""Cosine power annealing against the authors' code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.lr_schedule.annealing import CosinePower
from search_spaces.lr_schedule.decay import Cosine

FIVE = {  # oracle O3.5: E = 5, 0.1 -> 0.001
    1.0: [0.1, 0.072637, 0.038815, 0.011452, 0.001],
    2.0: [0.1, 0.066183, 0.031723, 0.00877, 0.001],
    10.0: [0.1, 0.050505, 0.018128, 0.004465, 0.001],
    100.0: [0.1, 0.031239, 0.007102, 0.001862, 0.001],
}


@pytest.mark.parametrize("power", FIVE)
def test_five_epochs_give_the_published_rates(power):
    assert 0.1 * CosinePower(power=power, floor=0.01).multipliers(5) == pytest.approx(FIVE[power], abs=5e-7)


def test_a_warm_up_gives_the_published_rates():
    """Oracle O3.5: E = 10, k = 10, W = 3."""
    expected = [0.02575, 0.0505, 0.07525, 0.1, 0.061308, 0.034942, 0.016924, 0.006969, 0.002328, 0.001]
    rule = CosinePower(power=10.0, floor=0.01, warmup=0.3)
    assert 0.1 * rule.multipliers(10) == pytest.approx(expected, abs=5e-7)


def published(steps: int, *, power: float, floor: float, warmup: int) -> np.ndarray:
    """The authors' procedure as specified: p over the sampled epochs, scaled between its extremes."""
    epoch = np.arange(1, steps + 1)
    cosine = (1 + np.cos(np.pi * (epoch - warmup) / (steps - warmup))) / 2
    raised = power ** (cosine + 1) if power > 1 else cosine
    share = (raised - raised.min()) / (raised.max() - raised.min())
    if warmup:
        share = np.where(epoch <= warmup + 1, epoch / (warmup + 1), share)
    return floor + share * (1 - floor)


@given(
    steps=st.integers(2, 300),
    power=st.one_of(st.just(1.0), st.floats(1.01, 100)),
    floor=st.floats(0, 0.5),
    warmup=st.floats(0, 0.5),
)
def test_the_closed_form_is_the_published_procedure(steps, power, floor, warmup):
    rule = CosinePower(power=power, floor=floor, warmup=warmup)
    expected = published(steps, power=power, floor=floor, warmup=min(round(warmup * steps), steps - 1))
    assert rule.multipliers(steps) == pytest.approx(expected, abs=1e-9)


def test_a_power_of_one_is_a_cosine_and_the_limit_of_powers():
    one = CosinePower(power=1.0).multipliers(10_000)
    assert one == pytest.approx(Cosine().multipliers(10_000), abs=2e-4)
    assert CosinePower(power=1 + 1e-7).multipliers(100) == pytest.approx(CosinePower(power=1.0).multipliers(100))


def test_one_step_gets_the_peak():
    assert CosinePower().multipliers(1).tolist() == [1]
