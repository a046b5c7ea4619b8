"""Published schedules: their order, their numbers, and that no two are the same."""

import numpy as np
import pytest

from search_spaces.lr_schedule import LrScheduleSpace
from search_spaces.lr_schedule.curve import Curve
from search_spaces.lr_schedule.families import FAMILIES, OPEN_LOOP
from search_spaces.lr_schedule.zoo import DESIGNS, knot_designs


def test_evolution_starts_from_six_different_families():
    assert list(LrScheduleSpace().zoo())[:6] == ["linear", "cosine", "wsd-1sqrt", "cosine-power", "warmup-power", "rex"]


def test_every_family_but_free_points_has_a_published_member():
    assert {rule.family for rule in DESIGNS.values()} | {"knots"} == {*FAMILIES} - {"points"}
    assert {rule.family for rule in DESIGNS.values() if isinstance(rule, Curve)} | {"knots"} == {*OPEN_LOOP}


def test_no_two_designs_are_the_same_curve():
    curves = [rule.multipliers(1_000) for rule in DESIGNS.values() if isinstance(rule, Curve)]
    gaps = [np.abs(one - other).max() for index, one in enumerate(curves) for other in curves[:index]]
    assert min(gaps) > 1e-3


@pytest.mark.parametrize(
    ("name", "t", "factor"),
    [
        ("linear", 250, 0.75),
        ("cosine", 500, 0.5),
        ("wsd-1sqrt", 850, 1 - np.sqrt(0.25)),
        ("warmup-power", 600, 0.5**0.9),
        ("rex", 500, 2 / 3),
        ("sgdr", 200, 1.0),
        ("step", 700, 0.01),
        ("milestones", 650, 0.01),
        ("wide-resnet", 850, 0.008),
        ("noam", 160, 0.5),
        ("cosine-floor", 500, 0.55),
        ("fit-gpt", 640, 0.5),
        ("infinite-cosine", 500, 0.1),
    ],
)
def test_a_design_has_the_published_value(name, t, factor):
    assert DESIGNS[name].multipliers(1_000)[t] == pytest.approx(factor, abs=1e-9)


@pytest.mark.parametrize("knots", [2, 8, 32])
def test_free_form_search_has_seeds_of_its_own(knots):
    space = LrScheduleSpace(families=("knots",), knots=knots)
    assert list(space.zoo()) == list(knot_designs(knots)) == ["knots-linear", "knots-cosine"]
    assert all(space.decode(genotype) == genotype for genotype in space.zoo().values())
