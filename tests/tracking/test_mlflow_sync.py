"""The fold into real SQLite stores of MLflow."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from automl.canonical import digest
from automl.tracking.mlflow_settings import set_mlflow_defaults

set_mlflow_defaults()

from mlflow import MlflowClient  # noqa: E402

from automl.tracking.mlflow_runs import METRICS_PER_CALL, RunStore  # noqa: E402
from automl.tracking.mlflow_sync import Sync, sync_study  # noqa: E402
from automl.tracking.problems import TrackingProblem  # noqa: E402


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """One store for the module (its tables cost 2 s); tests use studies of different names."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking')}/mlflow.db"


@pytest.fixture
def sync(uri, made):
    return lambda **settings: Sync(uri, objectives=(made.accuracy,), portrayal=made.portrayal, **settings)


def runs_of(uri, study):
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(f"automl/{study}")
    return {run.data.tags["trial"]: run for run in client.search_runs([experiment.experiment_id])}


def everything(uri, study):
    """All that the store holds of a study, metric histories included, ids and its name excluded."""
    client = MlflowClient(tracking_uri=uri)
    parent = client.get_experiment_by_name("automl").experiment_id
    own = client.get_experiment_by_name(f"automl/{study}").experiment_id
    runs = client.search_runs([own]) + client.search_runs([parent], filter_string=f"tags.study = '{study}'")
    return sorted(
        json.dumps(
            [run.info.run_name.replace(study, "study"), run.info.status, run.info.start_time, run.info.end_time]
            + [run.data.params]
            + [
                [[m.key, m.value, m.step, m.timestamp] for m in client.get_metric_history(run.info.run_id, key)]
                for key in sorted(run.data.metrics)
            ]
        )
        for run in runs
    )


def test_trained_trials_have_runs_and_all_trials_have_rows(uri, sync, made):
    log = made.study(made.completed(0, 0.7), made.screened(1), made.diverged(2), made.completed(3, 0.9), name="rows")
    assert sync_study(sync(), log).complete
    runs = runs_of(uri, "rows")
    statuses = {number: run.info.status for number, run in runs.items()}
    assert statuses == {"0": "FINISHED", "2": "FAILED", "3": "FINISHED"}
    assert runs["3"].data.metrics["score"] == 0.9
    assert runs["3"].data.params["genotype_digest"] == digest(log.opened[3].genotype)
    client = MlflowClient(tracking_uri=uri)
    parent = client.get_experiment_by_name("automl").experiment_id
    (study,) = client.search_runs([parent], filter_string="tags.study = 'rows'")
    assert study.info.status == "FINISHED"
    assert study.data.tags["searcher"] == "evolution"
    assert study.data.metrics["best"] == 0.9
    assert study.data.metrics["baseline"] == 0.8
    assert study.data.metrics["rejected_by/validity"] == 1
    table = Path(client.download_artifacts(study.info.run_id, "trials.csv")).read_text().splitlines()
    assert len(table) == 1 + 4
    assert "constant output" in table[2]


def test_files_lie_beside_the_database_and_no_folder_appears_elsewhere(uri, sync, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = made.study(made.completed(0, 0.7), made.completed(1, 0.6), name="files")
    assert sync_study(sync(), log).complete
    client, runs = MlflowClient(tracking_uri=uri), runs_of(uri, "files")
    best, other = ({file.path for file in client.list_artifacts(runs[n].info.run_id)} for n in "01")
    assert best == {"genotype.json", "candidate.py", "candidate.png"}
    assert other == {"genotype.json", "candidate.py"}  # live tracking draws the best only
    assert str(Path(uri.removeprefix("sqlite:///")).parent / "artifacts") in runs["0"].info.artifact_uri
    assert list(tmp_path.iterdir()) == []


def test_sending_twice_stores_nothing_twice(uri, sync, made):
    log = made.study(*(made.completed(n, 0.5 + n / 10) for n in range(3)), name="twice")
    assert sync_study(sync(), log).complete
    once = everything(uri, "twice")
    assert sync_study(sync(pictures="completed"), log).complete
    assert everything(uri, "twice") == once
    assert all("picture" in run.data.tags for run in runs_of(uri, "twice").values())


def test_first_middle_and_last_derived_genotypes_are_drawn(uri, made):
    drawn = []

    def draw_derived(genotype, axes):
        drawn.append(genotype["cell"])

    def way(**settings):
        portrayal = replace(made.portrayal, draw_derived=draw_derived)
        return Sync(uri, objectives=(made.accuracy,), portrayal=portrayal, **settings)

    (opened, closed), (other, plain) = made.completed(0, 0.7), made.completed(1, 0.6)
    cells = tuple({"leg": "mlp", "step": n, "genotype": {"cell": n}} for n in range(5))
    rejected = replace(closed, outcome="rejected", reason="skip-collapse", derived=cells, values=(None,))
    log = made.study((opened, rejected), (other, replace(plain, derived=cells[:1])), name="derived")
    assert sync_study(way(pictures="completed"), log).complete
    client, runs = MlflowClient(tracking_uri=uri), runs_of(uri, "derived")
    files = {file.path for file in client.list_artifacts(runs["0"].info.run_id)}
    assert {"derived_first.png", "derived_middle.png", "derived_last.png", "derived.json"} < files
    assert drawn == [0, 2, 4, 0]
    assert "derived_last.png" not in {file.path for file in client.list_artifacts(runs["1"].info.run_id)}


def test_an_interrupted_sync_goes_on_and_ends_like_an_uninterrupted_one(uri, sync, made, monkeypatch):
    trials = [made.completed(n, 0.5 + n / 10) for n in range(3)]
    whole, cut = made.study(*trials, name="whole"), made.study(*trials, name="cut")
    sync_study(sync(), whole)
    with monkeypatch.context() as patch:
        written = []

        def end_then_die(self, run, record):
            written.append(run)
            if len(written) == 2:
                raise KeyboardInterrupt
            return finish(self, run, record)

        finish = RunStore.end
        patch.setattr(RunStore, "end", end_then_die)
        with pytest.raises(KeyboardInterrupt):
            sync_study(sync(), cut)
    assert {run.info.status for run in runs_of(uri, "cut").values()} == {"FINISHED", "RUNNING"}
    assert sync_study(sync(), cut).complete
    assert everything(uri, "cut") == everything(uri, "whole")


def test_a_run_created_twice_is_reduced_to_one(uri, sync, made):
    log = made.study(made.completed(0, 0.7), name="doubled")
    sync_study(sync(), log)
    first = runs_of(uri, "doubled")["0"]
    client = MlflowClient(tracking_uri=uri)
    client.create_run(first.info.experiment_id, tags={k: first.data.tags[k] for k in ("trial", "automl.study_uuid")})
    sync_study(sync(), log)
    (left,) = client.search_runs([first.info.experiment_id])
    assert left.info.run_id == first.info.run_id


def test_a_long_curve_goes_in_several_batches(uri, sync, made):
    log = made.study(made.completed(0, 0.9, points=METRICS_PER_CALL), name="long")
    assert sync_study(sync(), log).complete
    run = runs_of(uri, "long")["0"]
    assert len(MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, "accuracy")) == METRICS_PER_CALL


def test_live_and_later_sync_give_the_same_store(uri, sync, made):
    trials = [made.completed(0, 0.7), made.screened(1), made.completed(2, 0.9)]
    live = sync()
    for count in (1, 2, 3):
        live.send_trials(made.study(*trials[:count], name="live"))
    live.send_study(made.study(*trials, name="live"), ended=True)
    sync_study(sync(), made.study(*trials, name="later"))
    assert everything(uri, "live") == everything(uri, "later")


def test_track_all_gives_screened_trials_runs_of_their_own(uri, sync, made):
    sync_study(sync(track="all"), made.study(made.completed(0, 0.7), made.screened(1), name="all"))
    assert runs_of(uri, "all")["1"].info.status == "KILLED"


def test_reviews_go_both_ways(uri, sync, made):
    log = made.study(made.completed(0, 0.7), made.screened(1), name="reviewed")
    sync_study(sync(), log)
    assert sync().set_reviews(log, {0: "approved", 1: "why?"}) == (1,)
    assert sync().pull_reviews(log) == {0: "approved"}
    sync_study(sync(), log)
    assert sync().pull_reviews(log) == {0: "approved"}


def test_the_run_of_a_trial_is_found_or_its_absence_explained(uri, sync, made):
    log = made.study(made.completed(0, 0.7), made.screened(1), name="found")
    assert sync().run_id(log, 0) == runs_of(uri, "found")["0"].info.run_id
    with pytest.raises(TrackingProblem, match="trial 1 of study 'found' has no run"):
        sync().run_id(log, 1)


def test_a_server_that_is_away_is_a_status_not_an_exception(made):
    log = made.study(made.completed(0, 0.7))
    dead = Sync("http://127.0.0.1:9", objectives=(made.accuracy,), portrayal=made.portrayal)
    status = sync_study(dead, log)
    assert not status.complete
    assert "does not answer" in status.problem


def test_a_file_that_is_no_database_is_named(made, tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database " * 100)
    damaged = Sync(f"sqlite:///{tmp_path}/mlflow.db", objectives=(made.accuracy,), portrayal=made.portrayal)
    assert "damaged" in sync_study(damaged, made.study(made.completed(0, 0.7))).problem


def test_a_deleted_experiment_is_named_with_its_remedy(uri, sync, made):
    log = made.study(made.completed(0, 0.7), name="deleted")
    sync_study(sync(), log)
    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.get_experiment_by_name("automl/deleted").experiment_id)
    assert "restore" in sync_study(sync(), log).problem


def test_numbers_that_are_not_finite_are_no_metrics(uri, sync, made):
    opened, closed = made.completed(0, 0.7)
    sync_study(sync(), made.study((opened, replace(closed, values=(float("nan"),))), name="nan"))
    run = runs_of(uri, "nan")["0"]
    assert "score" not in run.data.metrics
    assert run.data.tags["not_finite"] == "score@0"


def test_the_way_of_the_search_on_a_larger_task_becomes_a_picture_of_the_study(uri, sync, made):
    point = {"search": 0.7, "mean": 0.6, "sd": 0.01}
    way = {
        "task": "large",
        "search_objective": "accuracy",
        "objective": "accuracy",
        "curve": [{"trial": 0, **point}],
        "baseline": {"mean": 0.5},
        "meta_overfitting": False,
    }
    client = MlflowClient(tracking_uri=uri)
    for name, report, pictured in (("with", way, True), ("without", None, False)):
        log = made.study(made.completed(0, 0.7), name=name)
        notes = {**log.notes, "funnel": {"meta_validation": report}}
        assert sync_study(sync(), replace(log, notes=notes)).complete
        parent = client.get_experiment_by_name("automl").experiment_id
        (study,) = client.search_runs([parent], filter_string=f"tags.study = '{name}'")
        files = {file.path for file in client.list_artifacts(study.info.run_id)}
        assert ("meta_validation.png" in files) == pictured
