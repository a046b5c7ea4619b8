"""`sync` in a side thread, woken by each close.

Why: the search must neither wait for the tracker nor fail with it, and importing MLflow takes 2 s. The rule: the thread
is given records and never reads the history's database; after a problem it pauses and starts the fold again.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from automl.canonical import JSON
from automl.contracts.history import Opened, StudyLog
from automl.contracts.trial import Closed
from automl.tracking.problems import SyncStatus

PAUSE_SECONDS = 60.0
STUDY_EVERY_SECONDS = 30.0


class Sink(Protocol):
    """What `mlflow_sync.Sync` does, as far as the thread needs it."""

    def send_trials(self, log: StudyLog) -> None:
        """Sends the trials that closed since the last call."""

    def send_study(self, log: StudyLog, *, ended: bool) -> None:
        """Sends totals and tables."""


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
        self._name, self._header, self._rungs = log.name, log.header, log.rungs
        self._notes = dict(log.notes)
        self._opened = list(log.opened[: len(log.closed)])
        self._closed = list(log.closed)
        self._wake = threading.Condition()
        self._dirty, self._closing, self._done = True, False, False
        self._sent, self._cpu_seconds = 0, 0.0
        self._problem: str | None = "nothing was sent yet"
        self._thread = threading.Thread(target=self._run, name="automl-live-sync", daemon=True)
        self._thread.start()

    def notify(self, opened: Opened, closed: Closed) -> None:
        """Takes the next closed trial; returns at once."""
        with self._wake:
            self._opened.append(opened)
            self._closed.append(closed)
            self._dirty = True
            self._wake.notify()

    def note(self, name: str, value: JSON) -> None:
        """Takes a note of the history (baseline, ...); returns at once."""
        with self._wake:
            self._notes[name] = value

    def close(self, *, wait_seconds: float = 10.0) -> bool:
        """Sends the rest, waits at most `wait_seconds`, and returns whether MLflow has everything."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(wait_seconds)
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
            try:
                sink = sink or self._connect()
                sink.send_trials(log)
                if ended or self._clock() - study_sent_at >= self._study_every_seconds:
                    sink.send_study(log, ended=ended)
                    study_sent_at = self._clock()
                self._told(len(log.closed), None)
            except Exception as error:  # the search goes on whatever tracking does; the text is in `status`
                sink = None
                self._told(0, str(error) or type(error).__name__)
                self._rest(ended)
            self._cpu_seconds = time.thread_time()
            if ended:
                self._done = True
                return

    def _next(self) -> tuple[StudyLog, bool]:
        """Waits for work; returns the log so far and whether it is the last."""
        with self._wake:
            self._wake.wait_for(lambda: self._dirty or self._closing)
            self._dirty = False
            notes: Mapping[str, JSON] = dict(self._notes)
            log = StudyLog(
                name=self._name,
                header=self._header,
                opened=tuple(self._opened),
                rungs=self._rungs,
                closed=tuple(self._closed),
                notes=notes,
            )
            return log, self._closing

    def _told(self, sent: int, problem: str | None) -> None:
        with self._wake:
            self._sent, self._problem = sent, problem

    def _rest(self, ended: bool) -> None:
        """Pauses after a problem; closing ends the pause, and one last attempt follows."""
        if ended:
            return
        with self._wake:
            self._dirty = True
            self._wake.wait_for(lambda: self._closing, timeout=self._pause_seconds)
