"""What every executor must do, as tests to inherit.

Why: a new executor is checked against real candidates that raise, exit, crash, hang and eat memory.
The rule: inherit `ExecutorSuite`, and `IsolatedExecutorSuite` too where limits are enforced from outside the worker;
implement `executor()`. Jobs name what they do in the genotype of their first edit: `{"do": "echo"}`.
"""

import abc
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from automl.canonical import JSON
from automl.contracts.recipe import Leg, RecipeRef
from automl.contracts.rung import Answer, Executor, RungJob, RungResult
from automl.contracts.trial import Curve
from automl.errors import InvalidGenotype

PATIENCE_SECONDS = 60.0
LARGE_CHARACTERS = 2 << 20


def factory(arguments: Mapping[str, Any]) -> Any:
    """Returns the suite's job function for executors that build it by name; `arguments` travel into every result."""
    return lambda job: toy_run(RungJob.from_json(job), arguments).to_json()


def toy_job(do: str, **settings: JSON) -> RungJob:
    """Returns a job whose candidate does what `do` says; see `toy_run`."""
    ref = RecipeRef(task="toy", variant="only", edits=(("toy", {"do": do, **settings}),))
    return RungJob(kind="train", refs=(ref,), leg=Leg(variant="only"), steps=(0, 4), seed=7)


def toy_run(job: RungJob, arguments: Mapping[str, Any] | None = None) -> RungResult:
    """Runs a toy candidate: it computes, or misbehaves in the named way."""
    genotype = job.refs[0].edits[0][1]
    match genotype["do"]:
        case "raise":
            raise ZeroDivisionError("this candidate divides by zero")
        case "invalid":
            raise InvalidGenotype("$.do", genotype["do"], "a better word")
        case "refuse memory":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes.")
        case "leave":
            sys.exit("good bye")
        case "exit":
            os._exit(7)
        case "crash":
            sys.stderr.write("about to read address 0\n")
            ctypes.string_at(0)
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(1e6)
        case "eat memory":
            eaten = []
            while True:
                eaten.append(bytearray(os.urandom(1 << 12) * 256))
        case "eat memory at once":
            bytearray(1 << 45)
        case "print":
            sys.stdout.write("noise " * 5_000)
            os.write(1, b"\x00\xff\n")
        case "large":
            return _result(job, {"text": "x" * LARGE_CHARACTERS})
        case "fork and exit":
            if os.fork() == 0:
                time.sleep(1e6)
            os._exit(3)
        case "not finite":
            return _result(job, {"number": float("nan")})
    return _result(job, {"genotype": genotype, "arguments": dict(arguments or {}), "pid": os.getpid()})


def _result(job: RungJob, measurements: Mapping[str, JSON]) -> RungResult:
    steps = tuple(range(job.steps[0] + 1, job.steps[1] + 1))
    curve = Curve(steps=steps, metrics={"accuracy": tuple(step / (step + job.seed) for step in steps)})
    return RungResult(
        curves=(curve,),
        measurements=(measurements,),
        snapshots=(None,),
        diverged=(False,),
        steps=len(steps),
        seconds=0.5,
    )


def answers_of(executor: Executor, count: int) -> list[Answer]:
    """Waits for `count` answers.

    Raises:
        AssertionError: they do not come within a minute.
    """
    found: list[Answer] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} jobs were answered within {PATIENCE_SECONDS} s"
        found += executor.wait(1.0)
    return found


class ExecutorSuite(abc.ABC):
    """Inherit it as `TestMyExecutor(ExecutorSuite)`."""

    @abc.abstractmethod
    def executor(self) -> Executor:
        """Returns a fresh executor that runs `toy_run`, with one worker and these limits where it has any:
        1 s per job, 256 MiB per worker, results of 1 MiB."""

    @contextlib.contextmanager
    def running(self) -> Iterator[Executor]:
        """Gives an executor and closes it."""
        executor = self.executor()
        try:
            yield executor
        finally:
            executor.close()

    def end_of(self, job: RungJob) -> Answer:
        """Returns the answer to one job; a good job sent along must be answered as well."""
        with self.running() as executor:
            executor.submit("bad", job, priority=(0,))
            executor.submit("good", toy_job("echo"), priority=(1,))
            answers = {answer.key: answer for answer in answers_of(executor, 2)}
        assert answers["good"].result is not None
        return answers["bad"]

    def failure_of(self, job: RungJob, reason: str) -> Mapping[str, Any]:
        """Checks that the job fails for this reason and returns its evidence."""
        answer = self.end_of(job)
        assert answer.result is None
        assert answer.failure is not None
        assert answer.failure.reason == reason, answer.failure
        return answer.failure.evidence

    def test_result_is_the_job_function_s(self) -> None:
        job = toy_job("echo", width=3)
        result = self.end_of(job).result
        assert result is not None
        expected = toy_run(job)
        assert result.curves == expected.curves
        assert result.measurements[0]["genotype"] == {"do": "echo", "width": 3}
        assert (result.steps, result.diverged, result.snapshots) == (4, (False,), (None,))

    def test_every_key_is_answered_exactly_once(self) -> None:
        deeds = ("echo", "raise", "echo", "invalid", "print")
        with self.running() as executor:
            for number in range(40):
                executor.submit(f"job {number}", toy_job(deeds[number % 5], number=number), priority=(number,))
            answers = answers_of(executor, 40)
            assert not executor.wait(0.0)
        assert sorted(answer.key for answer in answers) == sorted(f"job {number}" for number in range(40))
        assert all((answer.result is None) != (answer.failure is None) for answer in answers)
        good = {answer.key for answer in answers if answer.result is not None}
        assert good == {f"job {number}" for number in range(40) if number % 5 in (0, 2, 4)}

    def test_smallest_priority_runs_first_whatever_the_order_of_submission(self) -> None:
        with self.running() as executor:
            executor.submit("any", toy_job("echo"), priority=(0, 0))  # an executor may start the first one at once
            for key, priority in {"d": (2, 0), "b": (1, -1), "c": (1, 0), "a": (0, 9)}.items():
                executor.submit(key, toy_job("echo"), priority=priority)
            order = [answer.key for answer in answers_of(executor, 5)]
        assert [key for key in order if key != "any"] == ["a", "b", "c", "d"]

    def test_exception_is_a_crash_with_type_text_and_traceback(self) -> None:
        evidence = self.failure_of(toy_job("raise"), "crashed")
        assert evidence["type"] == "ZeroDivisionError"
        assert "this candidate divides by zero" in evidence["text"]
        assert "toy_run" in evidence["traceback"]

    def test_sys_exit_is_a_crash(self) -> None:
        assert self.failure_of(toy_job("leave"), "crashed")["type"] == "SystemExit"

    def test_genotype_that_cannot_be_built_is_invalid(self) -> None:
        assert "a better word" in self.failure_of(toy_job("invalid"), "invalid")["text"]

    def test_refused_allocation_of_torch_is_out_of_memory(self) -> None:
        assert self.failure_of(toy_job("refuse memory"), "out-of-memory")["type"] == "RuntimeError"

    def test_refused_allocation_of_python_is_out_of_memory(self) -> None:
        assert self.failure_of(toy_job("eat memory at once"), "out-of-memory")["type"] == "MemoryError"

    def test_result_that_is_not_canonical_is_a_crash(self) -> None:
        assert self.failure_of(toy_job("not finite"), "crashed")["type"] == "NotCanonical"

    def test_what_a_candidate_prints_does_not_reach_the_result(self) -> None:
        assert self.end_of(toy_job("print")).result is not None

    def test_wait_returns_at_once_when_nothing_is_submitted(self) -> None:
        with self.running() as executor:
            assert not executor.wait(PATIENCE_SECONDS)

    def test_idle_share_is_a_share_and_close_may_come_twice(self) -> None:
        with self.running() as executor:
            assert 0.0 <= executor.idle_share() <= 1.0
            executor.submit("one", toy_job("echo"), priority=())
            answers_of(executor, 1)
            assert 0.0 <= executor.idle_share() <= 1.0
            executor.close()


class IsolatedExecutorSuite(ExecutorSuite):
    """For executors that enforce limits from outside the worker: the candidate does its worst, one job is lost."""

    def test_worker_is_another_process(self) -> None:
        result = self.end_of(toy_job("echo")).result
        assert result is not None
        assert result.measurements[0]["pid"] != os.getpid()

    def test_candidate_that_exits_is_a_crash(self) -> None:
        assert "7" in str(self.failure_of(toy_job("exit"), "crashed")["exit"])

    def test_segmentation_fault_is_a_crash_with_stderr_and_stack_as_evidence(self) -> None:
        evidence = self.failure_of(toy_job("crash"), "crashed")
        assert evidence["exit"] == signal.SIGSEGV.name
        assert "about to read address 0" in evidence["log"]
        assert "Segmentation fault" in evidence["log"]
        assert "toy_run" in evidence["log"]

    def test_endless_loop_is_timed_out_and_the_log_shows_where(self) -> None:
        evidence = self.failure_of(toy_job("spin"), "timed-out")
        assert "toy_run" in evidence["log"]

    def test_sleeping_for_ever_is_timed_out(self) -> None:
        assert self.failure_of(toy_job("sleep"), "timed-out")["limit_seconds"] == 1.0

    def test_unbounded_allocation_is_out_of_memory(self) -> None:
        self.failure_of(toy_job("eat memory"), "out-of-memory")

    def test_result_that_is_too_large_is_a_crash_that_says_so(self) -> None:
        text = self.failure_of(toy_job("large"), "crashed")["text"]
        assert str(1 << 20) in text

    def test_forked_grandchild_does_not_hold_up_the_answer(self) -> None:
        begin = time.monotonic()
        assert "3" in str(self.failure_of(toy_job("fork and exit"), "crashed")["exit"])
        assert time.monotonic() - begin < PATIENCE_SECONDS / 2
