"""A space as a box of numbers: the map between points and answers, and which spaces have one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.authoring import SuggestedSpace
from automl.contracts.recipe import Recipe
from automl.contracts.space import Genotype, Suggester
from automl.errors import CannotEncode, InvalidSetting
from automl.searchers.continuous_space import BORDER, Box, box_of
from automl.testing.toy_space import ToySpace


class Asking(SuggestedSpace):
    """A space that asks what it is told to ask."""

    name, slots = "asking", frozenset({"schedule"})

    def __init__(self, questions: Callable[[Suggester], object]) -> None:
        self._questions = questions

    def suggest(self, trial: Suggester) -> None:
        self._questions(trial)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        return recipe


def mixed(trial: Suggester) -> None:
    trial.suggest_categorical("kind", ["only"])
    trial.suggest_float("rate", 1e-4, 1.0, log=True)
    trial.suggest_float("warm", -0.5, 0.25)
    trial.suggest_float("power", 0.0, 1.1, step=0.25)
    trial.suggest_int("layers", 2, 9, step=3)
    trial.suggest_int("width", 1, 1000, log=True)
    trial.suggest_float("still", 2.0, 2.0)
    trial.suggest_int("one", 5, 6, step=2)


MIXED = Asking(mixed)
NAMES = ("rate", "warm", "power", "layers", "width")
POINTS = st.lists(st.floats(-9, 9), min_size=5, max_size=5).map(np.array)


def box(questions: Callable[[Suggester], object] = mixed) -> Box:
    return box_of(Asking(questions), searcher="cmaes")


def at(coordinate: float) -> dict[str, Any]:
    return box().answers(np.full(5, coordinate))


def test_numbers_become_dimensions_and_single_answers_stay_fixed() -> None:
    assert tuple(one.name for one in box().dimensions) == NAMES
    assert dict(box().fixed) == {"kind": "only", "still": 2.0, "one": 5}


def test_bounds_are_reached_at_three_and_beyond() -> None:
    low = {"rate": 1e-4, "warm": -0.5, "power": 0.0, "layers": 2, "width": 1}
    high = {"rate": 1.0, "warm": 0.25, "power": 1.0, "layers": 8, "width": 1000}  # 9 and 1.1 are no steps
    for beyond in (0.0, 0.1, 50.0):
        assert at(-BORDER - beyond) == {**low, **box().fixed}
        assert at(BORDER + beyond) == {**high, **box().fixed}


def test_zero_is_the_middle() -> None:
    """Of 1 to 1000 in cells that are half an int wider: sqrt(0.5 * 1000.5) = 22.4."""
    middle = at(0.0)
    assert middle["rate"] == pytest.approx(1e-2)
    assert middle["warm"] == pytest.approx(-0.125)
    assert (middle["power"], middle["layers"], middle["width"]) == (0.5, 5, 22)


def test_one_standard_deviation_stands_where_the_normal_distribution_puts_it() -> None:
    """F(1) = 0.841345, F(-3) = 0.001350: share (0.841345 - 0.001350) / 0.997300 = 0.842269."""
    assert at(1.0)["warm"] == pytest.approx(-0.5 + 0.75 * 0.842269, abs=1e-6)


def test_a_standard_normal_distribution_is_uniform_over_the_box() -> None:
    points, numbers = np.random.default_rng(0).standard_normal((4000, 5)), box()
    rows = [numbers.answers(point) for point in points]
    warm = (np.sort([row["warm"] for row in rows]) + 0.5) / 0.75
    assert np.abs(warm - (np.arange(4000) + 0.5) / 4000).max() < 0.03  # 1 % of Kolmogorov's: 1.63 / sqrt(4000) = 0.026
    for layers in (2, 5, 8):
        assert np.mean([row["layers"] == layers for row in rows]) == pytest.approx(1 / 3, abs=0.03)
    assert np.mean([row["rate"] < 1e-2 for row in rows]) == pytest.approx(0.5, abs=0.03)


@given(POINTS)
def test_every_point_is_a_genotype(point: Any) -> None:
    answers = box().answers(point)
    assert MIXED.decode(answers) == {name: answers[name] for name in MIXED.decode(answers)}
    assert set(answers) == set(MIXED.decode(answers))


@given(POINTS, POINTS)
def test_answers_never_fall_while_a_coordinate_rises(first: Any, second: Any) -> None:
    lower, upper = box().answers(np.minimum(first, second)), box().answers(np.maximum(first, second))
    assert all(lower[name] <= upper[name] for name in NAMES)


@given(st.floats(-BORDER, BORDER), st.floats(1e-6, 1.0))
def test_inside_the_bounds_a_float_rises_strictly(coordinate: float, further: float) -> None:
    here, there = at(coordinate), at(min(coordinate + further, BORDER))
    if coordinate + 1e-6 <= BORDER:
        assert here["warm"] < there["warm"] and here["rate"] < there["rate"]


@given(POINTS)
def test_the_point_of_answers_gives_them_back(point: Any) -> None:
    answers = box().answers(point)
    back = box().point(answers)
    assert np.abs(back).max() <= BORDER
    again = box().answers(back)
    assert {name: again[name] for name in NAMES[2:]} == {name: answers[name] for name in NAMES[2:]}
    for name in NAMES[:2]:
        assert again[name] == pytest.approx(answers[name], rel=1e-9, abs=1e-12)


def choice(trial: Suggester) -> None:
    trial.suggest_float("rate", 0.0, 1.0)
    trial.suggest_categorical("shape", ["cosine", "linear"])


def sometimes(trial: Suggester) -> None:
    if trial.suggest_float("rate", 0.0, 1.0) > 0.8:
        trial.suggest_float("tail", 0.0, 1.0)


def moving(trial: Suggester) -> None:
    trial.suggest_int("end", 0, trial.suggest_int("start", 1, 9))


def nothing(trial: Suggester) -> None:
    trial.suggest_categorical("shape", ["cosine"])


@pytest.mark.parametrize(
    ("questions", "said"),
    [
        (choice, "'shape' is a choice among 2"),
        (sometimes, "'tail' is asked after some answers only; ask it always"),
        (moving, "'end' has other bounds after other answers; ask for a share"),
        (nothing, "no number that varies"),
    ],
)
def test_other_spaces_are_refused_with_the_question_and_the_searchers_that_can(
    questions: Callable[[Suggester], object], said: str
) -> None:
    with pytest.raises(CannotEncode, match=said) as refused:
        box(questions)
    assert refused.value.able == ["evolution", "random", "tpe"]


def test_a_space_without_named_questions_is_refused() -> None:
    space = ToySpace()
    space.suggestible = False
    with pytest.raises(CannotEncode, match="no answers to named questions"):
        box_of(space, searcher="cem")


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (0.0, math.inf), (math.nan, 1.0)])
def test_impossible_bounds_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(InvalidSetting, match="finite low <= high"):
        box(lambda trial: trial.suggest_float("rate", *bounds))


def test_impossible_ints_and_empty_choices_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="low <= high"):
        box(lambda trial: trial.suggest_int("count", 3, 2))
    with pytest.raises(InvalidSetting, match="at least one choice"):
        box(lambda trial: trial.suggest_categorical("shape", []))
