"""Workloads and effort: budgets, measuring points, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Objective
from automl.errors import InvalidSetting
from automl.flows.workloads import MEASUREMENTS, Effort, Method, Run, Workload

GOAL = Objective(name="loss", direction="minimize", metric="loss")


def workload(steps: int) -> Workload:
    return Workload(name="w", task="t", variant="only", objective=GOAL, learning_rate=0.1, steps=steps)


@pytest.mark.parametrize(
    ("steps", "budget", "every"), [(1, 2, 1), (3, 4, 1), (45, 60, 1), (200, 267, 6), (300, 400, 10)]
)
def test_budget_is_four_thirds_rounded_up(steps: int, budget: int, every: int) -> None:
    assert (workload(steps).budget, workload(steps).measure_every_steps) == (budget, every)


@given(st.integers(1, 100_000))
def test_a_budget_has_about_forty_measuring_points(steps: int) -> None:
    one = workload(steps)
    points = one.budget // one.measure_every_steps
    assert 3 * one.budget >= 4 * steps > 3 * (one.budget - 1)
    assert points == one.budget or MEASUREMENTS <= points <= 2 * MEASUREMENTS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"studies": 0}, "studies=0"),
        ({"target_seeds": 0}, "target_trials=0"),
        ({"learning_rates": ()}, "multiples of the task's own"),
        ({"learning_rates": (1.0, 1.0)}, "different numbers > 0"),
        ({"learning_rates": (1.0, -1.0)}, "different numbers > 0"),
        ({"learning_rates": (float("nan"),)}, "different numbers > 0"),
        ({"learning_rates": (float("inf"),)}, "different numbers > 0"),
        ({"learning_rates": tuple(range(1, 66))}, "at most 64"),
    ],
)
def test_effort_refuses_what_compares_nothing(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        Effort(**settings)


def test_a_workload_has_at_least_one_step() -> None:
    with pytest.raises(InvalidSetting, match="steps=0"):
        workload(0)


def test_edits_reach_the_job_in_order() -> None:
    edits = (("one", {"a": 1}), ("two", {"b": 2}))
    run = Run(method=Method(name="m", edits=edits), workload=workload(3), factor=3.0, seed=1, steps=4, purpose="race")
    job = run.job(Effort(seed=7))
    assert job.refs[0].edits == edits and job.refs[0].overrides == job.leg.overrides
    assert job.leg.overrides["learning_rate"] == pytest.approx(0.3)
    assert run.job(Effort(seed=8)).seed != job.seed
