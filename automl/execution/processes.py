"""The process executor: a supervisor over worker processes, each with a pipe pair of its own.

Why: a candidate may raise, exit, crash, hang, fork or eat memory; that must cost one job and never the study. Pools
that share a queue or a lock break when a worker is killed, so nothing is shared here.
The rule: limits are enforced from outside, every submitted key is answered exactly once, and the thread that made the
executor must outlive it (on Linux the kernel ends a worker together with the thread that started it).
"""

import heapq
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.canonical import JSON
from automl.contracts.rung import Answer, Failure, RungJob, RungResult
from automl.errors import EngineError, InvalidSetting, NotCanonical
from automl.execution.process_table import TableWatch, oom_kills, resident_bytes
from automl.execution.supervised_worker import QueuedJob, SupervisedWorker, launch
from automl.execution.wire import frame
from automl.execution.worker_start import MESSAGE_OVERHEAD_BYTES, WorkerStart, setup_message, worker_environment

TICK_SECONDS = 0.1
START_SECONDS = 180.0  # importing torch from a cold network disk takes tens of seconds
MAX_BAD_STARTS = 3


@dataclass(slots=True, kw_only=True, eq=False)
class Processes:
    """An `Executor` over supervised worker processes on this machine.

    Attributes:
        factory: `package.module:function`; called once per worker with `arguments`, returns the job function
            (job as JSON -> result as JSON). Nothing but this name and JSON reaches a worker.
        arguments: for the factory, canonical JSON.
        log_directory: created if missing; one `worker-N.log` per worker, at most 8 MiB each.
        workers: number of processes, >= 1; rule of thumb: cores / threads, or one to four per GPU.
        threads: of the numeric libraries in each worker, >= 1.
        limit_seconds: wall time of one job, > 0; None = no limit. Rule of thumb: ten times a usual rung.
        memory_bytes: RAM of one worker with all it has started, >= 1; None = no limit.
        max_result_bytes: size of one result as JSON, >= 1.
        devices: worker N sees devices[N % len] as CUDA_VISIBLE_DEVICES; () = a CPU worker, whose private memory is
            bounded by RLIMIT_DATA as well (CUDA maps far more than it uses).
        clock: monotonic seconds.
    """

    factory: str
    arguments: Mapping[str, JSON]
    log_directory: str | os.PathLike[str]
    workers: int = 1
    threads: int = 1
    limit_seconds: float | None = None
    memory_bytes: int | None = None
    max_result_bytes: int = 16 << 20
    devices: tuple[str, ...] = ()
    clock: Callable[[], float] = field(repr=False, default=time.monotonic)
    _queue: list[QueuedJob] = field(init=False, repr=False, default_factory=list)
    _workers: list[SupervisedWorker] = field(init=False, repr=False, default_factory=list)
    _answers: list[Answer] = field(init=False, repr=False, default_factory=list)
    _submitted: int = field(init=False, repr=False, default=0)
    _bad_starts: int = field(init=False, repr=False, default=0)
    _idle_seconds: float = field(init=False, repr=False, default=0.0)
    _started: float | None = field(init=False, repr=False, default=None)
    _next_tick: float = field(init=False, repr=False, default=0.0)
    _oom_kills: int = field(init=False, repr=False, default=0)
    _table_watch: TableWatch = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._table_watch = TableWatch(clock=self.clock)
        module, _, name = self.factory.partition(":")
        if not module or not name:
            raise InvalidSetting("executor.factory", self.factory, "'package.module:function'")
        for setting in ("workers", "threads", "max_result_bytes"):
            if getattr(self, setting) < 1:
                raise InvalidSetting(f"executor.{setting}", getattr(self, setting), "an int >= 1")
        if self.limit_seconds is not None and not self.limit_seconds > 0:
            raise InvalidSetting("executor.limit_seconds", self.limit_seconds, "a number > 0, or None for no limit")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise InvalidSetting("executor.memory_bytes", self.memory_bytes, "an int >= 1, or None for no limit")

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        """Queues a job; the smallest priority runs first, equal ones in order of submission. Starts the workers.

        Raises:
            EngineError: worker processes cannot be created.
        """
        order = frame({"job": job.to_json(), "limit_seconds": self.limit_seconds})
        entry = QueuedJob(priority=priority, sequence=self._submitted, key=key, order=order)
        heapq.heappush(self._queue, entry)
        self._submitted += 1
        self.start()
        self._feed()

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        """Returns what has ended, waiting up to `timeout_seconds` for the first; at once when nothing is submitted.

        Raises:
            EngineError: workers die before they are ready; the message ends with their log.
        """
        end = self.clock() + timeout_seconds
        while self._outstanding():
            self._round(min(max(end - self.clock(), 0.0), TICK_SECONDS))
            if self._answers or self.clock() >= end:
                break
        answers, self._answers = self._answers, []
        return answers

    def idle_share(self) -> float:
        """Returns the share of worker time since the start in which a ready worker had no job, in [0, 1]."""
        if self._started is None:
            return 0.0
        now = self.clock()
        waiting = sum(now - worker.since for worker in self._workers if worker.phase == "idle")
        total = self.workers * (now - self._started)
        return min(1.0, (self._idle_seconds + waiting) / total) if total > 0 else 0.0

    def close(self) -> None:
        """Kills the workers; what is queued or in flight is lost."""
        while self._workers:
            self._workers.pop().kill()
        self._queue.clear()
        self._answers.clear()

    def _outstanding(self) -> bool:
        return bool(self._queue or self._answers or any(worker.job is not None for worker in self._workers))

    def start(self) -> None:
        """Starts the workers without waiting for them, as the first `submit` would; raises what that raises."""
        if self._workers:
            return
        directory = Path(self.log_directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"Cannot create the directory for worker logs: {error}.") from error
        self._started, self._oom_kills = self.clock(), oom_kills()
        for slot in range(self.workers):
            path = directory.absolute() / f"worker-{slot}.log"
            path.unlink(missing_ok=True)
            self._workers.append(launch(self._worker_start(slot, path), now=self._started))

    def _worker_start(self, slot: int, log_path: Path) -> WorkerStart:
        device = self.devices[slot % len(self.devices)] if self.devices else None
        setup = setup_message(
            self.factory,
            self.arguments,
            data_limit_bytes=self.memory_bytes if device is None else None,
            max_result_bytes=self.max_result_bytes,
        )
        return WorkerStart(
            setup=setup,
            environment=worker_environment(self.threads, device),
            log_path=log_path,
            max_message_bytes=self.max_result_bytes + MESSAGE_OVERHEAD_BYTES,
        )

    def _feed(self) -> None:
        now = self.clock()
        for worker in self._workers:
            if worker.phase == "idle" and self._queue:
                self._idle_seconds += now - worker.since
                worker.give(heapq.heappop(self._queue), now=now)

    def _round(self, timeout_seconds: float) -> None:
        """Waits for the pipes once, then reads, enforces the limits and hands out jobs."""
        self._feed()
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                selector.register(worker.reading, selectors.EVENT_READ, worker)
                if worker.wants_to_write:
                    selector.register(worker.writing, selectors.EVENT_WRITE, worker)
            ready = selector.select(timeout_seconds)
        for key, _ in ready:
            worker = key.data
            if key.fd == worker.writing:
                worker.flush()
        for worker in {id(key.data): key.data for key, _ in ready if key.fd == key.data.reading}.values():
            self._read(worker)
        self._enforce()
        self._feed()

    def _read(self, worker: SupervisedWorker) -> None:
        is_open = worker.read()
        try:
            while (message := worker.take()) is not None:
                self._understand(worker, message)
        except (NotCanonical, LookupError, TypeError, ValueError, AttributeError) as error:
            self._lose(worker, Failure(reason="crashed", evidence={"text": f"The worker's answer is damaged: {error}"}))
            return
        if not is_open:
            self._lose(worker)

    def _understand(self, worker: SupervisedWorker, message: Mapping[str, Any]) -> None:
        match worker.phase, message["kind"]:
            case "starting", "ready":
                self._bad_starts = 0
                worker.phase, worker.since = "idle", self.clock()
            case "sent", "started":
                worker.phase = "busy"
            case "busy", "result":
                self._settle(worker, message, result=RungResult.from_json(message["result"]))
            case "busy", "failure":
                self._settle(worker, message, failure=Failure.from_json(message["failure"]))
            case phase, kind:
                raise ValueError(f"it says {kind!r} in phase {phase!r}")

    def _settle(
        self,
        worker: SupervisedWorker,
        message: Mapping[str, Any],
        *,
        result: RungResult | None = None,
        failure: Failure | None = None,
    ) -> None:
        assert worker.job is not None
        now = self.clock()
        # the answer may have lain in the pipe while the driver was busy: that time is the worker's idle time
        self._idle_seconds += max(0.0, now - worker.since - float(message["seconds"]))
        self._answers.append(Answer(key=worker.job.key, result=result, failure=failure))
        worker.job, worker.phase, worker.since = None, "idle", now

    def _enforce(self) -> None:
        now = self.clock()
        for worker in tuple(self._workers):
            spent = now - worker.since
            if worker.phase == "starting" and spent > START_SECONDS:
                self._lose(worker)
            elif worker.job is not None and self.limit_seconds is not None and spent > self.limit_seconds:
                self._lose(worker, self._timed_out(worker))
        if now >= self._next_tick:
            self._next_tick = now + TICK_SECONDS
            self._inspect_processes()

    def _inspect_processes(self) -> None:
        leaders = (worker.process.pid for worker in self._workers)
        table = self._table_watch.read(leaders) if self.memory_bytes is not None else {}
        for worker in tuple(self._workers):
            resident = resident_bytes(table, worker.process.pid) if worker.job is not None else 0
            if self.memory_bytes is not None and resident > self.memory_bytes:
                self._lose(worker, self._out_of_memory(worker, resident))
            elif worker.ended():
                self._read(worker)
                if worker in self._workers:  # a grandchild that was forked behind Python's back holds the pipe open
                    self._lose(worker)
            else:
                worker.log.trim()

    def _lose(self, worker: SupervisedWorker, failure: Failure | None = None) -> None:
        """Kills and replaces a worker; answers its job with `failure`, or with what its death tells."""
        slot = self._workers.index(worker)
        del self._workers[slot]
        status = worker.kill()
        match worker.phase:
            case "starting":
                self._count_bad_start(worker, status)
            case "sent" if failure is None and worker.job is not None:  # it never began: the job is as good as new
                heapq.heappush(self._queue, worker.job)
                self._count_bad_start(worker, status)
            case "sent" | "busy" if worker.job is not None:
                found = failure if failure is not None else self._post_mortem(worker, status)
                self._answers.append(Answer(key=worker.job.key, failure=found))
            case _:
                self._idle_seconds += self.clock() - worker.since
        self._workers.insert(slot, launch(worker.start, now=self.clock()))

    def _count_bad_start(self, worker: SupervisedWorker, status: int) -> None:
        self._bad_starts += 1
        if self._bad_starts >= MAX_BAD_STARTS:
            raise EngineError(
                f"Worker processes died {self._bad_starts} times in a row before they were ready (the last by "
                f"{_exit_name(status)}). factory={self.factory!r}. Fix what the log at {worker.start.log_path} says "
                f"and resume:\n{worker.log.tail()}"
            )

    def _post_mortem(self, worker: SupervisedWorker, status: int) -> Failure:
        evidence: dict[str, JSON] = {"exit": _exit_name(status), "log": worker.log.tail()}
        if status == -signal.SIGALRM and self.limit_seconds is not None:
            return self._timed_out(worker)  # its own fuse: this driver was stopped for longer than the limit
        kills, before = oom_kills(), self._oom_kills
        if status == -signal.SIGKILL and kills > before:
            self._oom_kills = kills
            return Failure(reason="out-of-memory", evidence={**evidence, "killed_by": "kernel"})
        return Failure(reason="crashed", evidence=evidence)

    def _out_of_memory(self, worker: SupervisedWorker, resident: int) -> Failure:
        evidence: dict[str, JSON] = {"limit_bytes": self.memory_bytes, "resident_bytes": resident}
        return Failure(reason="out-of-memory", evidence={**evidence, "log": worker.log.tail()})

    def _timed_out(self, worker: SupervisedWorker) -> Failure:
        return Failure(reason="timed-out", evidence={"limit_seconds": self.limit_seconds, "log": worker.log.tail()})


def _exit_name(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    return next((known.name for known in signal.Signals if known == -status), f"signal {-status}")
