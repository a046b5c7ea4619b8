"""Free curves: monotone cubics against scipy, points against the curve that they follow."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from automl.errors import InvalidSetting
from search_spaces.lr_schedule.decay import Cosine, Linear
from search_spaces.lr_schedule.free_form import POINTS, Knots, Points, falling, points_along

drops = st.lists(st.floats(0.01, 4.0), min_size=2, max_size=32).map(tuple)


@given(drop=drops)
def test_knots_are_joined_by_the_monotone_cubic_of_scipy(drop):
    levels = -np.concatenate([[0.0], np.cumsum(drop)])
    x = np.linspace(0, 1, 333)
    expected = PchipInterpolator(np.linspace(0, 1, len(levels)), levels)(x)
    assert np.log(Knots(drop=drop).shape(x)) == pytest.approx(expected, abs=1e-9)


@given(drop=drops, warmup=st.floats(0, 0.5))
def test_knots_never_rise_after_the_warm_up(drop, warmup):
    rule = Knots(drop=drop, warmup=warmup)
    factors = rule.multipliers(500)
    assert (np.diff(factors[round(warmup * 500) :]) <= 1e-15).all() and factors.min() > 0


def test_the_curve_passes_through_its_knots():
    rule = Knots(drop=(math.log(2), math.log(4)))
    assert rule.shape(np.array([0, 0.5, 1])) == pytest.approx([1, 0.5, 0.125])


@pytest.mark.parametrize("knots", [8, 16])
@pytest.mark.parametrize("curve", [Linear(), Cosine()], ids=lambda curve: curve.family)
def test_knots_follow_a_falling_curve(knots, curve):
    drop = falling(curve.shape(np.arange(knots + 1) / knots).tolist())
    assert Knots(drop=drop).multipliers(1_000) == pytest.approx(curve.multipliers(1_000), abs=0.013)


def test_points_are_joined_by_straight_lines():
    value = tuple(float(index % 2) for index in range(POINTS))
    assert Points(value=value).multipliers(65).tolist() == [*[0, 0.5, 1, 0.5] * 16, 0]


@given(
    value=st.lists(st.floats(0, 1), min_size=POINTS, max_size=POINTS).map(tuple), parts=st.sampled_from([1, 2, 3, 10])
)
def test_points_along_their_own_curve_are_the_points(value, parts):
    found = points_along(Points(value=value).multipliers(32 * parts + 1)).value
    assert found == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("steps", [2, 10, 100, 2_000])
def test_points_along_linear_decay_are_linear_decay(steps):
    found = points_along(Linear().multipliers(steps))
    assert found.multipliers(steps) == pytest.approx(Linear().multipliers(steps), abs=1e-12)


def test_another_number_of_points_is_refused():
    with pytest.raises(InvalidSetting, match=r"points\.value.*33 numbers in \[0, 1\]"):
        Points(value=(0.0, 1.0))
