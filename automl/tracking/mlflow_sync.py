"""`sync`: a fold over closed trials that brings MLflow level with the history.

Why: MLflow is a view that can be rebuilt. Live tracking and `automl sync` are this one fold; it lists what the store
has, creates what is missing, sends again what was not written to its end, and doubles nothing.
The rule: it reads a study's log and nothing else, and only in trial order. A `Sync` that raised is thrown away: what
the store has by then is known only by listing it again.

Cost: some 12 ms of CPU per trained trial. A picture costs 31 ms more, so `pictures="best"` (live) draws only what is
best when the study's totals are sent, and `pictures="completed"` (`automl sync`) draws every completed trial that still
lacks one, and every other that derived genotypes of another space: of those the first, the middle and the last.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from automl.contracts.history import Opened
from automl.contracts.trial import Closed, Objective
from automl.tracking.charts import meta_validation_figure, study_figure
from automl.tracking.mlflow_runs import RunStore, StoredRun
from automl.tracking.pictures import candidate_png, derived_pngs, png
from automl.tracking.problems import SyncStatus, TrackingProblem
from automl.tracking.run_record import MAX_TAG, Portrayal, cut, study_uuid
from automl.tracking.sending import SENDING
from automl.tracking.study_run import TABLE_FILE, baseline_values, study_run, table_row, table_text
from automl.tracking.study_so_far import StudySoFar
from automl.tracking.tally import Tally
from automl.tracking.trial_run import TAG_PICTURE, TAG_REVIEW, TAG_TRIAL, StudyIdentity, trial_run, was_trained

STUDIES = "automl"
PICTURE_FILE = "candidate.png"
CHART_FILE = "study.png"
META_VALIDATION_FILE = "meta_validation.png"


class Sync:
    """One study's way into MLflow; nothing is contacted before the first call."""

    def __init__(
        self,
        tracking_uri: str,
        *,
        objectives: tuple[Objective, ...],
        portrayal: Portrayal,
        artifact_root: Path | None = None,
        pictures: Literal["best", "completed"] = "best",
        track: Literal["trained", "all"] = "trained",
    ) -> None:
        """Takes the settings.

        Args:
            tracking_uri: see `RunStore`.
            objectives: of the task, in order.
            portrayal: of the search space.
            artifact_root: see `RunStore`.
            pictures: which candidates are drawn, see the module.
            track: "trained" = trials that trained have runs; "all" = every trial has one.
        """
        self._uri = tracking_uri
        self._open: Callable[[], RunStore] = lambda: RunStore(tracking_uri, artifact_root=artifact_root)
        self._objectives, self._portrayal = objectives, portrayal
        self._pictures, self._track = pictures, track
        self._fold: _Fold | None = None

    def send_trials(self, log: StudySoFar) -> None:
        """Sends the trials that closed since the last call; `log` must be the same study, grown.

        Raises:
            TrackingProblem: throw this `Sync` away and start another one later.
        """
        fold = self._begun(log)
        for closed in log.closed[fold.tally.trials :]:
            opened = log.opened[closed.number]
            fold.tally.add(opened, closed)
            fold.rows.append(table_row(opened, closed, study=fold.study))
            if self._track == "all" or was_trained(opened, closed):
                self._send_trial(fold, opened, closed)
                if self._pictures == "completed" and (closed.outcome == "completed" or closed.derived):
                    self._add_pictures(fold, opened, closed)

    def send_study(self, log: StudySoFar, *, ended: bool) -> None:
        """Sends totals, table and chart of what `send_trials` has folded.

        Args:
            log: as given to `send_trials`.
            ended: whether the study's run is marked FINISHED (a resumed study opens it again).

        Raises:
            TrackingProblem: as `send_trials`.
        """
        fold = self._begun(log)
        record = study_run(log, study=fold.study, tally=fold.tally)
        if fold.run is None:
            fold.run = fold.store.create(fold.store.experiment(STUDIES), record)
        fold.store.write(fold.run, record)
        if fold.tally.trials:
            chart = png(study_figure(fold.tally, baseline=baseline_values(log), title=log.name))
            fold.store.add_files(fold.run, {TABLE_FILE: table_text(fold.rows).encode(), CHART_FILE: chart})
        way = log.notes.get("funnel", {}).get("meta_validation")
        if way:
            picture = png(meta_validation_figure(way, title=log.name))
            fold.store.add_files(fold.run, {META_VALIDATION_FILE: picture})
        for best in fold.tally.best:
            if best is not None:
                self._add_pictures(fold, log.opened[best[0]], log.closed[best[0]])
        if ended:
            fold.store.end(fold.run, record)
        else:
            fold.store.reopen(fold.run)

    def run_id(self, log: StudySoFar, number: int) -> str:
        """Returns the run of a trial, sending what is missing first.

        Raises:
            TrackingProblem: as `send_trials`, or the trial never trained and so has no run.
        """
        self.send_trials(log)
        run = self._begun(log).runs.get(number)
        if run is None:
            remedy = f"trial {number} of study {log.name!r} has no run; only closed trials that trained have one"
            raise TrackingProblem(self._uri, f"{len(log.closed)} trials are closed", remedy)
        return run.run_id

    def pull_reviews(self, log: StudySoFar) -> dict[int, str]:
        """Returns trial number -> the `review` tag that people gave its run in MLflow."""
        runs = self._begun(log).runs
        return {number: run.tags[TAG_REVIEW] for number, run in sorted(runs.items()) if run.tags.get(TAG_REVIEW)}

    def set_reviews(self, log: StudySoFar, reviews: dict[int, str]) -> tuple[int, ...]:
        """Sets `review` tags; returns the trials that have no run and so took none."""
        fold = self._begun(log)
        for number, text in reviews.items():
            if number in fold.runs:
                fold.store.tag(fold.runs[number], TAG_REVIEW, cut(text, limit=MAX_TAG))
        return tuple(number for number in reviews if number not in fold.runs)

    def _begun(self, log: StudySoFar) -> "_Fold":
        if self._fold is None:
            identity = StudyIdentity(
                name=log.name,
                uuid=study_uuid(log.name, log.header),
                objectives=self._objectives,
                portrayal=self._portrayal,
            )
            self._fold = _Fold(self._open(), identity)
        return self._fold

    def _send_trial(self, fold: "_Fold", opened: Opened, closed: Closed) -> None:
        run = fold.runs.get(closed.number)
        if run is not None and run.terminated:
            return
        record = trial_run(opened, closed, study=fold.study)
        if run is None:
            run = fold.runs[closed.number] = fold.store.create(fold.experiment, record)
        fold.store.write(run, record)
        fold.store.end(run, record)

    def _add_pictures(self, fold: "_Fold", opened: Opened, closed: Closed) -> None:
        """Draws the trial and what it derived, unless it was drawn before, in this fold or an earlier one."""
        run = fold.runs.get(opened.number)
        if self._portrayal.draw is None or run is None or opened.number in fold.drawn or TAG_PICTURE in run.tags:
            return
        files = {PICTURE_FILE: candidate_png(self._portrayal.draw, opened.genotype)}
        if self._portrayal.draw_derived is not None:
            files |= derived_pngs(self._portrayal.draw_derived, closed.derived)
        fold.store.add_files(run, files)
        fold.store.tag(run, TAG_PICTURE, PICTURE_FILE)
        fold.drawn.add(opened.number)


class _Fold:
    """What is known after listing the store: its runs by trial, the totals so far."""

    def __init__(self, store: RunStore, study: StudyIdentity) -> None:
        self.store, self.study = store, study
        self.tally = Tally(objectives=study.objectives)
        self.rows: list[tuple[str, ...]] = []
        self.drawn: set[int] = set()
        self.experiment = store.experiment(f"{STUDIES}/{study.name}")
        self.runs = self._single_runs()
        studies = store.runs(store.experiment(STUDIES), study_uuid=study.uuid)
        self.run = studies[0] if studies else None

    def _single_runs(self) -> dict[int, StoredRun]:
        """One run per trial; a second one (a request that timed out but arrived) goes to the trash."""
        runs: dict[int, StoredRun] = {}
        listed = self.store.runs(self.experiment, study_uuid=self.study.uuid)
        for run in sorted(listed, key=lambda run: not run.terminated):
            number = int(run.tags.get(TAG_TRIAL, "-1"))
            if number in runs:
                self.store.delete(run)
            else:
                runs[number] = run
        return runs


def sync_study(sync: Sync, log: StudySoFar) -> SyncStatus:
    """Brings MLflow level with the log and its reviews, once; a problem is in the status, never raised."""
    try:
        with SENDING:
            sync.send_trials(log)
            sync.send_study(log, ended=True)
            shown = sync.pull_reviews(log)  # a tag that a person has set since is newer than the stored word
            words = {int(number): text for number, text in log.notes.get("reviews", {}).items()}
            sync.set_reviews(log, {number: text for number, text in words.items() if number not in shown})
    except TrackingProblem as problem:
        return SyncStatus(sent=0, closed=len(log.closed), problem=str(problem))
    return SyncStatus(sent=len(log.closed), closed=len(log.closed))
