"""Ranking: hand numbers of fronts and crowding, and what absence means."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.study._multi_objective import _fast_non_domination_rank

from automl.errors import InvalidSetting
from automl.numerics.ranking import (
    best,
    crowding,
    domination,
    front,
    order,
    pareto_order,
    pareto_ranks,
    utilities,
    utility,
)

numbers = st.floats(-1e6, 1e6)
anything = st.one_of(st.none(), st.just(math.nan), st.just(math.inf), st.just(-math.inf), numbers)
directions = st.sampled_from(["maximize", "minimize"])
tables = st.lists(st.lists(st.integers(-3, 3).map(float) | st.just(-math.inf), min_size=2, max_size=2), max_size=12)


@given(st.lists(anything, max_size=8), directions)
def test_absent_numbers_come_last_in_both_directions(values: list[float | None], direction: str) -> None:
    ranked = [values[index] for index in order(values, direction)]
    present = [value is not None and math.isfinite(value) for value in ranked]
    assert present == sorted(present, reverse=True)
    known = [value for value, there in zip(ranked, present, strict=True) if there]
    assert known == sorted(known, reverse=direction == "maximize")


@given(anything, anything, anything, directions)
def test_utility_is_a_total_order(a: float | None, b: float | None, c: float | None, direction: str) -> None:
    x, y, z = (utility(value, direction) for value in (a, b, c))
    assert x <= y or y <= x
    assert not (x <= y <= z) or x <= z


def test_best_is_the_first_among_equals_and_none_without_numbers() -> None:
    assert best([None, 2.0, 5.0, math.nan, 5.0], "maximize") == 2
    assert best([None, 2.0, 5.0], "minimize") == 1
    assert best([None, math.nan], "maximize") is None
    assert best([], "maximize") is None
    assert best([math.inf, 1.0], "maximize") == 1


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="direction='up'"):
        utility(1.0, "up")


def test_evonorm_points_leave_a_front_of_three() -> None:
    points = np.array([(1.0, 5.0), (4.0, 4.0), (5.0, 1.0), (3.0, 3.0), (2.0, 2.0)])
    assert front(points).tolist() == [True, True, True, False, False]
    assert pareto_ranks(points).tolist() == [0, 0, 0, 1, 2]
    assert domination(points)[1].tolist() == [False, False, False, True, True]


def test_crowding_by_hand() -> None:
    points = np.array([(1.0, 5.0), (2.0, 3.0), (4.0, 2.0), (5.0, 1.0)])
    assert crowding(points).tolist() == [math.inf, 1.5, 1.25, math.inf]
    assert pareto_ranks(np.vstack([points, (1.0, 1.0)])).tolist() == [0, 0, 0, 0, 1]


def test_best_four_of_six_by_hand() -> None:
    points = np.array([(1.0, 5.0), (2.0, 3.0), (4.0, 2.0), (5.0, 1.0), (1.0, 1.0), (3.0, 2.5)])
    assert pareto_order(points)[:4] == [0, 3, 1, 2]
    assert crowding(points[[0, 1, 2, 3, 5]]).tolist() == [math.inf, 1.125, 0.875, math.inf, 0.75]


def test_nan_objective_never_reaches_the_front() -> None:
    rows = utilities([(math.nan, None), (1.0, 2.0), (2.0, math.nan)], ["maximize", "minimize"])
    assert front(rows).tolist() == [False, True, True]
    assert front(utilities([(None, None)], ["maximize", "minimize"])).tolist() == [False]
    assert not np.isnan(crowding(rows)).any()


def test_directions_are_turned() -> None:
    assert utilities([(1.0, 2.0)], ["maximize", "minimize"]).tolist() == [[1.0, -2.0]]
    assert utilities([], ["maximize", "minimize"]).shape == (0, 2)


def test_one_objective_orders_as_order_does() -> None:
    values = [3.0, None, 5.0, 3.0, 1.0]
    rows = utilities([(value,) for value in values], ["maximize"])
    assert pareto_order(rows) == order(values, "maximize") == [2, 0, 3, 4, 1]


@given(tables)
def test_domination_is_a_strict_order_and_fronts_peel_off(table: list[list[float]]) -> None:
    rows = np.array(table).reshape(len(table), 2)
    over = domination(rows)
    assert not np.diagonal(over).any()
    assert not (over & over.T).any()
    ranks = pareto_ranks(rows)
    for low, high in zip(*np.nonzero(over), strict=True):
        assert ranks[low] < ranks[high]
    for row in np.flatnonzero(ranks > 0):
        assert over[ranks == ranks[row] - 1, row].any()
    assert not np.isnan(crowding(rows)).any()


@given(st.lists(st.lists(st.integers(-4, 4).map(float), min_size=3, max_size=3), min_size=1, max_size=15))
def test_pareto_ranks_agree_with_optuna(table: list[list[float]]) -> None:
    rows = np.array(table)
    assert pareto_ranks(rows).tolist() == _fast_non_domination_rank(-rows).tolist()
