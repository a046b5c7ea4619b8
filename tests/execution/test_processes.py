"""The process executor, by the suites of its contract and by faults that only processes have."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from automl.canonical import dumps
from automl.contracts.rung import Executor
from automl.errors import EngineError, InvalidSetting
from automl.execution.processes import Processes
from automl.testing.executor_suite import IsolatedExecutorSuite, answers_of, toy_job

SUITE = "automl.testing.executor_suite:factory"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and PR_SET_PDEATHSIG")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Processes]]:
    """Starts executors on the factories of `faulty_candidates` and closes them."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    started: list[Processes] = []

    def make(function: str = "by_file", **settings: Any) -> Processes:
        settings = {"arguments": {}, "log_directory": tmp_path / "logs", **settings}
        started.append(Processes(factory=f"faulty_candidates:{function}", **settings))
        return started[-1]

    yield make
    for executor in started:
        executor.close()


def until(condition: Callable[[], Any], executor: Executor | None = None) -> Any:
    """Waits for a condition, serving the executor meanwhile."""
    end = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < end, "the condition did not come true within 30 s"
        if executor is None:
            time.sleep(0.005)
        else:
            assert not executor.wait(0.02)
    return found


def read_pid(path: Path) -> int:
    """Returns the pid in a file, 0 while it is not there."""
    text = path.read_text() if path.exists() else ""
    return int(text) if text.endswith("\n") else 0


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestProcesses(IsolatedExecutorSuite):
    @pytest.fixture(autouse=True)
    def log_directory(self, tmp_path: Path) -> None:
        self.logs = tmp_path / "logs"

    def executor(self) -> Executor:
        return Processes(
            factory=SUITE,
            arguments={"color": "blue"},
            log_directory=self.logs,
            limit_seconds=1.0,
            memory_bytes=256 << 20,
            max_result_bytes=1 << 20,
        )

    def test_arguments_reach_the_factory(self) -> None:
        result = self.end_of(toy_job("echo")).result
        assert result is not None
        assert result.measurements[0]["arguments"] == {"color": "blue"}


def test_forty_jobs_on_two_workers_with_every_fault_are_answered_once(tmp_path: Path) -> None:
    deeds = ("echo", "raise", "exit", "echo", "crash", "large", "fork and exit", "echo")
    executor = Processes(
        factory=SUITE, arguments={}, log_directory=tmp_path, workers=2, limit_seconds=5, max_result_bytes=1 << 20
    )
    try:
        for number in range(40):
            executor.submit(str(number), toy_job(deeds[number % 8]), priority=(number,))
        answers = answers_of(executor, 40)
    finally:
        executor.close()
    assert sorted(int(answer.key) for answer in answers) == list(range(40))
    good = sorted(int(answer.key) for answer in answers if answer.result is not None)
    assert good == [number for number in range(40) if number % 8 in (0, 3, 7)]


@linux_only
def test_worker_killed_from_outside_is_a_crash_and_the_next_job_runs(
    start: Callable[..., Processes], tmp_path: Path
) -> None:
    executor = start()
    executor.submit("doomed", toy_job("announce and sleep", path=str(tmp_path / "pid")), priority=(0,))
    executor.submit("next", toy_job("pid"), priority=(1,))
    os.kill(until(lambda: read_pid(tmp_path / "pid"), executor), signal.SIGKILL)
    doomed, following = answers_of(executor, 2)
    assert doomed.failure is not None
    assert (doomed.failure.reason, doomed.failure.evidence["exit"]) == ("crashed", "SIGKILL")
    assert following.result is not None


def test_worker_lost_while_idle_costs_no_job(start: Callable[..., Processes]) -> None:
    executor = start()
    executor.submit("first", toy_job("pid"), priority=(0,))
    (first,) = answers_of(executor, 1)
    assert first.result is not None
    os.kill(int(str(first.result.measurements[0]["pid"])), signal.SIGKILL)
    executor.submit("second", toy_job("pid"), priority=(0,))
    (second,) = answers_of(executor, 1)
    assert second.result is not None
    assert second.result.measurements[0]["pid"] != first.result.measurements[0]["pid"]


@linux_only
def test_grandchild_forked_behind_python_does_not_hide_the_death(start: Callable[..., Processes]) -> None:
    executor = start()
    executor.submit("one", toy_job("fork in C and exit"), priority=(0,))
    (answer,) = answers_of(executor, 1)
    assert answer.failure is not None
    assert answer.failure.evidence["exit"] == "exit status 4"


@linux_only
def test_everything_a_worker_started_dies_with_it(start: Callable[..., Processes], tmp_path: Path) -> None:
    executor = start(limit_seconds=1.0)
    executor.submit("one", toy_job("start a child and sleep", path=str(tmp_path / "child")), priority=(0,))
    (answer,) = answers_of(executor, 1)
    assert answer.failure is not None
    assert answer.failure.reason == "timed-out"
    until(lambda: not is_running(read_pid(tmp_path / "child")))


@linux_only
def test_memory_of_children_counts(start: Callable[..., Processes]) -> None:
    executor = start(memory_bytes=200 << 20, limit_seconds=20)
    executor.submit("one", toy_job("children eat memory"), priority=(0,))
    (answer,) = answers_of(executor, 1)
    assert answer.failure is not None
    assert answer.failure.reason == "out-of-memory"
    assert int(str(answer.failure.evidence["resident_bytes"])) > 200 << 20


@linux_only
def test_no_worker_survives_a_driver_that_is_killed(tmp_path: Path) -> None:
    settings = dumps({"logs": str(tmp_path), "pid": str(tmp_path / "pid"), "child": str(tmp_path / "child")})
    script = Path(__file__).parent / "driver_that_hangs.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen([sys.executable, str(script), settings], env=environment)
    try:
        worker, child = until(lambda: read_pid(tmp_path / "pid")), until(lambda: read_pid(tmp_path / "child"))
    finally:
        driver.kill()
        driver.wait()
    until(lambda: not is_running(worker) and not is_running(child))


def test_workers_that_die_before_they_are_ready_are_an_engine_error_with_their_log(
    start: Callable[..., Processes],
) -> None:
    executor = start("cannot_start")
    executor.submit("one", toy_job("pid"), priority=(0,))
    with pytest.raises(EngineError, match="the data set is not there") as caught:
        answers_of(executor, 1)
    assert "3 times in a row" in str(caught.value)


def test_factory_that_does_not_exist_is_an_engine_error(start: Callable[..., Processes]) -> None:
    executor = start("no_such_function")
    executor.submit("one", toy_job("pid"), priority=(0,))
    with pytest.raises(EngineError, match="no_such_function"):
        answers_of(executor, 1)


def test_candidate_that_writes_into_the_pipe_is_a_crash(start: Callable[..., Processes]) -> None:
    executor = start()
    executor.submit("liar", toy_job("write into every pipe"), priority=(0,))
    executor.submit("next", toy_job("pid"), priority=(1,))
    liar, following = answers_of(executor, 2)
    assert liar.failure is not None
    assert "damaged" in str(liar.failure.evidence["text"])
    assert following.result is not None


def test_job_function_that_returns_no_result_is_a_crash(start: Callable[..., Processes]) -> None:
    executor = start()
    executor.submit("one", toy_job("return nonsense"), priority=(0,))
    (answer,) = answers_of(executor, 1)
    assert answer.failure is not None
    assert answer.failure.reason == "crashed"


def test_large_arguments_and_jobs_go_through_the_pipe(start: Callable[..., Processes]) -> None:
    executor = start(arguments={"blob": "x" * 3_000_000})
    executor.submit("one", toy_job("measure arguments", padding="y" * 1_000_000), priority=(0,))
    (answer,) = answers_of(executor, 1)
    assert answer.result is not None
    assert answer.result.measurements[0]["characters"] == 3_000_000


def seen_by_a_worker(executor: Processes) -> Mapping[str, Any]:
    executor.submit("one", toy_job("look around"), priority=(0,))
    (answer,) = answers_of(executor, 1)
    assert answer.result is not None, answer.failure
    return answer.result.measurements[0]


def test_worker_sees_its_device_and_its_threads(start: Callable[..., Processes]) -> None:
    seen = seen_by_a_worker(start(threads=3, devices=("5", "6")))
    assert (seen["threads"], seen["device"]) == ("3", "5")


def test_worker_imports_nothing_heavy_and_never_main(start: Callable[..., Processes]) -> None:
    seen = seen_by_a_worker(start())
    assert not {"torch", "numpy", "optuna", "mlflow", "multiprocessing", "pytest"} & set(seen["modules"])


def test_file_in_the_current_directory_does_not_shadow_the_standard_library(
    start: Callable[..., Processes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise ImportError('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert seen_by_a_worker(start())["modules"]


@linux_only
def test_worker_has_its_own_session_and_ignores_ctrl_c(start: Callable[..., Processes]) -> None:
    seen = seen_by_a_worker(start())
    assert seen["session"] == seen["pid"]
    assert seen["interrupt"] == "ignored"
    assert seen["oom_score_adj"] == "1000"


def test_idle_share_counts_waiting_and_not_working(start: Callable[..., Processes]) -> None:
    executor = start()
    executor.submit("work", toy_job("work", seconds=0.6), priority=(0,))
    answers_of(executor, 1)
    assert executor.idle_share() < 0.5
    executor.submit("work", toy_job("work", seconds=0.1), priority=(0,))
    time.sleep(1.5)  # a driver that thinks for long: the answer lies in the pipe, and the worker waits
    answers_of(executor, 1)
    assert executor.idle_share() > 0.3


@pytest.mark.parametrize(
    "settings",
    [{"workers": 0}, {"threads": 0}, {"limit_seconds": 0.0}, {"memory_bytes": 0}, {"factory": "no_colon"}],
)
def test_settings_out_of_range_are_named(settings: Mapping[str, Any], tmp_path: Path) -> None:
    good: dict[str, Any] = {"factory": SUITE, "arguments": {}, "log_directory": tmp_path}
    with pytest.raises(InvalidSetting, match=f"executor.{next(iter(settings))}"):
        Processes(**{**good, **settings})
