"""Rank correlation against SciPy, ties included."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from automl.numerics.correlation import mean_ranks, spearman

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
