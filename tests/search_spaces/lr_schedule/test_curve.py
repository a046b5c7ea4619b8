"""What every curve keeps: range, warm-up, joins, short runs, other horizons."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from search_spaces.lr_schedule.curve import TabulatedSchedule
from search_spaces.lr_schedule.decay import Constant, Cosine, Linear
from search_spaces.lr_schedule.families import FAMILIES, OPEN_LOOP

CURVES = (*OPEN_LOOP, "points")
JUMPS = {"sgdr", "step", "milestones", "points"}
ENDS_INCLUDED = {"one-cycle", "cosine-power", "points"}
seeds = st.integers(0, 10**6)


@settings(max_examples=150)
@given(family=st.sampled_from(CURVES), seed=seeds, steps=st.one_of(st.integers(1, 4), st.integers(1, 3_000)))
def test_factors_are_finite_and_within_zero_and_one(random_rule, family, seed, steps):
    factors = random_rule(family, seed).multipliers(steps)
    assert factors.shape == (steps,) and factors.dtype == np.float64
    assert np.isfinite(factors).all() and (factors >= 0).all() and (factors <= 1).all()


@settings(max_examples=60)
@given(family=st.sampled_from(sorted(set(CURVES) - {"points", "one-cycle"})), seed=seeds, steps=st.integers(1, 3_000))
def test_the_peak_is_one_where_the_warm_up_ends(random_rule, family, seed, steps):
    rule = random_rule(family, seed)
    rising = min(round(rule.warmup * steps), steps - 1)
    assert rule.multipliers(steps)[rising] == pytest.approx(1, abs=1e-12)
    assert rule.multipliers(steps).argmax() <= rising


@settings(max_examples=60)
@given(family=st.sampled_from(sorted(set(CURVES) - JUMPS)), seed=seeds)
def test_a_curve_without_jumps_is_continuous_at_its_joins(random_rule, family, seed):
    """Sixteen times the steps: the greatest change falls to a sixteenth, at the start of a square root to a quarter."""
    rule = random_rule(family, seed)
    coarse, fine = (float(np.abs(np.diff(rule.multipliers(steps))).max()) for steps in (20_000, 320_000))
    assert fine <= 0.55 * coarse + 1e-9


@settings(max_examples=60)
@given(family=st.sampled_from(sorted(set(CURVES) - ENDS_INCLUDED)), seed=seeds, steps=st.integers(1, 60))
def test_a_curve_is_the_same_at_four_times_the_horizon(random_rule, family, seed, steps):
    """Behind the warm-up at equal t/T; within it at the end of each step, as (t + 1)/W is the value at its end."""
    steps *= 20
    rule = random_rule(family, seed)
    if hasattr(rule, "warmup"):
        rule = replace(rule, warmup=0.05)  # a whole number of steps at every horizon here
    rising = round(getattr(rule, "warmup", 0.0) * steps)
    short, long = rule.multipliers(steps), rule.multipliers(4 * steps)
    assert long[4 * rising :: 4] == pytest.approx(short[rising:], abs=1e-9)
    assert long[3 : 4 * rising : 4] == pytest.approx(short[:rising], abs=1e-12)


@settings(max_examples=20)
@given(family=st.sampled_from(sorted(ENDS_INCLUDED)), seed=seeds)
def test_curves_with_both_ends_agree_across_horizons_as_their_steps_get_finer(random_rule, family, seed):
    rule = random_rule(family, seed)
    if family == "cosine-power":
        rule = replace(rule, warmup=0.0)  # a warm-up of a few steps differs by its (t + 1)
    for steps in (1_000, 10_000):
        gap = np.abs(rule.multipliers(4 * steps)[::4] - rule.multipliers(steps)).max()
        assert gap <= 150 / steps, "the steepest of these curves moves by 100 over the whole run"


@pytest.mark.parametrize("family", CURVES)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_runs_of_one_two_and_three_steps_have_a_schedule(random_rule, family, steps):
    for seed in range(5):
        factors = random_rule(family, seed).multipliers(steps)
        assert len(factors) == steps and factors.max() > 0


def test_the_warm_up_counts_from_one_and_has_the_peak_at_its_last_step():
    assert Constant(warmup=0.4).multipliers(10).tolist() == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]
    assert Linear(warmup=0.2).multipliers(10).tolist() == pytest.approx(
        [0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    )


def test_a_warm_up_longer_than_allowed_is_refused_with_what_is_allowed():
    with pytest.raises(InvalidSetting, match=r"cosine\.warmup=1\.2 is not allowed: a number in \[0, 0\.5\]"):
        Cosine(warmup=1.2)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), True, "0.1", None])
def test_a_setting_that_is_no_number_of_its_range_is_refused(value):
    with pytest.raises(InvalidSetting, match=r"linear\.floor"):
        Linear(floor=value)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, 10**9])
def test_a_horizon_that_is_no_sensible_int_is_refused(steps):
    with pytest.raises(InvalidSetting, match="steps"):
        Linear().multipliers(steps)


def test_as_a_schedule_it_looks_the_factors_up_and_keeps_the_last_one():
    schedule = TabulatedSchedule(curve=Linear())
    state = schedule.init(4)
    assert state == (1.0, 0.75, 0.5, 0.25)
    assert [schedule.multiplier(state, step, {})[0] for step in range(6)] == [1.0, 0.75, 0.5, 0.25, 0.25, 0.25]
    assert schedule.multiplier(state, 2, {})[1] is state


def test_every_family_has_its_own_name():
    assert all(kind.family == name for name, kind in FAMILIES.items())
