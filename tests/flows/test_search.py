"""The search flow: order, independence of workers, interruption, budgets, failures. No torch, no disk, no real time."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from automl.contracts import (
    Answer,
    Closed,
    Curve,
    Executor,
    Failure,
    Leg,
    Opened,
    RungJob,
    RungRecord,
    RungResult,
    StudyLog,
    Verdict,
)
from automl.errors import EngineError
from automl.filters.duplicates import Duplicates
from automl.flows.plan import Budget, Plan
from automl.flows.report import status, study_digest
from automl.flows.search import Search
from automl.searchers.evolution import Evolution
from automl.searchers.random_search import RandomSearch
from automl.testing.memory_history import MemoryHistory
from automl.testing.simulated import SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace
from automl.testing.toy_task import ToyTask

SPACE = ToySpace()


@dataclass(frozen=True)
class BelowMedian:
    """Drops a leg that is worse than the median of the curves it may be compared with."""

    name: str = "median"

    def wants(self, leg: Leg, rung: tuple[int, int]) -> tuple[str, ...]:
        return ()

    def judge(
        self, trial: Opened, rung: RungRecord, *, leg: Leg, curve: Curve, reference: Sequence[Curve]
    ) -> Verdict | None:
        scores = sorted(s for other in reference if (s := other.at(curve.steps[-1], "accuracy")) is not None)
        mine = curve.last("accuracy")
        if len(scores) < 4 or mine is None:
            return None
        return Verdict(filter=self.name, keep=mine >= scores[len(scores) // 2], measured=mine, threshold=len(scores))


def plan(**changes: Any) -> Plan:
    whole = Plan(
        space=SPACE,
        space_locator="toy",
        task=ToyTask(),
        task_locator="toy",
        searcher=RandomSearch(space=SPACE),
        screens=(Duplicates(),),
        monitors=(BelowMedian(),),
        depth=4,
    )
    return replace(whole, **changes)


def evolving(**changes: Any) -> Plan:
    return plan(searcher=Evolution(space=SPACE, objectives=TOY_OBJECTIVES[:1], population=8, tournament=3), **changes)


def simulated(workers: int = 1) -> SimulatedExecutor:
    return SimulatedExecutor(run_toy, workers=workers, duration=toy_seconds)


def drive(the_plan: Plan, history: MemoryHistory, *, executor: Executor | None = None, **options: Any) -> StudyLog:
    budget = options.pop("budget", Budget(trials=40))
    Search(
        the_plan, budget=budget, history=history, executor=executor or simulated(), now_ms=lambda: 7, **options
    ).run()
    return history.all()


@pytest.mark.parametrize("make", [plan, evolving])
def test_one_worker_equals_many(make: Callable[[], Plan]) -> None:
    logs = [drive(make(), MemoryHistory(), executor=simulated(workers)) for workers in (1, 2, 5)]
    assert len({study_digest(log) for log in logs}) == 1
    assert len(logs[0].closed) == 40


class Stopped(Exception):
    """Raised in place of a kill."""


class StopsAfter:
    """An executor whose driver dies after some answers."""

    def __init__(self, answers: int) -> None:
        self._left, self._inner = answers, simulated(2)

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        self._inner.submit(key, job, priority=priority)

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        self._left -= 1
        if self._left < 0:
            raise Stopped
        return self._inner.wait(timeout_seconds)

    def idle_share(self) -> float:
        return self._inner.idle_share()

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize("make", [plan, evolving])
@pytest.mark.parametrize("answers", [0, 1, 3, 7, 20, 33, 60])
def test_interrupted_equals_uninterrupted(make: Callable[[], Plan], answers: int) -> None:
    whole = drive(make(), MemoryHistory())
    history = MemoryHistory()
    for _ in range(3):
        with contextlib.suppress(Stopped):
            drive(make(), history, executor=StopsAfter(answers))
    before = history.all()
    after = drive(make(), history)
    assert study_digest(after) == study_digest(whole)
    assert after.opened[: len(before.opened)] == before.opened
    assert after.closed[: len(before.closed)] == before.closed


def test_recorded_rungs_are_not_trained_again() -> None:
    history, ran = MemoryHistory(), []

    def counted(job: RungJob) -> RungResult:
        ran.append(job)
        return run_toy(job)

    with pytest.raises(Stopped):
        drive(plan(), history, executor=StopsAfter(25))
    recorded = sum(len(records) for records in history.all().rungs.values())
    drive(plan(), history, executor=SimulatedExecutor(counted, duration=toy_seconds))
    total = sum(len(records) for records in history.all().rungs.values())
    baseline_rungs = 3
    assert len(ran) <= total - recorded + baseline_rungs


def test_extending_a_study_equals_having_asked_for_more_at_once() -> None:
    history = MemoryHistory()
    drive(evolving(), history, budget=Budget(trials=17))
    assert len(history.all().closed) == 17
    assert study_digest(drive(evolving(), history)) == study_digest(drive(evolving(), MemoryHistory()))


def test_trials_close_in_trial_order() -> None:
    order: list[int] = []
    drive(plan(), MemoryHistory(), executor=simulated(4), watch=lambda opened, closed: order.append(closed.number))
    assert order == list(range(40))


def test_depth_bounds_the_open_trained_trials() -> None:
    open_now, most = set[int](), 0

    class Watching(MemoryHistory):
        def open(self, trial: Opened) -> None:
            nonlocal most
            super().open(trial)
            if trial.trained:
                open_now.add(trial.number)
            most = max(most, len(open_now))

        def close_trial(self, trial: Closed) -> None:
            super().close_trial(trial)
            open_now.discard(trial.number)

    drive(plan(depth=3), Watching(), executor=simulated(8))
    assert most == 3


def test_a_duplicate_replays_its_twin_and_trains_nothing() -> None:
    log = drive(plan(), MemoryHistory(), budget=Budget(trials=120))
    twins = [(c, int(c.reason.split()[1])) for c in log.closed if c.outcome == "duplicate"]
    assert twins, "120 random toy trials repeat some function"
    for closed, twin in twins:
        assert log.opened[closed.number].fingerprint == log.opened[twin].fingerprint
        assert closed.values == log.closed[twin].values
        assert closed.number not in log.rungs and closed.steps == 0


def test_budget_of_trained_trials_is_exact() -> None:
    log = drive(plan(), MemoryHistory(), budget=Budget(trials=1000, trained=12))
    assert sum(opened.trained for opened in log.opened) == 12
    assert len(log.closed) == len(log.opened)


def test_stop_finishes_what_is_open_and_proposes_no_more() -> None:
    asked = iter([False] * 5 + [True] * 1000)
    log = drive(plan(), MemoryHistory(), stop=lambda: next(asked))
    assert len(log.opened) == len(log.closed) == 5


def test_a_candidate_that_raises_or_diverges_ends_its_trial_only() -> None:
    clean = drive(plan(), MemoryHistory())
    prints = [opened.fingerprint for opened in clean.opened if opened.trained]
    faults = {prints[2]: "raise", prints[5]: "diverge"}
    executor = SimulatedExecutor(lambda job: run_toy(job, faults=faults), duration=toy_seconds)  # type: ignore[arg-type]
    log = drive(plan(), MemoryHistory(), executor=executor)
    by_print = {opened.fingerprint: log.closed[opened.number] for opened in reversed(log.opened)}
    assert (by_print[prints[2]].outcome, by_print[prints[2]].reason) == ("failed", "crashed")
    assert (by_print[prints[5]].outcome, by_print[prints[5]].reason) == ("failed", "diverged")
    assert len(log.closed) == 40


class Flaky:
    """Every job fails `failures` times for reasons outside the candidate before it runs."""

    def __init__(self, failures: int) -> None:
        self._failures, self._inner = failures, simulated()
        self._tries: dict[str, int] = {}

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        self._inner.submit(key, job, priority=priority)

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        return [self._spoilt(answer) for answer in self._inner.wait(timeout_seconds)]

    def _spoilt(self, answer: Answer) -> Answer:
        tries = self._tries[answer.key] = self._tries.get(answer.key, 0) + 1
        if tries <= self._failures:
            return Answer(key=answer.key, failure=Failure(reason="infrastructure", evidence={"disk": "gone"}))
        self._tries[answer.key] = 0
        return answer

    def idle_share(self) -> float:
        return 0.0

    def close(self) -> None:
        self._inner.close()


def test_infrastructure_failures_are_retried_and_not_charged() -> None:
    spoilt = drive(plan(), MemoryHistory(), executor=Flaky(3))
    assert study_digest(spoilt) == study_digest(drive(plan(), MemoryHistory()))


def test_repeated_infrastructure_failures_stop_the_driver_with_the_remedy() -> None:
    with pytest.raises(EngineError, match="automl resume"):
        drive(plan(), MemoryHistory(), executor=Flaky(4))


def test_a_baseline_that_fails_is_an_error_of_the_task_not_of_a_candidate() -> None:
    ramp = SPACE.fingerprint(SPACE.zoo()["ramp"])
    executor = SimulatedExecutor(lambda job: run_toy(job, faults={ramp: "diverge"}), duration=toy_seconds)
    with pytest.raises(EngineError, match="baseline of task 'toy'"):
        drive(plan(), MemoryHistory(), executor=executor)


def test_audits_train_rejected_trials_and_change_nothing_the_searcher_sees() -> None:
    plain, audited = drive(evolving(), MemoryHistory()), drive(evolving(audit=1.0), MemoryHistory())
    assert [o.genotype for o in plain.opened] == [o.genotype for o in audited.opened]
    rejected = [c for c in audited.closed if c.outcome == "rejected"]
    assert rejected and all(c.values == (None,) for c in rejected)
    assert all(c.audit and c.audit["values"][0] is not None and c.audit["steps"] == 60 - c.steps for c in rejected)
    report = status(audited, TOY_OBJECTIVES[:1])["audit"]["median"]
    assert report["audited"] == len(rejected) and 0 <= report["low"] <= report["rate"] <= report["high"] <= 1


def test_an_audited_study_resumes_to_the_same_record() -> None:
    whole, history = drive(plan(audit=0.5), MemoryHistory()), MemoryHistory()
    with pytest.raises(Stopped):
        drive(plan(audit=0.5), history, executor=StopsAfter(40))
    resumed = drive(plan(audit=0.5), history)
    assert [c.audit for c in resumed.closed] == [c.audit for c in whole.closed]


def test_baseline_is_measured_once_and_noted() -> None:
    history = MemoryHistory()
    drive(plan(), history, budget=Budget(trials=3))
    first = history.all().notes["baseline"]
    drive(plan(), history, budget=Budget(trials=6), executor=simulated(2))
    assert history.all().notes["baseline"] == first and first["values"][0] > 0


def test_two_workers_are_nearly_twice_as_fast_at_depth_eight() -> None:
    one, two = simulated(1), simulated(2)
    for executor in (one, two):
        drive(evolving(depth=8), MemoryHistory(), executor=executor, budget=Budget(trials=120))
    assert one.now / two.now > 1.85
