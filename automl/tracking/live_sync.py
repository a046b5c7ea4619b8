"""`sync` in a side thread, woken by each close.

Why: the search must neither wait for the tracker nor fail with it, and importing MLflow takes 2 s. The rules: the
thread is given records and never reads the history's database; it rests after each trial as long as it has worked, so
that a search of cheap trials gets its half of the interpreter; after a problem it pauses and starts the fold again.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from automl.canonical import JSON
from automl.contracts.history import Opened, StudyLog
from automl.contracts.trial import Closed
from automl.numerics.prefix import Prefix
from automl.tracking.problems import SyncStatus
from automl.tracking.sending import SENDING
from automl.tracking.study_so_far import StudySoFar

PAUSE_SECONDS = 60.0
REST_SECONDS = 1.0
"""The longest rest after a trial; the first round also makes MLflow's tables."""

STUDY_EVERY_SECONDS = 30.0


class Sink(Protocol):
    """What `mlflow_sync.Sync` does, as far as the thread needs it."""

    def send_trials(self, log: StudySoFar) -> None:
        """Sends the trials that closed since the last call."""

    def send_study(self, log: StudySoFar, *, ended: bool) -> None:
        """Sends totals and tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SoFar:
    """The study as the thread is to see it in one round."""

    name: str
    header: Mapping[str, Any]
    opened: Sequence[Opened]
    closed: Sequence[Closed]
    notes: Mapping[str, Any]


class LiveSync:
    """Live tracking of one study; used by the driver's thread."""

    def __init__(
        self,
        connect: Callable[[], Sink],
        *,
        log: StudyLog,
        clock: Callable[[], float] = time.monotonic,
        pause_seconds: float = PAUSE_SECONDS,
        study_every_seconds: float = STUDY_EVERY_SECONDS,
    ) -> None:
        """Starts the thread.

        Args:
            connect: makes the sink, inside the thread; imports MLflow, may raise.
            log: the study as it stands (header, and on resume its closed trials).
            clock: seconds, monotonic.
            pause_seconds: rest after a problem.
            study_every_seconds: how often the study's own run is brought up to date.
        """
        self._connect, self._clock = connect, clock
        self._pause_seconds, self._study_every_seconds = pause_seconds, study_every_seconds
        self._name, self._header = log.name, log.header
        self._notes = dict(log.notes)
        self._opened = list(log.opened[: len(log.closed)])
        self._closed = list(log.closed)
        self._wake = threading.Condition()
        self._closing, self._abandoned = threading.Event(), threading.Event()
        self._again, self._done = True, False
        self._sent, self._cpu_seconds = 0, 0.0
        self._problem: str | None = "nothing was sent yet"
        self._thread = threading.Thread(target=self._run, name="automl-live-sync", daemon=True)
        self._thread.start()

    def notify(self, opened: Opened, closed: Closed) -> None:
        """Takes the next closed trial; returns at once."""
        with self._wake:
            self._opened.append(opened)
            self._closed.append(closed)
            self._wake.notify()

    def note(self, name: str, value: JSON) -> None:
        """Takes a note of the history (baseline, ...); returns at once."""
        with self._wake:
            self._notes[name] = value

    def close(self, *, wait_seconds: float = 10.0) -> bool:
        """Sends the rest, waits at most `wait_seconds`, and returns whether MLflow has everything.

        A thread that is still held up by then ends with what it is at, and never lists or creates anything again.
        """
        with self._wake:
            self._closing.set()
            self._wake.notify()
        self._thread.join(wait_seconds)
        self._abandoned.set()
        return self.status().complete and self._done

    def status(self) -> SyncStatus:
        """Returns how far MLflow follows."""
        with self._wake:
            return SyncStatus(sent=self._sent, closed=len(self._closed), problem=self._problem)

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the thread so far, MLflow's import included."""
        return self._cpu_seconds

    def _run(self) -> None:
        sink, study_sent_at = None, -self._study_every_seconds
        while True:
            log, ended = self._next()
            began = self._clock()
            try:
                with SENDING:
                    if self._abandoned.is_set():
                        return
                    sink = sink or self._connect()
                    sink.send_trials(log)
                    if ended or self._clock() - study_sent_at >= self._study_every_seconds:
                        sink.send_study(log, ended=ended)
                        study_sent_at = self._clock()
                self._told(len(log.closed), None)
                rest_seconds = min(REST_SECONDS, self._clock() - began)
            except Exception as error:  # the search goes on whatever tracking does; the text is in `status`
                sink = None
                self._told(0, str(error) or type(error).__name__)
                rest_seconds = self._pause_seconds
            self._cpu_seconds = time.thread_time()
            if ended:
                self._done = True
                return
            self._closing.wait(rest_seconds)

    def _next(self) -> tuple[StudySoFar, bool]:
        """Waits for work; returns the study up to the next trial to send, or all of it and that it is the last."""
        with self._wake:
            self._wake.wait_for(lambda: self._again or self._sent < len(self._closed) or self._closing.is_set())
            ended = self._closing.is_set()
            count = len(self._closed) if ended else min(self._sent + 1, len(self._closed))
            log = _SoFar(
                name=self._name,
                header=self._header,
                opened=Prefix(self._opened, count),
                closed=Prefix(self._closed, count),
                notes=dict(self._notes),
            )
            return log, ended

    def _told(self, sent: int, problem: str | None) -> None:
        """Notes how far a round came; after a problem there is another one, also where no trial closes any more."""
        with self._wake:
            self._sent, self._problem = sent, problem
            self._again = problem is not None
