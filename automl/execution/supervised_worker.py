"""One worker process as its supervisor sees it: a pid, a pipe pair, a phase.

Why: pools that share a queue or a lock break when a worker is killed at the wrong moment; here each worker has its own
pipes and can be killed at any moment. The rule: neither reading nor writing ever blocks the driver.
"""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from automl.errors import EngineError
from automl.execution.process_table import family, read_table
from automl.execution.wire import CHUNK_BYTES, Inbox
from automl.execution.worker_log import WorkerLog
from automl.execution.worker_start import WorkerStart

Phase: TypeAlias = Literal["starting", "idle", "sent", "busy"]
"""sent: a job was written to it; busy: it has said that it began. A worker lost before that costs no job."""

REAP_SECONDS = 10.0
CHUNKS_PER_READ = 64  # 4 MiB: a candidate that writes into the pipe for ever must not hold up the driver


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class QueuedJob:
    """One submitted job; the smallest sorts first.

    Attributes:
        priority: as given to `submit`.
        sequence: order of submission; breaks ties.
        key: as given to `submit`.
        order: the framed message for the worker.
    """

    priority: tuple[int, ...]
    sequence: int
    key: str = field(compare=False)
    order: bytes = field(compare=False, repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class SupervisedWorker:
    """A running worker.

    Attributes:
        start: what it was started with.
        process: the child; leader of its own session.
        reading: descriptor of the pipe from it.
        writing: descriptor of the pipe to it.
        since: clock time at which the phase began.
        phase: see `Phase`.
        job: what it is working on, in the phases sent and busy.
        log: what it and its children print.
    """

    start: WorkerStart
    process: "subprocess.Popen[bytes]"
    reading: int
    writing: int
    since: float
    phase: Phase = "starting"
    job: QueuedJob | None = None
    log: WorkerLog = field(init=False)
    _inbox: Inbox = field(init=False, repr=False)
    _outbox: bytearray = field(init=False, repr=False, default_factory=bytearray)

    def __post_init__(self) -> None:
        self.log = WorkerLog(path=self.start.log_path)
        self.log.mark()
        self._inbox = Inbox(max_bytes=self.start.max_message_bytes)
        self._post(self.start.setup)

    @property
    def wants_to_write(self) -> bool:
        """Whether part of a message still waits for room in the pipe."""
        return bool(self._outbox)

    def give(self, job: QueuedJob, *, now: float) -> None:
        """Hands a job to an idle worker; its clock starts now."""
        self.job, self.phase, self.since = job, "sent", now
        self.log.trim()
        self.log.mark()
        self._post(job.order)

    def flush(self) -> None:
        """Writes as much as the pipe takes."""
        try:
            while self._outbox:
                del self._outbox[: os.write(self.writing, self._outbox)]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it is gone; the reading end will say so
            self._outbox.clear()

    def read(self) -> bool:
        """Takes in what has arrived; returns whether the pipe is still open."""
        try:
            for _ in range(CHUNKS_PER_READ):
                if not (data := os.read(self.reading, CHUNK_BYTES)):
                    return False
                self._inbox.feed(data)
        except BlockingIOError:
            pass
        return True

    def take(self) -> Any:
        """Returns the next whole message, or None.

        Raises:
            NotCanonical: the candidate wrote into the pipe.
        """
        return self._inbox.take()

    def ended(self) -> bool:
        """Whether the process is over, though a grandchild may hold its pipes open; it stays a zombie until `kill`."""
        if not hasattr(os, "waitid"):
            return self.process.poll() is not None
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def kill(self) -> int:
        """Ends the worker and everything it has started.

        Returns:
            Its exit status as `subprocess` gives it: negative = killed by that signal.

        Raises:
            EngineError: the kernel does not let go of it (a hanging driver or file system).
        """
        pid = self.process.pid
        # who belongs to it is asked first: the children of a dead process are init's, and cannot be told any more
        members = family(read_table(), pid)
        # and it is reaped last: until then nobody else can get its number
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        for member in members | family(read_table(), pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(member, signal.SIGKILL)
        os.close(self.reading)
        os.close(self.writing)
        try:
            return self.process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise EngineError(
                f"Worker process {pid} does not die within {REAP_SECONDS} s of SIGKILL: it hangs inside the kernel, "
                "usually in a GPU driver or a network file system. Check that device, then resume the study."
            ) from error

    def _post(self, data: bytes) -> None:
        self._outbox += data
        self.flush()


def launch(start: WorkerStart, *, now: float) -> SupervisedWorker:
    """Starts a worker process in a session of its own.

    Raises:
        EngineError: the process or its log file cannot be created.
    """
    inner_read, writing = os.pipe()
    reading, inner_write = os.pipe()
    try:
        process = _spawn(start, inner_read, inner_write)
    except OSError as error:
        os.close(reading)
        os.close(writing)
        raise EngineError(f"Cannot start a worker process with its log at {start.log_path}: {error}.") from error
    finally:
        os.close(inner_read)
        os.close(inner_write)
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return SupervisedWorker(start=start, process=process, reading=reading, writing=writing, since=now)


def _spawn(start: WorkerStart, read_descriptor: int, write_descriptor: int) -> "subprocess.Popen[bytes]":
    # -P: a json.py in the current directory must not become the worker's json
    command = [sys.executable, "-P", "-m", "automl.execution.worker", str(read_descriptor), str(write_descriptor)]
    with open(start.log_path, "ab") as log:
        return subprocess.Popen(
            command,
            pass_fds=(read_descriptor, write_descriptor),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(start.environment),
        )
