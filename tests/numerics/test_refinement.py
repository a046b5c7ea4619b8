"""Schedules from gradient norms: the oracles of the paper's rule, its invariances, and bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from automl.errors import InvalidSetting
from automl.numerics.refinement import _bound, closed_form, numeric_form, refine, smoothed

norms_of_runs = st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=40)


@pytest.mark.parametrize(
    ("norms", "norm", "expected"),
    [
        ([1, 1, 1, 1, 1], "l2", [1, 0.75, 0.5, 0.25, 0]),
        ([1, 1, 1, 1, 1], "l1", [1, 0.75, 0.5, 0.25, 0]),
        ([4, 2, 1, 1, 2], "l2", [0.125, 0.45, 1, 0.2, 0]),
        ([4, 2, 1, 1, 2], "l1", [0.5, 0.833333, 1, 0.333333, 0]),
        ([1, 2, 4, 8], "l2", [1, 0.059524, 0.002976, 0]),
        ([1, 2, 4, 8], "l1", [1, 0.214286, 0.035714, 0]),
        ([8, 4, 2, 1], "l2", [0.082031, 0.3125, 1, 0]),
        ([8, 4, 2, 1], "l1", [0.4375, 0.75, 1, 0]),
    ],
)
def test_the_closed_form_by_hand(norms: list[float], norm: str, expected: list[float]) -> None:
    assert closed_form(norms, norm=norm) == pytest.approx(expected, abs=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("last", "peak", "expected"),
    [
        (1.0, 270, [0.01089, 0.25978, 0.87499, 0.58313, 0]),
        (2.0, 242, [0.01227, 0.29131, 0.60257, 0.21158, 0]),
        (0.7, 301, [0.01036, 0.24741, 0.97957, 0.85992, 0]),
    ],
)
def test_falling_norms_give_a_warm_up_and_the_end_shapes_the_tail(
    last: float, peak: int, expected: list[float]
) -> None:
    course = np.interp(np.linspace(0, 1, 2000), [0, 0.003, 0.02, 0.03, 0.1, 1], [15, 6, 4, 2, 1, last])
    schedule = closed_form(gaussian_filter1d(course, 40, mode="nearest"), norm="l2")
    assert int(schedule.argmax()) == peak
    assert schedule[[0, 100, 500, 1000, 1999]] == pytest.approx(expected, abs=1.1e-5)


def test_the_numeric_form_reaches_the_known_minima() -> None:
    steps, bound = numeric_form(np.ones(10))
    assert bound == pytest.approx(0.578013, abs=2e-6)
    expected = [0.24764, 0.2272, 0.20692, 0.18682, 0.16695, 0.14734, 0.12806, 0.10917, 0.09079, 0.21918]
    assert steps == pytest.approx(expected, abs=2e-3)
    steps, bound = numeric_form([4, 3, 2, *[1] * 7])
    assert bound == pytest.approx(0.644227, abs=2e-6)
    expected = [0.01987, 0.03475, 0.07514, 0.25351, 0.22654, 0.19993, 0.17376, 0.14813, 0.12319, 0.29741]
    assert steps == pytest.approx(expected, abs=2e-3)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    steps=st.lists(st.floats(0.05, 2), min_size=2, max_size=9), scale=st.floats(0.2, 3), distance=st.floats(0.1, 4)
)
def test_the_bound_is_the_papers_and_its_gradient_is_that_of_differences(
    steps: list[float], scale: float, distance: float
) -> None:
    lam = np.array(steps)
    squares = scale * np.linspace(1, 2, len(lam)) ** 2

    def plain(lam: np.ndarray) -> float:
        left = [lam[k:].sum() for k in range(len(lam))]
        energy = [(squares[k:] * lam[k:] ** 2).sum() for k in range(len(lam))]
        cross = sum(lam[k] / (left[k] * (left[k] - lam[k])) * energy[k] for k in range(len(lam) - 1))
        return float((distance**2 + energy[0]) / (2 * left[0]) + cross / 2)

    value, slope = _bound(lam, squares, distance**2)
    assert value == pytest.approx(plain(lam), rel=1e-9)
    ahead = np.array([plain(lam + 1e-6 * unit) - plain(lam - 1e-6 * unit) for unit in np.eye(len(lam))]) / 2e-6
    assert slope == pytest.approx(ahead, rel=1e-4, abs=1e-5 * abs(value))


@settings(deadline=None, derandomize=True)
@given(norms=norms_of_runs, factor=st.floats(1e-3, 1e3), norm=st.sampled_from(["l1", "l2"]))
def test_a_schedule_ignores_the_scale_is_a_share_and_ends_at_zero(norms: list[float], factor: float, norm: str) -> None:
    schedule = closed_form(norms, norm=norm)  # type: ignore[arg-type]
    assert schedule == pytest.approx(closed_form(np.array(norms) * factor, norm=norm), rel=1e-9)  # type: ignore[arg-type]
    assert schedule.min() >= 0 and schedule.max() == 1 and schedule[-1] == 0


@settings(deadline=None, derandomize=True)
@given(norms=norms_of_runs)
def test_growing_norms_put_the_peak_at_the_start(norms: list[float]) -> None:
    assert closed_form(sorted(norms), norm="l2").argmax() == 0


def test_the_filter_is_a_median_that_is_held_left_and_reflected_right() -> None:
    assert smoothed([9, 1, 1, 5, 1, 1, 1, 1, 1, 7], share=0.3).tolist() == [9, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert smoothed([3, 1, 2], share=0.1).tolist() == [3, 1, 2]


def test_constant_norms_refine_to_linear_decay_whatever_was_not_finite() -> None:
    recorded = [1.0] * 50
    recorded[7], recorded[20] = float("inf"), float("nan")
    assert refine(recorded, norm="l2", steps=11) == pytest.approx(np.linspace(1, 0, 11), abs=1e-3)


def test_what_cannot_be_refined_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="at least 8"):
        refine([1.0] * 7, norm="l2", steps=10)
    with pytest.raises(InvalidSetting, match="int >= 2"):
        refine([1.0] * 20, norm="l2", steps=1)
    with pytest.raises(InvalidSetting, match="share"):
        refine([1.0] * 20, norm="l2", steps=10, smoothing=1.0)
    with pytest.raises(InvalidSetting, match="'l1'"):
        closed_form([1, 2], norm="l3")  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="finite numbers > 0"):
        closed_form([1, 0], norm="l2")
