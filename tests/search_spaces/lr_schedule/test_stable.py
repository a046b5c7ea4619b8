"""Warm-up, stable, decay and the infinite schedule against the authors' code and published numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.lr_schedule.stable import Infinite, WarmupStableDecay

X = np.arange(11) / 10
FORMS = ("linear", "1-sqrt", "cosine", "mirror-cosine", "square", "exp")


def authors(t: int, steps: int, *, cooldown: float, form: str, e: float, rising: int = 0) -> float:
    """schedules-and-scaling, src/optim/utils.py, as specified in section 3.1 (arXiv 2405.18392)."""
    falling = int(cooldown * steps)
    hold = steps - falling
    if t < rising:
        return (t + 1) / rising
    if t < hold:
        return 1.0
    u = (t - hold) / falling
    cosine, linear = e + (1 - e) * (1 + math.cos(math.pi * u)) / 2, e + (1 - e) * (1 - u)
    match form:
        case "linear":
            return linear
        case "1-sqrt":
            return e + (1 - e) * (1 - math.sqrt(u))
        case "cosine":
            return cosine
        case "mirror-cosine":
            return 2 * linear - cosine
        case "square":
            return e + (1 - e) * (1 - u**2)
    return e**u


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("steps", "cooldown", "warmup"), [(100, 0.2, 0.0), (240, 0.1, 0.05), (1_000, 0.5, 0.5)])
def test_the_cooldown_is_that_of_the_authors(form, steps, cooldown, warmup):
    rule = WarmupStableDecay(cooldown=cooldown, form=form, floor=0.1, warmup=warmup)
    rising = round(warmup * steps)
    expected = [authors(t, steps, cooldown=cooldown, form=form, e=0.1, rising=rising) for t in range(steps)]
    assert rule.multipliers(steps) == pytest.approx(expected, abs=1e-7)


def test_one_minus_the_root_gives_the_numbers_of_the_table():
    """Oracle O3.3, on the cooldown alone."""
    expected = [1, 0.683772, 0.552786, 0.452277, 0.367544, 0.292893, 0.225403, 0.16334, 0.105573, 0.051317, 0]
    assert WarmupStableDecay(cooldown=0.5).shape(0.5 + X / 2) == pytest.approx(expected, abs=5e-7)


@given(form=st.sampled_from(FORMS), cooldown=st.floats(0.02, 0.5), floor=st.floats(0, 0.5), warmup=st.floats(0, 0.5))
def test_the_cooldown_never_rises(form, cooldown, floor, warmup):
    rule = WarmupStableDecay(cooldown=cooldown, form=form, floor=floor, warmup=warmup)
    shape = rule.shape(np.linspace(0, 1, 500))
    assert (np.diff(shape) <= 1e-12).all()
    assert shape[-1] == pytest.approx(max(floor, 1e-4) if form == "exp" else floor, abs=1e-12)


PHASES = {"warmup": 10 / 120, "cooldown": 30 / 110, "anneal": 20 / 110, "level": 0.1, "end": 0.1}


def test_the_infinite_schedule_gives_the_published_numbers():
    """Oracle O3.6: 1e-3, 1e-4, 1e-5 with phases that end at 10, 40, 100 and 120."""
    rule = Infinite(bend="cosine", **PHASES)
    factors = 1e-3 * rule.multipliers(120)
    assert factors[4] == pytest.approx(5e-4), "the authors count the warm-up from 0, we from 1: theirs at n = 5"
    steps = [10, 25, 40, 70, 100, 110]
    assert factors[steps] == pytest.approx([1e-3, 5.5e-4, 1e-4, 1e-4, 1e-4, 3.1623e-5], rel=1e-5)
    assert 1e-3 * rule.shape(np.ones(1))[0] == pytest.approx(1e-5)


def test_the_inverse_root_cooldown_gives_the_published_numbers():
    rule = Infinite(bend="inverse-sqrt", **PHASES)
    shape = 1e-3 * rule.shape(np.array([0.25, 0.5, 1.0]) * 30 / 110)
    assert shape == pytest.approx([4.00234e-4, 2.37530e-4, 1e-4], rel=1e-5)


def test_a_straight_cooldown_is_half_way_in_the_middle():
    assert Infinite(bend="linear", **PHASES).shape(np.array([15 / 110]))[0] == pytest.approx(0.55)


def test_the_defaults_end_the_phases_at_5_15_and_80_percent_of_the_run():
    rule = Infinite(warmup=0.05)
    factors = rule.multipliers(1_000)
    assert factors[49] == 1 and factors[149] > 0.1 and factors[150:800] == pytest.approx(0.1)
    assert factors[801] < 0.1
