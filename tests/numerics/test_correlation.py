"""Rank correlation against SciPy, ties included."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata, spearmanr
from scipy.stats import t as student

from automl.errors import InvalidSetting
from automl.numerics.correlation import _resampled_ranks, mean_ranks, spearman, spearman_interval

pairs = st.lists(st.tuples(st.integers(-4, 4).map(float), st.integers(-4, 4).map(float)), min_size=2, max_size=20)


@given(pairs)
def test_it_agrees_with_scipy(table: list[tuple[float, float]]) -> None:
    first, second = ([pair[side] for pair in table] for side in (0, 1))
    ours = spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


def test_ties_share_their_mean_rank() -> None:
    assert mean_ranks([3.0, 1.0, 3.0, 2.0]).tolist() == rankdata([3.0, 1.0, 3.0, 2.0]).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_by_hand() -> None:
    # d = (0, 0, 1, 1): 1 - 6 * 2 / (4 * 15)
    assert spearman([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 3.0]) == pytest.approx(0.8)


def test_pairs_with_an_absent_number_are_left_out() -> None:
    first, second = [1.0, None, 2.0, math.nan, 3.0, 9.0], [1.0, 5.0, 2.0, 0.0, 3.0, math.inf]
    assert spearman(first, second) == pytest.approx(1.0)
    assert spearman([1.0, None], [1.0, 2.0]) is None


@given(pairs, st.integers(0, 9))
def test_resampled_ranks_are_those_of_the_resampled_list(table: list[tuple[float, float]], seed: int) -> None:
    n, rng = len(table), np.random.default_rng(seed)
    drawn = rng.integers(n, size=n)
    counts = np.bincount(drawn, minlength=n).astype(float)
    values = np.array([first for first, _ in table])
    ranks = _resampled_ranks(values, counts[None])[0]
    assert ranks[drawn].tolist() == rankdata(values[drawn]).tolist()


def test_the_interval_is_that_of_resampled_pairs() -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(size=40)
    second = first + rng.normal(size=40)
    low, high = spearman_interval(first, second, rng=np.random.default_rng(0), resamples=4000)
    drawn = [rng.integers(40, size=40) for _ in range(2000)]
    slow = [spearmanr(first[d], second[d]).statistic for d in drawn]
    tail = norm.cdf(-math.sqrt(40 / 39) * student.ppf(0.975, 39))
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [tail, 1 - tail])), abs=0.03)


def test_the_interval_of_a_perfect_ranking_is_a_point_and_of_constants_everything() -> None:
    def interval(first: list[float], second: list[float]) -> tuple[float, float]:
        return spearman_interval(first, second, rng=np.random.default_rng(0))

    assert interval([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((1.0, 1.0))
    assert interval([1.0, 1.0], [1.0, 2.0]) == (-1.0, 1.0)


def test_it_depends_on_the_order_alone() -> None:
    first, second = np.arange(12.0), np.array([3.0, 1, 2, 5, 4, 9, 6, 7, 8, 12, 11, 10])
    plain = spearman_interval(first, second, rng=np.random.default_rng(0))
    assert spearman_interval(np.exp(first), second**3, rng=np.random.default_rng(0)) == plain


@pytest.mark.parametrize(
    ("first", "second", "options"),
    [
        ([1.0], [1.0], {}),
        ([1.0, 2.0], [1.0], {}),
        ([1.0, math.nan], [1.0, 2.0], {}),
        ([1.0, 2.0], [1.0, 2.0], {"level": 1.0}),
        ([1.0, 2.0], [1.0, 2.0], {"resamples": 10}),
    ],
)
def test_what_has_no_interval_is_refused(first: list[float], second: list[float], options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        spearman_interval(first, second, rng=np.random.default_rng(0), **options)
