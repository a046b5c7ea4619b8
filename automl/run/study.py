"""A study as Python sees it: what it found, the second look, the export.

Why: the CLI and a notebook tell the same story through the same object. The rule: everything is read from the history;
only rerank and review write to it, as notes.
"""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.assemble import (
    Publication,
    check_unchanged,
    executor_of,
    open_history,
    plan_of,
    publish,
    read_log,
    space_of,
    sync_now,
    sync_of,
    work_directory,
)
from automl.canonical import JSON, digest
from automl.contracts import DerivingSpace, Genotype, Objective, StudyLog
from automl.errors import AutoMLError, UsageError
from automl.flows.plan import Plan
from automl.flows.replay import replay
from automl.flows.report import ranking, row, status
from automl.plugins import Objects
from automl.run import schedules, second_look
from automl.run.driving import Session
from automl.tracking.problems import TrackingProblem

if TYPE_CHECKING:
    import pandas

class Study:
    """One study in one storage; made by `automl.search` and `automl.load_study`.

    Attributes:
        name: of the study.
        session: storage, tracking URI and workers that its verbs use.
    """

    def __init__(self, name: str, *, session: Session, objects: Objects | None = None) -> None:
        """Reads the study.

        Args:
            name: of the study.
            session: see `Session`.
            objects: spaces and tasks that were given by value.

        Raises:
            StudyNotFound: there is no such study.
        """
        self.name, self.session = name, session
        self._objects: Objects = objects or {}
        self._log = read_log(session.storage_url, name)
        self._objectives = tuple(Objective.from_json(one) for one in self._log.header["task"]["objectives"])

    def __repr__(self) -> str:
        return f"Study({self.name!r}, trials={len(self._log.opened)}, storage={self.storage!r})"

    @property
    def storage(self) -> str:
        """URL of the history."""
        return self.session.storage_url

    @property
    def log(self) -> StudyLog:
        """The log as last read; `refresh` reads it again."""
        return self._log

    @property
    def objects(self) -> Objects:
        """Spaces and tasks that were given by value, by locator; see `know`."""
        return self._objects

    def know(self, objects: Objects) -> None:
        """Remembers further tasks that were given by value: `export` needs what a rerank judged on."""
        self._objects = {**self._objects, **objects}

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What trials are ranked by, as the study was created with."""
        return self._objectives

    @cached_property
    def plan(self) -> Plan:
        """The parts of the study, built when they are first needed: reading a study needs neither space nor task."""
        return plan_of(self._log.header, self._objects)

    @property
    def baseline(self) -> dict[str, float | None] | None:
        """Objective -> the baseline's value; None while it was not trained."""
        values: dict[str, float | None] | None = self._status()["baseline"]
        return values

    @property
    def best(self) -> dict[str, Any] | None:
        """The best completed trial as a row, None where there is none."""
        ranked = ranking(self._log, self._objectives)
        return self._row(ranked[0]) if ranked else None

    @property
    def trials(self) -> "pandas.DataFrame":
        """One row per trial, one column per objective (`value_<name>`)."""
        import pandas

        rows = [self._row(opened.number) for opened in self._log.opened]
        for one in rows:
            one.update({f"value_{name}": value for name, value in one.pop("values").items()})
        return pandas.DataFrame(rows)

    def refresh(self) -> "Study":
        """Reads the history again; returns itself."""
        self._log = read_log(self.storage, self.name)
        return self

    def status(self) -> dict[str, Any]:
        """Returns counts, rejections by filter, where the steps went, the best trial and the baseline."""
        return self._status()

    def top(self, count: int = 10) -> list[dict[str, Any]]:
        """Returns the best completed trials as rows, best first."""
        return [self._row(number) for number in ranking(self._log, self._objectives)[:count]]

    def show(self, trial: int) -> dict[str, Any]:
        """Returns one trial whole: its row, ledger, curves, derived genotypes, memo, evidence and review.

        Raises:
            InvalidSetting: there is no such trial.
        """
        whole = self._row(trial)
        opened = self._log.opened[trial]
        closed = self._log.closed[trial] if trial < len(self._log.closed) else None
        return {
            **whole,
            "ledger": [verdict.to_json() for verdict in (closed.ledger if closed else opened.verdicts)],
            "curves": {leg: curve.to_json() for leg, curve in closed.curves.items()} if closed else {},
            "derived": [self._derived_row(entry) for entry in closed.derived] if closed else [],
            "measurements": {variant: dict(found) for variant, found in opened.measurements.items()},
            "memo": dict(opened.memo),
            "evidence": dict(closed.evidence) if closed and closed.evidence else None,
            "audit": dict(closed.audit) if closed and closed.audit else None,
            "review": self._log.notes.get("reviews", {}).get(str(trial)),
        }

    def rerank(
        self,
        top: int = 5,
        *,
        seeds: int = 5,
        steps: int | None = None,
        task: object = None,
        random: int = 0,
        designs: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Trains the best trials and the baseline again with the same fresh seeds; see `second_look.rerank`."""
        return second_look.rerank(self, top, seeds=seeds, steps=steps, task=task, random=random, designs=designs)

    def funnel(
        self, stages: Sequence[object], *, top: int = 5, seeds: int = 5, curve_trials: int = 8
    ) -> dict[str, Any]:
        """Sends the best trials through larger and larger tasks; see `second_look.funnel`."""
        return second_look.funnel(self, stages, top=top, seeds=seeds, curve_trials=curve_trials)

    def simplify(
        self, trial: int | None = None, *, seeds: int = 5, rounds: int = 20, steps: int | None = None
    ) -> dict[str, Any]:
        """Removes from a trial, part by part, what it does not need; see `second_look.simplify`."""
        return second_look.simplify(self, trial, seeds=seeds, rounds=rounds, steps=steps)

    def explain(self, trial: int) -> dict[str, Any]:
        """Returns a trial part by part, and the line of its first parents; see `second_look.explain`."""
        return second_look.explain(self, trial)

    def refine_schedule(self, trial: int | None = None, **settings: Any) -> dict[str, Any]:
        """Returns the schedule that follows from the gradient norms of a run; see `schedules.refine_schedule`."""
        return schedules.refine_schedule(self, trial, **settings)

    def fit_annealing_law(self, trials: Sequence[int] | None = None, **settings: Any) -> dict[str, Any]:
        """Fits a law of loss curves to trials of a schedule search; see `schedules.fit_annealing_law`."""
        return schedules.fit_annealing_law(self, trials, **settings)

    def predict_schedules(
        self, wanted: Mapping[str, Genotype | Sequence[float]] | Sequence[str] = ()
    ) -> dict[str, Any]:
        """Predicts by the study's law what schedules would reach; see `schedules.predict_schedules`."""
        return schedules.predict_schedules(self, wanted)

    def review(
        self, trial: int | None = None, *, approve: bool = False, reject: str | None = None, pull: bool = False
    ) -> dict[str, Any]:
        """Stores a reviewer's word on a trial, or reads the `review` tags of MLflow; returns all words by trial."""
        judged = approve or reject is not None
        if (trial is not None) != judged or (approve and reject is not None) or (pull and judged):
            raise UsageError("review takes a TRIAL with --approve or --reject TEXT, or --pull, or nothing to list.")
        said: dict[str, str] = {}
        if pull:
            pulled = sync_of(self.plan, self.session.tracking_uri).pull_reviews(self._log)
            said = {str(number): text for number, text in pulled.items()}
        elif trial is not None:
            self._row(trial)
            said = {str(trial): "approved" if approve else f"rejected: {reject}"}
        if said:
            self._store_reviews(said)
        if trial is not None:
            self._show_review(trial, said[str(trial)])
        return dict(self._log.notes.get("reviews", {}))

    def export(self, directory: str | Path, *, trial: int | None = None) -> dict[str, Any]:
        """Writes a trial's trained model: model.onnx, candidate.py, genotype.json, parity.json, weights; registers it.

        Args:
            directory: must not exist, or be empty.
            trial: None = the winner of the last rerank, else its chosen finalist, else the best trial.

        Raises:
            ExportError: it does not export, or ONNX Runtime gives other numbers; nothing is left behind.
        """
        chosen = trial if trial is not None else second_look.most_wanted(self)
        if self._row(chosen)["outcome"] == "open":
            raise UsageError(f"Trial {chosen} has not ended. Go on with `automl resume {self.name}`, then export it.")
        publication = Publication(
            log=self._log,
            trial=chosen,
            directory=Path(directory),
            snapshots=work_directory(self.storage, self.name) / "snapshots",
            tracking_uri=None if self.session.track == "none" else self.session.tracking_uri,
            command=f"automl export {self.name} --trial {chosen} --output {Path(directory).name}",
        )
        return publish(self.checked_plan(), publication, objects=self._objects)

    def replay(self, trial: int) -> dict[str, Any]:
        """Trains a trial again from its record; returns {"equal", "differences", "rungs"}."""
        self._row(trial)
        plan = self.checked_plan()
        with tempfile.TemporaryDirectory(prefix="automl-replay-") as folder:
            executor = executor_of(self._log.header, self._objects, workers=1, directory=Path(folder))
            try:
                recorded = [record for record in self._log.rungs.get(trial, ()) if not record.audit]
                return replay(plan, self._log.opened[trial], recorded, executor=executor)
            finally:
                executor.close()

    def sync(self) -> dict[str, JSON]:
        """Sends to MLflow what it has not got; returns {"sent", "closed", "problem"}."""
        return sync_now(self.plan, self.session.tracking_uri, self._log)

    def _store_reviews(self, said: Mapping[str, str]) -> None:
        """Adds to the words that are stored by now: another reviewer may have spoken since this study was read."""
        history = open_history(self.storage, self.name)
        try:
            history.note("reviews", {**history.all().notes.get("reviews", {}), **said})
        finally:
            history.close()
        self.refresh()

    def _show_review(self, trial: int, words: str) -> None:
        """Sets the tag in MLflow, which may fail: the word is stored already, and `sync` sends it again."""
        if self.session.track == "none":
            return
        try:
            sync_of(self.plan, self.session.tracking_uri).set_reviews(self._log, {trial: words})
        except TrackingProblem as problem:
            text = f"The review is stored, but MLflow has not got it ({problem}). Send it with: automl sync {self.name}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def checked_plan(self) -> Plan:
        """Returns the plan to train with again: space, task and data must be what they were, the machine need not."""
        check_unchanged(self.name, self._log.header, accept_environment=True, objects=self._objects)
        return self.plan

    def _status(self) -> dict[str, Any]:
        return status(self._log, self._objectives)

    def _derived_row(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a derived genotype with its description, or its digest where the space that reads it is gone."""
        try:
            space = self.plan.space
            described = space_of(space.derives, self._objects) if isinstance(space, DerivingSpace) else None
            line = described.describe(described.decode(entry["genotype"])) if described else ""
        except AutoMLError:
            line = ""
        return {**entry, "description": line or digest(entry["genotype"])}

    def _row(self, number: int) -> dict[str, Any]:
        return row(self._log, number, objectives=self._objectives)
