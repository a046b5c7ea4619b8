"""Searching and resuming: one driver from its lock to its last commit.

Why: the same few lines open the history, start the workers and the tracker, and close all of them whatever happens.
The rule: the tracker may fail, the search may not; Ctrl-C leaves a study that `resume` continues as if nothing had
been.
"""

import contextlib
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from automl.assemble import (
    Request,
    check_unchanged,
    create_study,
    environment,
    executor_of,
    header_of,
    live_sync_of,
    open_history,
    plan_of,
    progress_of,
    read_log,
    snapshot_store,
    study_headers,
    with_batch_plan,
    work_directory,
)
from automl.canonical import JSON
from automl.config import first_free_name, storage_url, tracking_uri
from automl.contracts import Closed, History, Opened, StudyLog
from automl.errors import InvalidSetting, StorageError
from automl.flows.plan import Budget, Plan
from automl.flows.search import Search
from automl.plugins import Objects

Track = Literal["trained", "all", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How one driver goes about a study; none of it decides results.

    Attributes:
        storage: URL of the history; None = AUTOML_STORAGE or the default.
        tracking: MLflow's tracking URI; None = MLFLOW_TRACKING_URI or the default.
        workers: worker processes, >= 1.
        timeout_seconds: no new trial is proposed after it; None = no bound.
        progress: whether a live line is shown on standard error.
        track: which trials get a run in MLflow; "none" = MLflow is left alone.
    """

    storage: str | None = None
    tracking: str | None = None
    workers: int = 1
    timeout_seconds: float | None = None
    progress: bool = False
    track: Track = "trained"

    def __post_init__(self) -> None:
        if type(self.workers) is not int or self.workers < 1:
            raise InvalidSetting("workers", self.workers, "an int >= 1")
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise InvalidSetting("timeout", self.timeout_seconds, "seconds > 0")

    @property
    def storage_url(self) -> str:
        """URL of the history."""
        return storage_url(self.storage)

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI."""
        return tracking_uri(self.tracking)


def start(request: Request, *, name: str | None, budget: Budget, session: Session) -> tuple[str, Objects]:
    """Creates a study, or finds it with an equal header, and drives it to the end of its budget.

    Returns:
        The study's name, and the objects that were given by value.
    """
    header, objects = header_of(request)
    url = session.storage_url
    taken = study_headers(url)
    study = name or first_free_name(_word(request.space), _word(request.task), taken=taken)
    header = with_batch_plan(header, request=request, objects=objects, stored=taken.get(study))
    plan = plan_of(header, objects)
    _check_budget(plan, budget)
    create_study(url, study, header=header, objectives=plan.task.objectives)
    drive(study, plan, header=header, objects=objects, budget=budget, session=session)
    return study, objects


def go_on(
    study: str, *, trials: int | None, trained: int | None, session: Session, accept_environment: bool, objects: Objects
) -> None:
    """Drives an existing study on, to its old budget or a new one."""
    log = read_log(session.storage_url, study)
    check_unchanged(study, log.header, accept_environment=accept_environment, objects=objects)
    old: Mapping[str, Any] = log.notes.get("budget", {})
    wanted = trials if trials is not None else old.get("trials") or len(log.opened) or 1
    budget = Budget(trials=wanted, trained=trained if trained is not None else old.get("trained"))
    plan = plan_of(log.header, objects)
    _check_budget(plan, budget)
    drive(study, plan, header=log.header, objects=objects, budget=budget, session=session)


def _check_budget(plan: Plan, budget: Budget) -> None:
    most = getattr(plan.searcher, "most_trials", None)
    if most is not None and budget.trials > most:
        allowed = f"at most {most} with searcher {plan.searcher.name!r}, whose time per proposal grows with their cube"
        raise InvalidSetting("trials", budget.trials, f"{allowed}; or use --searcher tpe")


def drive(
    study: str, plan: Plan, *, header: Mapping[str, Any], objects: Objects, budget: Budget, session: Session
) -> None:
    """Runs the search with everything around it."""
    history = open_history(session.storage_url, study)
    directory = work_directory(session.storage_url, study)
    try:
        log = history.all()
        history.note("budget", {"trials": budget.trials, "trained": budget.trained})
        _note_environment(history, log.notes, opened=len(log.opened), now=environment(header["searcher"]["name"]))
        executor = executor_of(header, objects, workers=session.workers, directory=directory)
        audience = _Audience(plan, log=log, budget=budget, session=session)
        store = snapshot_store(directory / "snapshots")
        began = time.monotonic()
        try:
            Search(
                plan,
                budget=budget,
                history=history,
                executor=executor,
                watch=audience.trial,
                noted=audience.note,
                release=lambda keys: _discard(store, keys),
                stop=lambda: _over(began, session.timeout_seconds),
                now_ms=lambda: time.time_ns() // 1_000_000,
                workers=session.workers,
            ).run()
        finally:
            idle_share = executor.idle_share()  # of workers that are there
            executor.close()
            ended: dict[str, JSON] = {
                "workers": session.workers,
                "idle_share": round(idle_share, 4),
                "seconds": round(time.monotonic() - began, 3),
            }
            _note_session(history, before=log, ended=ended)
            audience.close(study)
    finally:
        history.close()


class _Audience:
    """Who hears of closed trials: the live line and the tracker's thread."""

    def __init__(self, plan: Plan, *, log: Any, budget: Budget, session: Session) -> None:
        self._session = session
        closed = len(log.closed)
        self._line = progress_of(plan, trials=budget.trials, closed_before=closed) if session.progress else None
        tracked = session.track != "none"
        self._sync = (
            live_sync_of(plan, session.tracking_uri, log, track="all" if session.track == "all" else "trained")
            if tracked
            else None
        )
        for one in log.closed:
            if self._line is not None:
                self._line.update(one, log.opened[one.number])
        if "baseline" in log.notes:
            self._baseline(log.notes["baseline"])

    def trial(self, opened: Opened, closed: Closed) -> None:
        if self._line is not None:
            self._line.update(closed, opened)
        if self._sync is not None:
            self._sync.notify(opened, closed)

    def note(self, name: str, value: Any) -> None:
        if self._sync is not None:
            self._sync.note(name, value)
        if name == "baseline":
            self._baseline(value)

    def close(self, study: str) -> None:
        if self._line is not None:
            self._line.close()
        if self._sync is not None and not self._sync.close():
            problem = self._sync.status().problem
            _warn(f"MLflow has not got everything ({problem}). Complete it with: automl sync {study}")

    def _baseline(self, note: Mapping[str, Any]) -> None:
        if self._line is not None and "values" in note:
            self._line.baseline(tuple(note["values"]))


def _discard(store: Any, keys: Sequence[str]) -> None:
    for key in keys:
        store.discard(key)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def _over(began: float, timeout_seconds: float | None) -> bool:
    return timeout_seconds is not None and time.monotonic() - began >= timeout_seconds


def _note_session(history: History, *, before: StudyLog, ended: Mapping[str, JSON]) -> None:
    """Notes how the session went; one that found nothing to do tells nothing about idle workers."""
    if len(history.all().closed) == len(before.closed):
        return
    with contextlib.suppress(StorageError):  # what has stopped the search is told, not that this note failed as well
        history.note("sessions", [*before.notes.get("sessions", ()), ended])


def _note_environment(history: Any, notes: Mapping[str, Any], *, opened: int, now: Mapping[str, JSON]) -> None:
    """Marks the trial from which on another environment was accepted."""
    known = notes.get("environments", [])
    if not known or known[-1]["environment"] != now:
        history.note("environments", [*known, {"from_trial": opened, "environment": dict(now)}])


def _word(given: object) -> str:
    return given if isinstance(given, str) else type(given).__name__
