"""Time to target and performance profiles: AlgoPerf's numbers by hand, and their invariances."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.numerics.performance_profile import (
    geometric_speed_up,
    median_time,
    profile,
    ratios,
    score,
    time_to_target,
)

INF = math.inf
TIMES = {"A": [10.0, 20, 30, INF], "B": [20.0, 20, 60, 50], "C": [50.0, 30, 31, 60]}


def test_ratios_and_scores_by_hand() -> None:
    found = ratios(TIMES)
    assert found["A"].tolist() == [1, 1, 1, INF]
    assert found["B"].tolist() == [2, 1, 2, 1]
    assert found["C"].tolist() == pytest.approx([INF, 1.5, 31 / 30, 1.2])
    assert {name: score(one) for name, one in found.items()} == pytest.approx(
        {"A": 0.75, "B": 0.833333, "C": 0.688889}, abs=1e-6
    )


def test_the_score_is_the_area_under_the_profile() -> None:
    factors = np.linspace(1, 4, 100)
    expected = {"A": 0.75, "B": 0.835859, "C": 0.688131}
    for name, one in ratios(TIMES).items():
        assert np.trapezoid(profile(one, factors), factors) / 3 == pytest.approx(expected[name], abs=1e-6)


def test_alone_is_one_and_nobody_is_zero() -> None:
    assert score(ratios({"A": [3.0, 4.0]})["A"]) == 1.0
    assert score(ratios({"A": [INF], "B": [INF]})["A"]) == 0.0


def test_a_tie_is_won_by_both() -> None:
    found = ratios({"A": [5.0], "B": [5.0]})
    assert found["A"].tolist() == found["B"].tolist() == [1.0]


@settings(deadline=None, derandomize=True)
@given(
    times=st.lists(st.lists(st.floats(0.1, 100), min_size=3, max_size=3), min_size=1, max_size=4),
    factor=st.floats(0.01, 100),
)
def test_a_workloads_unit_of_time_does_not_matter(times: list[list[float]], factor: float) -> None:
    named = {str(index): one for index, one in enumerate(times)}
    scaled = {name: [one[0] * factor, *one[1:]] for name, one in named.items()}
    for name, one in ratios(named).items():
        assert score(one) == pytest.approx(score(ratios(scaled)[name]), abs=1e-6)


def test_median_over_studies() -> None:
    assert median_time([3, INF, INF]) == INF
    assert median_time([3, 5, INF]) == 5
    assert median_time([4, 2]) == 3


def test_the_first_measurement_that_reaches_the_target_counts() -> None:
    assert time_to_target([10, 20, 30], [2.0, 1.0, 1.5], target=1.2, lower=True) == 20
    assert time_to_target([10, 20], [0.5, None], target=0.9, lower=False) == INF


def test_speed_up_over_what_both_finished() -> None:
    assert geometric_speed_up([1, 2, INF], [4, 2, 1]) == pytest.approx(2.0)
    assert geometric_speed_up([INF], [1]) is None


@pytest.mark.parametrize("times", [{}, {"A": [1.0, 2], "B": [1.0, -1]}, {"A": [math.nan]}])
def test_times_that_are_none_are_refused(times: dict[str, list[float]]) -> None:
    with pytest.raises(InvalidSetting, match="positive time"):
        ratios(times)
