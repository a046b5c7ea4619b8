"""Targets: the baseline's median best value at its best learning rate."""

from collections.abc import Callable

import pytest

from automl.contracts import Curve, Objective, RungJob, RungResult
from automl.errors import EngineError
from automl.flows.retraining import FIRST_REPLICATE
from automl.flows.targets import set_targets
from automl.flows.workloads import Effort, Workload
from automl.testing.simulated import SimulatedExecutor

Values = Callable[[float, int], tuple[float | None, ...]]
LOSS = Objective(name="loss", direction="minimize", metric="loss")
WORKLOAD = Workload(name="w", task="t", variant="only", objective=LOSS, learning_rate=0.5, steps=30)
EFFORT = Effort(studies=1, target_seeds=3, learning_rates=(0.3, 1.0))


def scripted(values: Values, jobs: list[RungJob] | None = None) -> SimulatedExecutor:
    def run(job: RungJob) -> RungResult:
        if jobs is not None:
            jobs.append(job)
        curve = values(job.leg.overrides["learning_rate"] / 0.5, job.leg.replicate - FIRST_REPLICATE)
        return RungResult(
            curves=(Curve(steps=tuple(range(1, len(curve) + 1)), metrics={"loss": curve}),),
            measurements=({},),
            snapshots=(None,),
            diverged=(curve[-1] is None,),
            steps=len(curve),
            seconds=1.0,
        )

    return SimulatedExecutor(run, workers=2, duration=lambda job: 1.0)


def test_the_target_is_the_median_of_best_values_at_the_best_rate() -> None:
    curves = {0.3: [(5.0, 4.0), (5.0, 4.2), (5.0, 4.4)], 1.0: [(3.0, 3.5), (1.0, 9.0), (2.0, 2.5)]}
    target = set_targets([WORKLOAD], EFFORT, executor=scripted(lambda factor, seed: curves[factor][seed]))["w"]
    assert (target.value, target.factor, target.values) == (2.0, 1.0, (3.0, 1.0, 2.0))


def test_a_rate_at_which_a_seed_never_got_a_number_sets_no_target() -> None:
    def values(factor: float, seed: int) -> tuple[float | None, ...]:
        if factor == 1.0 and seed == 1:
            return (None,)
        return (1.0,) if factor == 1.0 else (4.0,)

    target = set_targets([WORKLOAD], EFFORT, executor=scripted(values))["w"]
    assert (target.value, target.factor) == (4.0, 0.3)


def test_a_run_that_diverged_at_the_end_still_has_its_best_value() -> None:
    target = set_targets([WORKLOAD], EFFORT, executor=scripted(lambda factor, seed: (2.0, None)))["w"]
    assert target.value == 2.0


def test_target_runs_are_the_baseline_at_multiples_of_its_rate() -> None:
    jobs: list[RungJob] = []
    set_targets([WORKLOAD], EFFORT, executor=scripted(lambda factor, seed: (1.0,), jobs))
    seen = {(job.leg.overrides["learning_rate"], job.steps, job.refs[0].edits) for job in jobs}
    assert seen == {(0.15, (0, 30), ()), (0.5, (0, 30), ())} and len(jobs) == 6


def test_a_baseline_that_cannot_be_trained_is_an_error_that_says_why() -> None:
    def broken(factor: float, seed: int) -> tuple[float | None, ...]:
        raise RuntimeError("no data")

    with pytest.raises(EngineError, match="baseline of w could not be trained.*no data"):
        set_targets([WORKLOAD], EFFORT, executor=scripted(broken))
    with pytest.raises(EngineError, match="Every rate diverged"):
        set_targets([WORKLOAD], EFFORT, executor=scripted(lambda factor, seed: (None,)))
