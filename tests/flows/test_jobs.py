"""Merging and taking apart, with an executor that is a list."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from automl.contracts.recipe import Leg, RecipeRef
from automl.contracts.rung import Answer, Failure, FailureReason, RungJob, RungResult
from automl.contracts.trial import Curve
from automl.errors import EngineError
from automl.flows.jobs import Jobs

CRASH = Failure(reason="crashed", evidence={})


def job(candidate: int, *, width: int = 4, snapshot: str | None = None, **changes: object) -> RungJob:
    leg = Leg(variant="only", overrides={"learning_rate": 0.1 + candidate})
    ref = RecipeRef(task="t", variant="only", edits=(("s", {"c": candidate}),), overrides=leg.overrides)
    whole = RungJob(kind="train", refs=(ref,), leg=leg, steps=(0, 10), width=width, snapshots=(snapshot,))
    return replace(whole, **changes)


def result(merged: RungJob, diverged: Sequence[int] = ()) -> RungResult:
    """Says of each ref who it is: the candidate stands in the curve and in the snapshot's key."""
    names = [int(ref.edits[0][1]["c"]) for ref in merged.refs]  # type: ignore[arg-type]
    steps = [2 if name in diverged else 10 for name in names]
    return RungResult(
        curves=tuple(Curve(steps=(n,), metrics={"c": (name,)}) for n, name in zip(steps, names, strict=True)),
        measurements=tuple({"c": name} for name in names),
        snapshots=tuple(None if name in diverged else f"key{name}" for name in names),
        diverged=tuple(name in diverged for name in names),
        steps=sum(steps),
        seconds=float(sum(steps)),
    )


class Listed:
    """An executor that does what it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, RungJob, tuple[int, ...]]] = []
        self.answers: list[Answer] = []

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        self.sent.append((key, job, priority))

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        told, self.answers = self.answers, []
        return told

    def idle_share(self) -> float:
        return 0.0

    def close(self) -> None:
        pass

    def fail(self, reason: FailureReason = "crashed") -> None:
        self.answers.append(Answer(key=self.sent[-1][0], failure=Failure(reason=reason, evidence={})))


def test_jobs_that_train_alike_go_out_as_one_when_the_stack_is_full() -> None:
    executor = Listed()
    jobs = Jobs(executor, width=4)
    for number in range(5):
        jobs.submit(f"{number}", job(number, snapshot=f"s{number}"), priority=(number,))
    ((key, merged, priority),) = executor.sent
    assert (key, priority) == ("0", (0,))
    assert merged.width == 4
    assert [ref.edits[0][1] for ref in merged.refs] == [{"c": number} for number in range(4)]
    assert merged.snapshots == ("s0", "s1", "s2", "s3")
    assert merged.leg.overrides == {}
    assert RungJob.from_json(merged.to_json()) == merged


def test_answers_are_each_candidates_own() -> None:
    executor = Listed()
    jobs = Jobs(executor, width=3)
    for number in range(3):
        jobs.submit(f"{number}", job(number, width=3), priority=(number,))
    executor.answers.append(Answer(key="0", result=result(executor.sent[0][1], diverged=[1])))
    told = jobs.wait(0)
    assert [answer.key for _, answer in told] == ["0", "1", "2"]
    for number, (own, answer) in enumerate(told):
        assert own == job(number, width=3)
        assert answer.result is not None
        assert answer.result.measurements == ({"c": number},)
        assert answer.result.snapshots == ((None,) if number == 1 else (f"key{number}",))
        assert (answer.result.steps, answer.result.seconds) == ((2, 2.0) if number == 1 else (10, 10.0))


def test_a_stack_that_is_not_full_waits_while_another_job_runs() -> None:
    executor = Listed()
    jobs = Jobs(executor, width=2)
    for number in range(3):
        jobs.submit(f"{number}", job(number, width=2), priority=(number,))
    assert [key for key, _, _ in executor.sent] == ["0"]
    assert jobs.wait(0) == []
    assert [key for key, _, _ in executor.sent] == ["0"]
    executor.answers.append(Answer(key="0", result=result(executor.sent[0][1])))
    jobs.wait(0)
    jobs.wait(0)
    assert [key for key, _, _ in executor.sent] == ["0", "2"]
    assert executor.sent[1][1] == job(2, width=2)


def test_a_second_worker_need_not_wait_for_a_full_stack() -> None:
    executor = Listed()
    jobs = Jobs(executor, width=2, workers=2)
    for number in range(3):
        jobs.submit(f"{number}", job(number, width=2), priority=(number,))
    jobs.wait(0)
    assert [key for key, _, _ in executor.sent] == ["0", "2"]


@pytest.mark.parametrize(
    "other",
    [
        job(1, steps=(0, 20)),
        job(1, keep=True),
        job(1, requests=("stability",)),
        job(1, seed=9),
        job(1, splits=("gate",)),
        job(1, kind="probe"),
        job(1, width=1),
        job(1, leg=Leg(variant="only", replicate=1)),
        job(1, refs=(RecipeRef(task="other", variant="only"),)),
        job(1, refs=(RecipeRef(task="t", variant="only", overrides={"batch_size": 8}),)),
    ],
)
def test_jobs_that_train_differently_stay_apart(other: RungJob) -> None:
    executor = Listed()
    jobs = Jobs(executor, width=2)
    jobs.submit("a", job(0), priority=(0,))
    jobs.submit("b", other, priority=(1,))
    assert all(len(sent.refs) == 1 for _, sent, _ in executor.sent)


def test_replicates_with_batches_of_their_own_share_a_stack() -> None:
    executor = Listed()
    jobs = Jobs(executor, width=2)
    for number in (1000, 1001):
        leg = Leg(variant="only", replicate=number)
        jobs.submit(f"{number}", job(number, leg=leg, replicates=(number,)), priority=(0,))
    ((_, merged, _),) = executor.sent
    assert [merged.replicate(index) for index in range(2)] == [1000, 1001]


def test_one_bad_candidate_fails_alone() -> None:
    executor = Listed()
    jobs = Jobs(executor, width=3)
    for number in range(3):
        jobs.submit(f"{number}", job(number, width=3), priority=(number,))
    executor.fail()
    assert jobs.wait(0) == []
    assert executor.sent[1:] == [(f"{number}", job(number, width=3), (number,)) for number in range(3)]
    for number in range(3):
        alone = executor.sent[1 + number]
        executor.answers.append(
            Answer(key=alone[0], failure=CRASH) if number == 1 else Answer(key=alone[0], result=result(alone[1]))
        )
    failed = {answer.key: answer.failure for _, answer in jobs.wait(0)}
    assert failed == {"0": None, "1": CRASH, "2": None}


def test_infrastructure_failure_of_a_stack_is_tried_again_whole() -> None:
    executor = Listed()
    jobs = Jobs(executor, width=2)
    for number in range(2):
        jobs.submit(f"{number}", job(number, width=2), priority=(number,))
    for tries in range(1, 4):
        executor.fail("infrastructure")
        assert jobs.wait(0) == []
        assert len(executor.sent) == 1 + tries
        assert len(executor.sent[-1][1].refs) == 2
    executor.fail("infrastructure")
    with pytest.raises(EngineError, match="4 times"):
        jobs.wait(0)
