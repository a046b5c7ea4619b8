"""Races: the fastest run of a study, whichever way values get better."""

import math
from collections.abc import Callable
from typing import Literal

import pytest

from automl.contracts import Curve, Objective, RungJob, RungResult
from automl.flows.races import Race, run_races
from automl.flows.targets import Target
from automl.flows.workloads import Effort, Method, Workload
from automl.testing.simulated import SimulatedExecutor

RATES = (0.5, 1.0)


def raced(
    curve: Callable[[float], Curve], *, direction: Literal["minimize", "maximize"] = "minimize", target: float = 1.0
) -> Race:
    """Returns the race of one method in one study; `curve` is given the factor on the learning rate."""

    def run(job: RungJob) -> RungResult:
        found = curve(job.leg.overrides["learning_rate"])
        steps = found.steps[-1]
        return RungResult(
            curves=(found,), measurements=({},), snapshots=(None,), diverged=(False,), steps=steps, seconds=steps / 4
        )

    goal = Objective(name="goal", direction=direction, metric="value")
    workload = Workload(name="w", task="t", variant="only", objective=goal, learning_rate=1.0, steps=30)
    races = run_races(
        [Method(name="m")],
        [workload],
        {"w": Target(value=target, factor=1.0, values=(target,))},
        Effort(studies=1, target_seeds=1, learning_rates=RATES),
        executor=SimulatedExecutor(run, workers=2, duration=lambda job: 1.0),
    )
    return races["m"]["w"][0]


def values(*numbers: float | None) -> Curve:
    return Curve(steps=tuple(10 * (place + 1) for place in range(len(numbers))), metrics={"value": numbers})


def test_lower_or_higher_is_better_as_the_objective_says() -> None:
    assert raced(lambda rate: values(3.0, 1.0, 0.5)).steps == 20
    assert raced(lambda rate: values(3.0, 1.0, 0.5), direction="maximize").steps == 10


def test_the_fastest_rate_counts_and_of_equals_the_first() -> None:
    found = raced(lambda rate: values(1.0) if rate == 1.0 else values(2.0, 1.0))
    assert (found.steps, found.factor) == (10, 1.0)
    assert raced(lambda rate: values(1.0)).factor == RATES[0]


def test_seconds_are_in_proportion_to_the_steps_that_were_really_trained() -> None:
    assert raced(lambda rate: values(2.0, 1.0, 3.0, 3.0)).seconds == pytest.approx(5.0)


@pytest.mark.parametrize("curve", [values(None, None), values(2.0, 3.0), Curve(steps=(10,), metrics={"other": (0.0,)})])
def test_a_run_that_never_arrives_has_no_time(curve: Curve) -> None:
    assert raced(lambda rate: curve) == Race(steps=math.inf, seconds=math.inf, factor=None)


def test_a_value_after_the_target_was_lost_again_does_not_matter() -> None:
    assert raced(lambda rate: values(1.0, None)).steps == 10
