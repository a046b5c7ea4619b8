"""The screen zero-cost within a study: the same for any number of workers and interruptions, and shown by status."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from automl.contracts import Closed, Objective, Opened, RungJob, RungResult, StudyLog
from automl.filters.duplicates import Duplicates
from automl.filters.zero_cost import ZeroCost
from automl.flows.audit import false_rejections
from automl.flows.plan import Budget, Plan
from automl.flows.proxies import proxy_report
from automl.flows.references import Seen
from automl.flows.report import status, study_digest
from automl.flows.search import Search
from automl.searchers.random_search import RandomSearch
from automl.seeding import child
from automl.testing.memory_history import MemoryHistory
from automl.testing.simulated import SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace, toy_values
from automl.testing.toy_task import ToyTask

SPACE = ToySpace()
UP = Objective(name="accuracy", direction="maximize", metric="accuracy")


def scored(job: RungJob, *, noise: bool) -> RungResult:
    """Runs a toy job; a probe also scores synflow as the toy score, or as noise."""
    result = run_toy(job)
    if job.kind != "probe":
        return result
    genotype = job.refs[0].edits[-1][1] if job.refs[0].edits else SPACE.zoo()["ramp"]
    score = float(child(0, "noise", dict(genotype)).random()) if noise else toy_values(genotype)[0]
    return replace(result, measurements=({**result.measurements[0], "synflow": score},))


@dataclass
class Dies:
    """Runs some jobs, then the driver is killed."""

    answers: int

    def __call__(self, job: RungJob) -> RungResult:
        self.answers -= 1
        if self.answers < 0:
            raise KeyboardInterrupt
        return scored(job, noise=False)


def plan(**changes: Any) -> Plan:
    whole = Plan(
        space=SPACE,
        space_locator="toy",
        task=ToyTask(),
        task_locator="toy",
        searcher=RandomSearch(space=SPACE),
        screens=(Duplicates(), ZeroCost(objectives=TOY_OBJECTIVES[:1], learn=8)),
        depth=4,
    )
    return replace(whole, **changes)


def drive(
    run: Callable[[RungJob], RungResult], *, workers: int = 1, history: MemoryHistory | None = None, **changes: Any
) -> StudyLog:
    history = history or MemoryHistory()
    executor = SimulatedExecutor(run, workers=workers, duration=toy_seconds)
    Search(
        plan(**changes), budget=Budget(trials=50), history=history, executor=executor, now_ms=lambda: 7, workers=workers
    ).run()
    return history.all()


def telling(job: RungJob) -> RungResult:
    return scored(job, noise=False)


def verdicts(log: StudyLog) -> list[Any]:
    return [verdict for opened in log.opened for verdict in opened.verdicts if verdict.filter == "zero-cost"]


def test_a_proxy_that_tells_rejects_and_one_that_is_noise_is_switched_off() -> None:
    found = status(drive(telling), TOY_OBJECTIVES[:1])
    assert found["rejected_by"]["zero-cost"] >= 5
    noise = drive(lambda job: scored(job, noise=True))
    late = verdicts(noise)[-10:]
    assert all(verdict.keep and verdict.reason.startswith("switched off") for verdict in late)


def test_one_worker_equals_many() -> None:
    digests = {study_digest(drive(telling, workers=workers)) for workers in (1, 2, 5)}
    assert len(digests) == 1


@pytest.mark.parametrize("answers", [5, 23, 60, 90])
def test_interrupted_equals_uninterrupted(answers: int) -> None:
    history = MemoryHistory()
    for workers in (2, 3):
        with contextlib.suppress(KeyboardInterrupt):
            drive(Dies(answers), workers=workers, history=history)
    before = history.all()
    after = drive(telling, history=history)
    assert study_digest(after) == study_digest(drive(telling))
    assert after.opened[: len(before.opened)] == before.opened


def test_a_verdict_knows_the_trials_that_its_trial_was_proposed_from_and_no_more() -> None:
    log = drive(telling, workers=5)
    completed = [closed.number for closed in log.closed if closed.outcome == "completed"]
    trained: list[int] = []
    for opened in log.opened:
        verdict = next((v for v in opened.verdicts if v.filter == "zero-cost"), None)
        if verdict is not None:
            low = trained[-4] + 1 if len(trained) >= 4 else 0
            assert verdict.measured["trials"] == sum(number < low for number in completed)
        if opened.trained:
            trained.append(opened.number)


def test_a_share_of_its_rejections_is_audited() -> None:
    log = drive(telling, audit=1.0)
    rejected = sum(closed.reason == "zero-cost" for closed in log.closed)
    assert false_rejections(log, TOY_OBJECTIVES[:1])["zero-cost"].audited == rejected > 0


def test_the_view_of_a_trial_does_not_grow() -> None:
    seen = Seen()
    opened = Opened(number=0, genotype={}, fingerprint="f", measurements={"net": {"snip": 1.0}})
    for value in (0.1, 0.2):
        seen.finish(opened, Closed(number=0, outcome="completed", reason="", values=(value,)))
    early = seen.before(1)
    seen.add("f", 0)
    seen.baseline = {"net": {"snip": 2.0}}
    assert [trial.values for trial in early.finished] == [(0.1,)] and len(seen.finished) == 2
    assert (early.twin("f"), early.twin("g"), early.baseline) == (0, None, seen.baseline)


def study(filters: dict[str, Any], *measurements: dict[str, Any]) -> StudyLog:
    opened = tuple(
        Opened(number=number, genotype={}, fingerprint=str(number), measurements={"net": found})
        for number, found in enumerate(measurements)
    )
    closed = tuple(
        Closed(number=number, outcome="completed", reason="", values=(number / 10,)) for number in range(len(opened))
    )
    return StudyLog(name="s", header={"filters": filters}, opened=opened, rungs={}, closed=closed, notes={})


SETTINGS = {"zero-cost": {"proxy": "snip", "learn": 8, "confidence": 0.95}}


def test_every_measured_proxy_is_reported_with_its_interval_and_state() -> None:
    rows = [{"snip": n, "flops": 7, "parameters": (n * 7) % 10, "naswot": n if n else None} for n in range(10)]
    found = proxy_report(study(SETTINGS, *rows), [UP])
    assert found is not None and list(found) == ["snip", "naswot", "parameters", "flops"]
    one = pytest.approx(1.0)
    assert found["snip"] == {"trials": 10, "correlation": one, "low": one, "high": one, "state": "in use"}
    assert found["naswot"] == {"trials": 9, "correlation": one, "low": one, "high": one, "state": "reliable"}
    flops = {"trials": 10, "correlation": None, "low": None, "high": None, "state": "unreliable"}
    assert found["flops"] == flops


def test_the_judging_proxy_learns_or_is_switched_off() -> None:
    few = proxy_report(study(SETTINGS, *({"snip": n} for n in range(7))), [UP])
    wrong = proxy_report(study(SETTINGS, *({"snip": -n} for n in range(9))), [UP])
    assert few is not None and few["snip"]["state"] == "learning"
    assert wrong is not None and wrong["snip"]["state"] == "switched off"


def test_a_study_without_the_screen_reports_nothing() -> None:
    log = study({"cost": {}}, {"snip": 1})
    assert proxy_report(log, [UP]) is None and status(log, [UP])["proxies"] is None
