"""What a law of loss curves may be asked: hand-made schedules on either side of every limit."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.numerics.annealing_law import fit_annealing_law
from automl.numerics.schedule_experience import (
    LAW_PEAK,
    checked_multipliers,
    decay_of,
    experience_of,
    law_rates,
    lengths,
    recorded_curve,
)

T = 200
X = np.arange(T) / T
CONSTANT, COSINE, LINEAR = np.ones(T), (1 + np.cos(np.pi * X)) / 2, 1 - X
SEEN = experience_of([CONSTANT, COSINE], peak=0.03)


def warmed(share: float) -> Any:
    return np.minimum(1, (np.arange(T) + 1) / (share * T)) * np.where(share > X, 1, (1 - X) / (1 - share))


def test_the_rates_of_a_law_hold_the_warm_up_at_the_peak_and_repeat_the_first_step() -> None:
    rates = law_rates([0.5, 1.0, 0.5, 0.0]) / LAW_PEAK
    assert rates.tolist() == [1.0, 1.0, 1.0, 0.5, 0.0]


def test_lengths_are_those_of_warm_up_decay_and_cold_tail() -> None:
    assert lengths(np.array([0.5, 1, 1, 0.5, 0.005, 0])) == (1, 3, 2)
    assert lengths(np.ones(4)) == (0, 0, 0)


def test_the_range_is_that_of_all_runs_together() -> None:
    assert (SEEN.peak, SEEN.steps, SEEN.warmup, SEEN.shortest_decay) == (0.03, T, 0, 0)
    assert SEEN.longest_decay == lengths(COSINE)[1] and SEEN.cold == lengths(COSINE)[2]


@pytest.mark.parametrize("curve", [CONSTANT, COSINE, LINEAR, warmed(0.04), np.minimum(1, (1 - X) / 0.2)])
def test_schedules_between_constant_and_cosine_may_be_asked_about(curve: Any) -> None:
    assert SEEN.refusal(curve) == ""


@pytest.mark.parametrize(
    ("curve", "peak", "reason"),
    [
        (np.append(LINEAR, np.zeros(50)), None, "250 steps, where the law was fitted on 200"),
        (2 * LINEAR, None, "2 times the peak learning rate"),
        (LINEAR, 0.3, "peak 0.3, where the law was fitted at 0.03"),
        (np.where(X < 0.5, 1 - X, np.where(X < 0.6, 1.0, 1 - X)), None, "rises again after its peak"),
        (np.append(LINEAR[::2], np.zeros(T // 2)), None, "stays at or below 0 of its peak"),
        (np.append([1.0], np.full(T - 1, 0.005)), None, "199 steps below 0.01 of its peak"),
        (warmed(0.5), None, "steps of warm-up, where the law has seen at most 0"),
        (np.where(X == 0, np.nan, 1.0), None, "negative or not finite"),
        (1 - 3 * X, None, "negative or not finite"),
    ],
)
def test_what_fools_a_law_is_refused_with_its_reason(curve: Any, peak: float | None, reason: str) -> None:
    """The pathologies of the law's reviews: padding with zeros, scaling up, a huge first step then nothing."""
    assert reason in SEEN.refusal(curve, peak=peak)


def test_a_law_that_saw_long_decays_only_is_not_asked_about_short_ones() -> None:
    seen = experience_of([COSINE, LINEAR], peak=1.0)
    assert "steps of decay, where the law has seen" in seen.refusal(np.minimum(1, (1 - X) / 0.1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0], "at least 2 steps"),
        ([], "at least 2 steps"),
        ([1.0, -0.1], r"schedule\[1\]=-0.1"),
        ([1.0, math.nan], r"schedule\[1\]=nan"),
        ([math.inf, 1.0], r"schedule\[0\]=inf"),
        ([1.0, 1e9], r"\[0, 1000\]"),
        ([0.0, 0.0], "a learning rate > 0 somewhere"),
        (["one", "two"], "numbers"),
        ([[1.0], [2.0]], "one factor per step"),
        ({"a": 1}, "numbers"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_place(values: Any, message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        checked_multipliers(values)


def test_a_curve_loses_its_start_and_its_gaps_and_keeps_its_end() -> None:
    steps = [5, 10, 15, 50, 100, 150, 200]
    curve = recorded_curve(CONSTANT, steps=steps, losses=[9.0, 8.0, 7.0, None, 3.0, 2.0, 1.0])
    assert curve.steps.tolist() == [15, 100, 150, 200], "step 10 is 5 % of the run"
    assert curve.losses.tolist() == [7.0, 3.0, 2.0, 1.0]


def test_a_curve_is_thinned_to_forty_points() -> None:
    curve = recorded_curve(CONSTANT, steps=range(1, T + 1), losses=[1.0] * T)
    assert len(curve.steps) == 40 and curve.steps[-1] == T


@pytest.mark.parametrize(
    ("steps", "losses", "message"),
    [
        ([50, 100, 150], [3.0, 2.0, 1.0], "at least 4 measured losses"),
        ([50, 100, 100, 150], [3.0, 2.0, 2.0, 1.0], "increasing steps"),
        ([50, 100, 150, 200], [3.0, 2.0, 1.0], "as many losses"),
        ([50, 100, 150, 200], [3.0, 2.0, 1.0, -1.0], "finite numbers > 0"),
        ([50, 100, 150, 201], [3.0, 2.0, 1.0, 1.0], "increasing steps in"),
    ],
)
def test_a_curve_that_is_none_is_refused(steps: list[int], losses: list[float], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        recorded_curve(CONSTANT, steps=steps, losses=losses)


@pytest.mark.parametrize("schedules", [[[1.0, 0.5]], [[1.0] * 5, [1.0] * 6]])
def test_runs_of_one_length_and_at_least_four_steps_are_needed(schedules: Any) -> None:
    with pytest.raises(InvalidSetting, match="schedules of one length, at least 4 steps"):
        experience_of(schedules, peak=1.0)


@given(st.floats(1e-6, 1e3))
def test_the_unit_of_the_learning_rate_does_not_matter_to_a_refusal(peak: float) -> None:
    seen = experience_of([CONSTANT, COSINE], peak=peak)
    assert seen.refusal(LINEAR) == "" and seen.refusal(LINEAR, peak=2 * peak) != ""


def test_in_these_rates_the_fit_finds_the_law_that_made_the_curves() -> None:
    """With rates whose peak is 1 every one of its 54 starts predicts negative losses, and it stays where it is."""
    steps = np.arange(10, T + 1, 5)
    curves = []
    for one in (CONSTANT, COSINE):
        rates = law_rates(one)
        blank = recorded_curve(one, steps=steps.tolist(), losses=[1.0] * len(steps))
        forward = np.cumsum(rates)[blank.steps]
        curves.append(recorded_curve(one, steps=blank.steps.tolist(), losses=(1.5 + 0.3 * forward**-0.5).tolist()))
    with np.errstate(over="ignore"):
        law = fit_annealing_law(curves)
    assert law.objective < 1e-8 and law.floor == pytest.approx(1.5, abs=0.02)


def test_a_fall_takes_effect_over_the_same_share_of_every_run() -> None:
    """Of 20,000 steps, those of the authors, over 1,000: their lambda of 0.999."""
    assert [decay_of(steps) for steps in (20_000, 2_000, 200, 10)] == pytest.approx([0.999, 0.99, 0.9, 0.5])
