"""Refining a run: which run is trained again, what is read from it, and what is refused."""

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Answer, Closed, Curve, Failure, Opened, RungJob, RungResult, StudyLog
from automl.errors import InvalidSetting, UsageError
from automl.flows.plan import Plan
from automl.flows.schedule_refinement import NormedRun, Refinement, refine_run, train_again
from automl.numerics.refinement import refine
from automl.searchers.random_search import RandomSearch
from automl.testing.simulated import SimulatedExecutor
from automl.testing.toy_task import ToyTask
from automl.training.schedules import WarmupCosine
from search_spaces.lr_schedule import LrScheduleSpace

SPACE = LrScheduleSpace()
T = 60
CURVE = Curve(steps=(5, 20, 60), metrics={"accuracy": (0.1, 0.2, 0.3), "train_loss": (3.0, 2.0, 1.0)})


class _Baseline:
    schedule = WarmupCosine()


class _Task(ToyTask):
    def baseline(self, variant: str) -> Any:
        return _Baseline()


PLAN = Plan(
    space=SPACE,
    space_locator="lr",
    task=cast(Any, _Task()),
    task_locator="toy",
    searcher=RandomSearch(space=SPACE),
    seed=7,
)
LOG = StudyLog(
    name="demo",
    header={},
    opened=tuple(Opened(number=n, genotype=SPACE.zoo()["linear"], fingerprint=str(n)) for n in range(3)),
    rungs={},
    closed=(
        Closed(number=0, outcome="completed", reason="", values=(0.3,), curves={"only": CURVE}),
        Closed(number=1, outcome="rejected", reason="quality", values=(None,)),
    ),
    notes={"baseline": {"curves": {"only": CURVE.to_json()}}},
)
FALLING = [float(one) for one in np.linspace(4, 1, T)]


def run(trial: int | None, *, log: StudyLog = LOG, jobs: list[RungJob] | None = None, **changes: Any) -> NormedRun:
    """Returns a run whose training gives the recorded curve and falling norms, or what `changes` says."""

    def result(job: RungJob) -> RungResult:
        if jobs is not None:
            jobs.append(job)
        found = RungResult(
            curves=(CURVE,),
            measurements=({"gradient_norms": {"l1": FALLING, "l2": [1.0] * T}},),
            snapshots=(None,),
            diverged=(False,),
            steps=T,
            seconds=0.0,
        )
        return replace(found, **changes)

    executor = SimulatedExecutor(result, workers=1, duration=lambda job: 1.0)
    return train_again(PLAN, log, trial=trial, leg=None, executor=executor)


def test_the_baseline_is_trained_whole_with_the_seed_of_the_search_and_asked_for_its_norms() -> None:
    jobs: list[RungJob] = []
    found = run(None, jobs=jobs)
    (job,) = jobs
    assert (job.refs[0].edits, job.seed, job.steps, job.requests) == ((), 7, (0, T), ("gradient_norms",))
    assert job.keep is False and job.splits == ("validation",)
    assert (found.trial, found.leg, found.steps, found.reproduced) == (None, "only", T, True)
    assert found.old is not None and found.old[0] == 1.0 and found.old[T // 2] == pytest.approx(0.5)


def test_a_trial_is_trained_with_its_genotype_and_its_schedule_is_known() -> None:
    jobs: list[RungJob] = []
    found = run(0, jobs=jobs)
    assert jobs[0].refs[0].edits == (("lr", LOG.opened[0].genotype),)
    assert found.old == pytest.approx([1 - t / T for t in range(T)])


def test_the_train_loss_may_differ_as_rungs_cut_it_but_nothing_else_may() -> None:
    other = replace(CURVE, metrics={**CURVE.metrics, "train_loss": (9.0, 9.0, 9.0)})
    assert run(0, curves=(other,)).reproduced
    assert not run(0, curves=(replace(CURVE, metrics={**CURVE.metrics, "accuracy": (0.1, 0.2, 0.4)}),)).reproduced


@pytest.mark.parametrize(
    ("trial", "error", "message"),
    [
        (1, UsageError, r"Trial 1 ended as rejected \(quality\)"),
        (2, UsageError, "Trial 2 is still open"),
        (3, InvalidSetting, "trial=3"),
    ],
)
def test_what_has_no_whole_run_is_refused(trial: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(trial)


def test_a_baseline_that_was_never_trained_is_refused() -> None:
    with pytest.raises(UsageError, match="never trained"):
        run(None, log=replace(LOG, notes={}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"measurements": ({},)}, "reports no gradient norms"), ({"diverged": (True,)}, "diverges")],
)
def test_a_run_without_norms_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(None, **changes)


class _Failing:
    """An executor whose only job has been stopped."""

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        self.key = key

    def wait(self, timeout_seconds: float) -> list[Answer]:
        return [Answer(key=self.key, failure=Failure(reason="timed-out", evidence={}))]


def test_a_run_that_fails_now_is_refused_with_its_reason() -> None:
    with pytest.raises(UsageError, match="timed-out"):
        train_again(PLAN, LOG, trial=None, leg=None, executor=cast(Any, _Failing()))


def test_constant_norms_give_linear_decay_as_a_genotype() -> None:
    report = refine_run(run(None), Refinement(norm="l2"), space=SPACE)
    assert report["multipliers"] == pytest.approx(np.linspace(1, 0, T).tolist(), abs=1e-3)
    assert report["deviation"] < 0.02 and report["smoothed"] == [1.0] * T
    followed = SPACE.multipliers(report["genotype"], T)
    assert followed is not None and np.abs(followed - report["multipliers"]).max() == report["deviation"]


def test_the_norm_decides_what_is_read() -> None:
    found = run(None)
    l1 = refine_run(found, Refinement(norm="l1"), space=SPACE)
    assert l1["norms"] == FALLING
    assert l1["multipliers"] == refine(FALLING, norm="l1", steps=T).tolist()
    assert max(l1["multipliers"]) == l1["multipliers"][int(np.argmax(l1["multipliers"]))] == 1.0
    assert int(np.argmax(l1["multipliers"])) > 0, "falling norms make a warm-up"


def test_the_numeric_method_gives_nearly_linear_decay_for_constant_norms_and_ends_at_zero() -> None:
    """Oracle O1.8 without its last entry, which is an artefact."""
    schedule = Refinement(norm="l2", method="numeric", smoothing=0.0).schedule([1.0] * 10, steps=10)
    expected = np.array([0.24764, 0.2272, 0.20692, 0.18682, 0.16695, 0.14734, 0.12806, 0.10917, 0.09079, 0.0])
    assert schedule == pytest.approx(expected / expected[0], abs=2e-4)


@given(st.floats(1e-6, 1e6))
def test_the_scale_of_the_norms_does_not_matter(scale: float) -> None:
    plain = Refinement(norm="l1").schedule(FALLING, steps=T)
    scaled = Refinement(norm="l1").schedule([scale * one for one in FALLING], steps=T)
    assert scaled == pytest.approx(plain, rel=1e-9, abs=1e-12)


def test_norms_that_are_missing_are_bridged() -> None:
    gaps: list[float | None] = [None if place in (7, 8) else one for place, one in enumerate(FALLING)]
    found = replace(run(None), norms={"l1": gaps, "l2": gaps})
    report = refine_run(found, Refinement(norm="l1", smoothing=0.0), space=SPACE)
    assert report["norms"][7] is None and not any(math.isnan(one) for one in report["smoothed"])
    assert report["smoothed"] == pytest.approx(FALLING)


@pytest.mark.parametrize("norms", [[1.0] * 7, [None] * 30, [0.0] * 30])
@pytest.mark.parametrize("method", ["closed-form", "numeric"])
def test_a_run_too_short_to_refine_is_refused(norms: list[float | None], method: Any) -> None:
    with pytest.raises(InvalidSetting, match="at least 8"):
        Refinement(norm="l2", method=method).schedule(norms, steps=10)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_schedule_needs_two_steps(steps: int) -> None:
    with pytest.raises(InvalidSetting, match="an int >= 2"):
        Refinement(norm="l2").schedule([1.0] * 20, steps=steps)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"norm": "l3"}, "norm='l3'"),
        ({"norm": "l1", "smoothing": 1.0}, "smoothing=1.0"),
        ({"norm": "l1", "method": "numeric"}, "bound is one of l2 norms"),
        ({"norm": "l1", "method": "guess"}, "method='guess'"),
    ],
)
def test_a_setting_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        Refinement(**wrong)
