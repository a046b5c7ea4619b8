"""The in-process executor, by the suite of its contract."""

import pytest

from automl.contracts.rung import Executor
from automl.execution.in_process import InProcess
from automl.testing.executor_suite import ExecutorSuite, toy_job, toy_run


class TestInProcess(ExecutorSuite):
    def executor(self) -> Executor:
        return InProcess(toy_run)


def test_ctrl_c_in_a_job_reaches_the_user() -> None:
    def interrupted(job: object) -> None:
        raise KeyboardInterrupt

    executor = InProcess(interrupted)  # type: ignore[arg-type]
    executor.submit("one", toy_job("echo"), priority=(0,))
    with pytest.raises(KeyboardInterrupt):
        executor.wait(0.0)


def test_one_wait_runs_one_job() -> None:
    executor = InProcess(toy_run)
    executor.submit("late", toy_job("echo"), priority=(2,))
    executor.submit("early", toy_job("echo"), priority=(1,))
    assert [answer.key for answer in executor.wait(0.0)] == ["early"]
    assert [answer.key for answer in executor.wait(0.0)] == ["late"]
