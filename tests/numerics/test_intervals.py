"""Intervals: published and hand values, and how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from automl.errors import InvalidSetting
from automl.numerics.intervals import difference_interval, rate_interval


def test_three_pairs_give_the_range_of_the_data() -> None:
    assert difference_interval([0.1, 0.4, 0.2], rng=np.random.default_rng(0)) == pytest.approx((0.1, 0.4))


def test_equal_differences_give_a_point() -> None:
    assert difference_interval([0.5] * 4, rng=np.random.default_rng(0)) == (0.5, 0.5)


def test_it_is_seeded_and_moves_with_the_data() -> None:
    sample = np.array([0.3, -0.1, 0.2, 0.25, 0.0, 0.4])
    low, high = difference_interval(sample.tolist(), rng=np.random.default_rng(3))
    assert (low, high) == difference_interval(sample.tolist(), rng=np.random.default_rng(3))
    moved = difference_interval((sample + 1).tolist(), rng=np.random.default_rng(3))
    assert moved == pytest.approx((low + 1, high + 1))
    assert low < sample.mean() < high


@pytest.mark.parametrize(("pairs", "least"), [(3, 0.70), (5, 0.87), (10, 0.92)])
def test_it_holds_the_true_mean_about_as_often_as_it_says(pairs: int, least: float) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        low, high = difference_interval(rng.normal(size=pairs).tolist(), rng=rng, resamples=1_000)
        held += low <= 0 <= high
    assert held / 400 >= least


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, float("nan")], [0.1, float("inf")]])
def test_too_little_to_say_is_an_error(differences: list[float]) -> None:
    with pytest.raises(InvalidSetting, match="at least 2 finite"):
        difference_interval(differences, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (10, 10), (3, 10), (1, 1), (25, 500)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_rates_agree_with_scipy(hits: int, trials: int, level: float) -> None:
    expected = binomtest(hits, trials).proportion_ci(confidence_level=level, method="exact")
    assert rate_interval(hits, trials, level=level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_rule_of_three() -> None:
    # no hit in n trials: upper end 1 - 0.025 ** (1 / n)
    assert rate_interval(0, 20) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert rate_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "trials", "level"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 0.0), (1, 3, 1.0)])
def test_impossible_counts_and_levels_are_refused(hits: int, trials: int, level: float) -> None:
    with pytest.raises(InvalidSetting):
        rate_interval(hits, trials, level=level)
