"""Falling schedules against published numbers and against torch."""

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from search_spaces.lr_schedule.decay import (
    Constant,
    Cosine,
    Exponential,
    InverseRoot,
    Linear,
    Milestones,
    Polynomial,
    Rex,
    Step,
)

torch.set_num_threads(1)
X = np.arange(11) / 10
T = 60

TABLE = {  # oracles O3.1, O3.2 and O3.4 of the specification, x = 0, 0.1, ..., 1
    Rex(): [1, 0.947368, 0.888889, 0.823529, 0.75, 0.666667, 0.571429, 0.461538, 0.333333, 0.181818, 0],
    Polynomial(power=2.0): [1, 0.81, 0.64, 0.49, 0.36, 0.25, 0.16, 0.09, 0.04, 0.01, 0],
    Cosine(): [1, 0.975528, 0.904508, 0.793893, 0.654508, 0.5, 0.345492, 0.206107, 0.095492, 0.024472, 0],
}


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.family)
def test_a_shape_gives_the_numbers_of_the_table(rule):
    assert rule.shape(X) == pytest.approx(TABLE[rule], abs=5e-7)
    assert rule.multipliers(10) == pytest.approx(TABLE[rule][:10], abs=5e-7)


PAIRS = {
    "constant": (Constant(), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "linear": (Linear(), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=T)),
    "linear with floor": (Linear(floor=0.2), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, total_iters=T)),
    "polynomial": (Polynomial(power=1.7), lambda o: lr_scheduler.PolynomialLR(o, total_iters=T, power=1.7)),
    "cosine": (Cosine(floor=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=T, eta_min=0.1)),
    "exponential": (Exponential(end=0.02), lambda o: lr_scheduler.ExponentialLR(o, gamma=0.02 ** (1 / T))),
    "step": (Step(every=0.3, factor=0.2), lambda o: lr_scheduler.StepLR(o, step_size=18, gamma=0.2)),
    "milestones": (
        Milestones(first=0.3, second=0.6, third=0.9, factor=0.1),
        lambda o: lr_scheduler.MultiStepLR(o, milestones=[18, 36, 54], gamma=0.1),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_family_gives_the_rates_of_torch(name, rates_of_torch):
    rule, make = PAIRS[name]
    assert rule.multipliers(T) == pytest.approx(rates_of_torch(make, T), abs=1e-12)


def test_a_warm_up_is_that_of_torch_one_step_earlier(rates_of_torch):
    """torch starts its linear warm-up at a factor > 0; from 1/W on it is ours."""
    make = lambda o: lr_scheduler.LinearLR(o, start_factor=1 / 12, end_factor=1.0, total_iters=11)  # noqa: E731
    assert Constant(warmup=0.2).multipliers(T) == pytest.approx(rates_of_torch(make, T), abs=1e-12)


def test_the_inverse_root_is_the_rate_of_the_transformer():
    steps, rising = 1_000, 40
    noam = [min((t + 1) / rising, np.sqrt(rising / max(t, rising))) for t in range(steps)]
    assert InverseRoot(warmup=0.04).multipliers(steps) == pytest.approx(noam, abs=1e-12)


def test_milestones_drop_in_any_order_and_one_at_the_end_never():
    one, other = Milestones(first=0.8, second=0.3, third=0.6), Milestones(first=0.3, second=0.6, third=0.8)
    assert (one.multipliers(100) == other.multipliers(100)).all()
    assert Milestones(first=0.5, second=1.0, third=1.0, factor=0.5).multipliers(4).tolist() == [1, 1, 0.5, 0.5]


@pytest.mark.parametrize("steps", [10, 20, 30, 70, 90, 1_000, 4_110])
def test_drops_fall_on_the_step_that_the_share_names(steps):
    """0.3 is not 3/10 in floating point, so some horizons would drop one step late."""
    factors = Milestones(first=0.3, second=0.6, third=0.9, factor=0.1).multipliers(steps)
    assert np.flatnonzero(np.diff(factors)).tolist() == [steps * share // 10 - 1 for share in (3, 6, 9)]
    third = Step(every=1 / 3, factor=0.5).multipliers(3 * steps)
    assert np.flatnonzero(np.diff(third)).tolist() == [steps - 1, 2 * steps - 1]


def test_a_floor_is_where_the_curve_ends():
    for rule in (Linear(floor=0.3), Polynomial(power=2.0, floor=0.3), Cosine(floor=0.3)):
        assert rule.shape(np.ones(1))[0] == pytest.approx(0.3)
