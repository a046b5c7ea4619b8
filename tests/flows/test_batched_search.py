"""Studies whose candidates train in stacks: the same for any number of workers, any timing and any interruption."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from automl.authoring import SuggestedSpace
from automl.contracts import Executor, RungJob, RungResult, StudyLog
from automl.contracts.recipe import Recipe
from automl.contracts.space import Suggester
from automl.flows.plan import Budget, Plan
from automl.flows.report import study_digest
from automl.flows.rerank import rerank
from automl.flows.search import Search
from automl.searchers.random_search import RandomSearch
from automl.seeding import child_seed
from automl.testing.memory_history import MemoryHistory
from automl.testing.simulated import Fault, SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask
from automl.training.runner import Runner
from automl.training.schedules import WarmupCosine
from automl.training.snapshots import SnapshotStore
from automl.training.tasks.digits_mlp import DigitsMLP

TOY = Plan(
    space=ToySpace(),
    space_locator="toy",
    task=ToyTask(),
    task_locator="toy",
    searcher=RandomSearch(space=ToySpace()),
    depth=6,
    widths={"toy": 4},
)


class Cosines(SuggestedSpace):
    """Cosine schedules; one in ten of them explodes."""

    name = "cosines"
    version = 1
    slots = frozenset({"schedule", "learning_rate"})

    def suggest(self, trial: Suggester) -> None:
        trial.suggest_float("warmup", 0.0, 0.5)
        trial.suggest_int("explodes", 0, 9)

    def apply(self, genotype: Mapping[str, Any], recipe: Recipe) -> Recipe:
        rate = 1e30 if genotype["explodes"] == 0 else recipe.learning_rate
        return recipe.replace(schedule=WarmupCosine(warmup=genotype["warmup"]), learning_rate=rate)


def drive(
    plan: Plan, executor: Executor, *, trials: int, history: MemoryHistory | None = None, workers: int = 1
) -> StudyLog:
    history = history or MemoryHistory()
    Search(
        plan, budget=Budget(trials=trials), history=history, executor=executor, now_ms=lambda: 7, workers=workers
    ).run()
    return history.all()


def test_a_study_does_not_depend_on_who_shares_a_stack() -> None:
    faults: Mapping[str, Fault] = {
        opened.fingerprint: fault
        for opened, fault in zip(
            drive(TOY, SimulatedExecutor(run_toy, duration=toy_seconds), trials=9).opened[3::3],
            ("raise", "diverge"),
            strict=False,
        )
    }
    widths: list[int] = []

    def run(job: RungJob) -> RungResult:
        widths.append(len(job.refs))
        return run_toy(job, faults=faults)

    digests = set()
    for width, workers in ((1, 1), (4, 1), (4, 2), (4, 3)):
        executor = SimulatedExecutor(run, workers=workers, duration=toy_seconds)
        log = drive(replace(TOY, widths={"toy": width}), executor, trials=30, workers=workers)
        digests.add(study_digest(log))
        assert {closed.reason for closed in log.closed if closed.outcome == "failed"} == {"crashed", "diverged"}
    assert len(digests) == 1
    assert max(widths) == 4


@dataclass
class Digits:
    """A study of twelve schedules on the digits, twenty steps each."""

    folder: Path

    @property
    def plan(self) -> Plan:
        task = DigitsMLP(steps=20, width=16, rung_ends=(5, 10))
        return Plan(
            space=Cosines(),
            space_locator="cosines",
            task=task,
            task_locator="digits-mlp",
            searcher=RandomSearch(space=Cosines()),
            depth=6,
            widths={"digits-mlp": 4},
            measure_every_steps=10,
        )

    def runner(self, name: str) -> Runner:
        return Runner(
            resolve_task={"digits-mlp": self.plan.task}.__getitem__,
            resolve_space={"cosines": Cosines()}.__getitem__,
            snapshots=SnapshotStore(directory=self.folder / name),
        )

    def executor(self, name: str, workers: int, run: Callable[[RungJob], RungResult] | None = None) -> Executor:
        """Runs jobs for real, in an order that follows from made-up durations."""
        return SimulatedExecutor(
            run or self.runner(name).run,
            workers=workers,
            duration=lambda job: 1 + child_seed(workers, job.to_json()) % 7,
        )


class Killed(Exception):
    """Raised in place of a kill."""


def test_training_in_stacks_gives_one_study_for_any_workers_and_any_interruption(tmp_path: Path) -> None:
    study = Digits(tmp_path)
    logs = [drive(study.plan, study.executor(f"{n}", n), trials=12, workers=n) for n in (1, 2)]
    history, runner = MemoryHistory(), study.runner("killed")
    for allowed in (2, 3, 4):
        left = [allowed]

        def run(job: RungJob) -> RungResult:
            left[0] -= 1  # noqa: B023
            if left[0] < 0:  # noqa: B023
                raise KeyboardInterrupt
            return runner.run(job)

        with contextlib.suppress(KeyboardInterrupt):
            drive(study.plan, study.executor("killed", 2, run), trials=12, history=history)
    logs.append(drive(study.plan, study.executor("killed", 2, runner.run), trials=12, history=history))
    assert len({study_digest(log) for log in logs}) == 1
    assert {closed.outcome for closed in logs[0].closed} == {"completed", "failed"}


def test_rerank_stacks_replicates_and_says_the_same_for_any_workers(tmp_path: Path) -> None:
    study, sizes = Digits(tmp_path), []
    runner = study.runner("rerank")

    def run(job: RungJob) -> RungResult:
        sizes.append((len(job.refs), len({job.replicate(index) for index in range(len(job.refs))})))
        return runner.run(job)

    finalists = {3: {"warmup": 0.1, "explodes": 1}, 5: {"warmup": 0.4, "explodes": 1}}
    reports = [
        rerank(study.plan, finalists, seeds=3, steps=None, executor=study.executor("", n, run), workers=n)
        for n in (1, 2)
    ]
    assert reports[0] == reports[1]
    assert sorted(sizes[:3]) == [(1, 1), (4, 3), (4, 3)]


def test_a_task_that_was_not_calibrated_is_trained_one_by_one() -> None:
    assert replace(TOY, task_locator="other").width == 1


def test_replayed_model_of_a_stack_is_the_one_that_was_measured(tmp_path: Path) -> None:
    study = Digits(tmp_path)
    runner, plan = study.runner("model"), study.plan
    leg = plan.task.legs("rerank")[0]
    job = plan.full_job({"warmup": 0.2, "explodes": 1}, leg, seed=3, splits=("gate",))
    result = runner.run(job)
    key = result.snapshots[0]
    for snapshot in (key, None):
        model = runner.model(job, snapshot=snapshot)
        assert plan.task.measure(model, plan.task.data("gate", "mlp"))["loss"] == pytest.approx(
            result.curves[0].last("loss"), abs=0
        )
