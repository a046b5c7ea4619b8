"""Intervals: published and hand values, and how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest

from automl.errors import InvalidSetting
from automl.numerics.intervals import crossed_interval, difference_interval, rate_interval


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


def test_two_by_two_crossed_values_give_their_range() -> None:
    # rows 0, 2 and columns 0, 1 added up: resampled means go from 0 (first row and column twice) to 3
    assert crossed_interval([[0.0, 1.0], [2.0, 3.0]], rng=np.random.default_rng(0)) == pytest.approx((0.0, 3.0))


def test_an_axis_that_changes_nothing_leaves_the_interval_of_the_other() -> None:
    sample = np.array([0.3, -0.1, 0.2, 0.25, 0.0, 0.4])
    alone = difference_interval(sample.tolist(), rng=np.random.default_rng(1), resamples=100_000)
    for crossed in (np.tile(sample, (4, 1)), np.tile(sample[:, None], (1, 4)), np.tile(sample, (2, 3, 1))):
        found = crossed_interval(crossed, rng=np.random.default_rng(1), resamples=100_000)
        assert found == pytest.approx(alone, abs=0.006)
    assert crossed_interval(sample, rng=np.random.default_rng(1), resamples=100_000) == pytest.approx(alone, abs=0.006)


def test_both_sources_make_it_wider_than_either() -> None:
    rows, columns = np.linspace(-1, 1, 8)[:, None], np.linspace(-1, 1, 5)[None]
    widths = []
    for cells in (rows + 0 * columns, 0 * rows + columns, rows + columns):
        low, high = crossed_interval(cells, rng=np.random.default_rng(2))
        widths.append(high - low)
    assert widths[2] > max(widths[0], 0.9 * widths[1]) and widths[2] > 1.2 * widths[0]
    assert crossed_interval(np.full((3, 2), 0.5), rng=np.random.default_rng(0)) == (0.5, 0.5)


@pytest.mark.parametrize(("variances", "least"), [((1, 0, 0), 0.92), ((0, 1, 0), 0.87), ((1, 1, 1), 0.92)])
def test_a_crossed_interval_holds_the_mean_of_both_populations(variances: tuple[float, ...], least: float) -> None:
    rng = np.random.default_rng(0)
    candidates, seeds, single = variances
    held = 0
    for _ in range(300):
        effects = candidates * rng.normal(size=(8, 1)) + seeds * rng.normal(size=(1, 5))
        cells = effects + single * rng.normal(size=(8, 5))
        low, high = crossed_interval(cells, rng=rng, resamples=1_000)
        held += low <= 0 <= high
    assert held / 300 >= least


@pytest.mark.parametrize("values", [[], [0.1], [[0.1, 0.2]], [[0.1], [0.2]], [[0.1, 0.2], [0.3, float("nan")]], 1.0])
def test_crossed_values_with_too_few_levels_are_refused(values: object) -> None:
    with pytest.raises(InvalidSetting, match="at least 2 along every axis"):
        crossed_interval(values, rng=np.random.default_rng(0))  # type: ignore[arg-type]
