"""The Python API as a user meets it: search, look, go on, second look, export, and what is refused."""

import json
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import automl
from automl.errors import HeaderMismatch, InvalidGenotype, InvalidSetting, StudyNotFound, UnknownName, UsageError
from automl.export.bundle import verify_bundle
from automl.storage.studies import open_history

SHORT = {"task.steps": 30, "task.width": 4, "filter.stability.enabled": False}
ROW = {
    *("trial", "outcome", "reason", "values", "genotype", "description"),
    *("fingerprint", "seconds", "steps", "parents"),
}
STATUS = {
    *("study", "trials", "open", "completed", "rejected", "duplicate", "failed", "trained"),
    *("rejected_by", "steps_trained", "steps_saved", "best", "baseline", "digest"),
}


def place(folder: Path) -> dict[str, str]:
    return {"storage": f"sqlite:///{folder / 'studies.db'}", "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"}


def options(folder: Path, **changes: Any) -> dict[str, Any]:
    """Returns the arguments of the study that this file shares."""
    return {"study": "demo", "trials": 6, "depth": 2, "settings": SHORT, "track": "none", **place(folder), **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def study(folder: Path) -> automl.Study:
    """Returns six trials of norm-act on the digits, searched at once by two workers."""
    return automl.search("norm-act", **options(folder, workers=2))


def test_a_search_returns_the_finished_study(study: automl.Study) -> None:
    status = study.status()
    assert set(status) >= STATUS
    assert (status["trials"], status["open"]) == (6, 0)
    assert sum(status[outcome] for outcome in ("completed", "rejected", "duplicate", "failed")) == 6
    assert status["steps_trained"] == 30 * status["completed"], "no monitor can drop anything in these 30 steps"
    assert study.baseline is not None and study.baseline["accuracy"] is not None
    json.dumps(status, allow_nan=False)


def test_best_is_the_first_of_top_and_the_maximum_of_the_table(study: automl.Study) -> None:
    best, table = study.best, study.trials
    assert best is not None and study.top(1) == [best] and set(best) >= ROW
    assert len(study.top(3)) == 3
    assert len(table) == 6 and set(table.columns) >= (ROW - {"values"}) | {"value_accuracy"}
    assert table.value_accuracy.max() == best["values"]["accuracy"] == study.status()["best"]["values"]["accuracy"]
    assert table.loc[best["trial"]].fingerprint == best["fingerprint"]


def test_show_has_the_whole_trial(study: automl.Study) -> None:
    whole = study.show(study.best["trial"])  # type: ignore[index]
    filters = [verdict["filter"] for verdict in whole["ledger"]]
    assert filters == ["duplicates", "norm-act-graph", "validity", "cost", "exportability"], "cheap before dear"
    assert whole["curves"]["resnet"]["steps"][-1] == 30
    assert whole["measurements"]["resnet"]["parameters"] > 0
    json.dumps(whole, allow_nan=False)


@pytest.mark.parametrize("number", [-1, 6, 10**9])
def test_a_trial_that_is_not_there_is_refused_by_every_verb(study: automl.Study, number: int, tmp_path: Path) -> None:
    for verb in (study.show, study.replay, lambda n: study.export(tmp_path / "out", trial=n)):
        with pytest.raises(InvalidSetting, match=rf"trial={number} is not allowed: an int in \[0, 5\]"):
            verb(number)


def test_the_study_is_found_again_by_name(study: automl.Study, folder: Path) -> None:
    found = automl.load_study("demo", storage=study.storage)
    assert found.status()["digest"] == study.status()["digest"]
    assert found.refresh() is found and found.best == study.best
    listed = {one["study"]: one for one in automl.list_studies(study.storage)}
    assert listed["demo"] | {"searcher": "evolution", "seed": 0} == listed["demo"]
    with pytest.raises(StudyNotFound, match="Did you mean 'demo'"):
        automl.load_study("demmo", storage=study.storage)


def test_the_same_call_again_trains_nothing(study: automl.Study, folder: Path) -> None:
    again = automl.search("norm-act", **options(folder))
    assert again.log.opened == study.log.opened and again.log.closed == study.log.closed
    assert not (folder / "mlflow.db").exists(), "track='none' leaves MLflow alone"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 1}, "seed"),
        ({"depth": 3}, "depth"),
        ({"searcher": "random"}, "searcher.name"),
        ({"audit": 0.5}, "audit"),
        ({"settings": {**SHORT, "filter.quality.step": 20}}, "filters.quality.step"),
        ({"settings": {**SHORT, "executor.limit_seconds": 60}}, "limits.limit_seconds"),
        ({"settings": {**SHORT, "task.steps": 31}}, "task.locator"),
    ],
)
def test_another_setting_under_the_same_name_is_refused_by_field(
    study: automl.Study, folder: Path, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(HeaderMismatch) as caught:
        automl.search("norm-act", **options(folder, **change))
    assert caught.value.field == field
    assert "--study" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"settings": {"task.step": 3}}, UnknownName, "Did you mean 'task.steps'"),
        ({"settings": {"filter.qualty.step": 3}}, UnknownName, "Did you mean 'filter.quality.step'"),
        ({"settings": {"tsk.steps": 3}}, UnknownName, "Did you mean 'task.steps'"),
        ({"settings": {"executor.memory": 3}}, UnknownName, "Did you mean 'executor.memory_gib'"),
        ({"settings": {"task.steps": 2.5}}, InvalidSetting, "task.steps=2.5"),
        ({"settings": {"task.steps": 0}}, InvalidSetting, "task.steps=0"),
        ({"settings": {"filter.quality.times_chance": float("nan")}}, InvalidSetting, "times_chance=nan"),
        ({"task": "digitz"}, UnknownName, "Did you mean 'digits'"),
        ({"searcher": "evolve"}, UnknownName, "Did you mean 'evolution'"),
        ({"device": "tpu"}, InvalidSetting, "auto, cpu or cuda"),
        ({"depth": 0}, InvalidSetting, "depth=0"),
        ({"audit": 2}, InvalidSetting, "audit=2"),
        ({"trials": 0}, InvalidSetting, "trials=0"),
        ({"trials": 1.5}, InvalidSetting, "trials=1.5"),
        ({"seed": "1"}, InvalidSetting, "seed='1'"),
        ({"depth": 2.5}, InvalidSetting, "depth=2.5"),
        ({"workers": True}, InvalidSetting, "workers=True"),
        ({"settings": ["task.steps=3"]}, InvalidSetting, "a mapping of dotted names"),
        ({"trained": 0}, InvalidSetting, "trained=0"),
        ({"workers": 0}, InvalidSetting, "workers=0"),
        ({"timeout": 0}, InvalidSetting, "timeout=0"),
        ({"timeout": float("nan")}, InvalidSetting, "timeout=nan"),
        ({"storage": "mysql://host/db"}, InvalidSetting, "mysql://host/db"),
        ({"study": "two\nlines"}, InvalidSetting, "printable"),
        ({"warm_start": [{"op4": "eval"}]}, InvalidGenotype, "op4 is 'eval'"),
        ({"warm_start": {"op4": "neg"}}, InvalidSetting, "a list of genotypes"),
        ({"searcher": "gp", "trials": 501}, InvalidSetting, "trials=501"),
    ],
    ids=lambda value: ",".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_what_cannot_work_is_refused_before_anything_is_created(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message.replace(".", r"\.")):
        automl.search("norm-act", **options(tmp_path, **change))
    assert not list(tmp_path.iterdir()), "nothing was created"


@pytest.mark.parametrize(
    ("space", "change", "message"),
    [
        ("darts", {"task": "text", "settings": {}}, "inputs (channels, height, width)"),
        ("darts", {"settings": {"task.batch_size": 1}}, "task.batch_size=1"),
        ("darts-supernet", {"task": "text", "settings": {}}, "inputs (channels, height, width)"),
        ("hypercuboid", {"settings": {"space.layers": 8}}, "an even int <= 6 for images of 8 x 8"),
    ],
    ids=["no images", "batches of one", "no images for a supernet", "images too small"],
)
def test_data_that_no_candidate_of_the_space_can_be_trained_on_are_refused_before_a_study_exists(
    tmp_path: Path, space: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSetting, match=re.escape(message)):
        automl.search(space, **options(tmp_path, **change))
    assert not list(tmp_path.iterdir()), "nothing was created"


def test_a_trial_that_is_still_open_is_shown_but_not_handed_over(study: automl.Study, tmp_path: Path) -> None:
    shutil.copy(study.storage.removeprefix("sqlite:///"), tmp_path / "studies.db")
    storage = place(tmp_path)["storage"]
    history = open_history(storage, "demo")
    history.open(replace(study.log.opened[0], number=6))
    history.close()
    found = automl.load_study("demo", storage=storage)
    assert (found.status()["open"], found.show(6)["outcome"], len(found.trials)) == (1, "open", 7)
    assert found.show(6)["values"] == {"accuracy": None} and found.show(6)["curves"] == {}
    with pytest.raises(UsageError, match="Trial 6 has not ended. Go on with `automl resume demo`"):
        found.export(tmp_path / "out", trial=6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"top": 0}, "top=0"),
        ({"seeds": 1}, "seeds=1"),
        ({"steps": 0}, "steps=0"),
        ({"task": "digitz"}, "Did you mean 'digits'"),
    ],
)
def test_a_second_look_that_cannot_be_taken_is_refused(
    study: automl.Study, wrong: dict[str, Any], message: str
) -> None:
    before = automl.load_study("demo", storage=study.storage).log.notes
    with pytest.raises(UsageError, match=message):
        study.rerank(**{"top": 1, "seeds": 2, **wrong})
    assert automl.load_study("demo", storage=study.storage).log.notes == before


def test_a_study_without_a_completed_trial_can_be_looked_at(tmp_path: Path) -> None:
    """The names are as strange as names may be."""
    folder = tmp_path / "we ird {x} %41"
    strict = {**SHORT, "filter.validity.min_input_dependence": 1e9}
    study = automl.search("norm-act", **options(folder, study="..", trials=2, settings=strict))
    assert study.status()["rejected_by"] == {"validity": 2} and study.status()["best"] is None
    assert study.best is None and study.top() == [] and len(study.trials) == 2
    for verb in (study.rerank, lambda: study.export(tmp_path / "out")):
        with pytest.raises(UsageError, match="No trial of study '..' has completed"):
            verb()
    with pytest.raises(UsageError, match="settled without training"):
        study.replay(0)
    assert {path.name for path in tmp_path.iterdir()} == {"we ird {x} A"}, "a storage is a URL: %41 is A"
    assert {path.name for path in (tmp_path / "we ird {x} A" / "work").iterdir()} == {"%2E%2E"}


def test_review_words_are_kept_with_the_study(study: automl.Study) -> None:
    best = study.best["trial"]  # type: ignore[index]
    for wrong in ({"trial": best}, {"trial": best, "approve": True, "pull": True}, {"approve": True}, {"reject": ""}):
        with pytest.raises(UsageError, match="review takes"):
            study.review(**wrong)  # type: ignore[arg-type]
    assert study.review(best, reject="too slow") == {str(best): "rejected: too slow"}
    one, two = [number for number in range(6) if number != best][:2]
    other = automl.search("norm-act", **options(Path(study.storage.removeprefix("sqlite:///")).parent))
    other.review(one, approve=True)
    study.review(two, approve=True)  # it was read before the other one spoke
    assert set(study.review()) == {str(best), str(one), str(two)}
    assert automl.load_study("demo", storage=study.storage).show(best)["review"] == "rejected: too slow"


@pytest.mark.slow
def test_what_mlflow_missed_is_sent_later_and_only_once(study: automl.Study, folder: Path) -> None:
    from mlflow import MlflowClient

    study.review(study.best["trial"], reject="too slow")  # type: ignore[index]
    reader = automl.load_study("demo", **place(folder))
    for _ in range(2):
        sent = reader.sync()
        assert sent == {"sent": 6, "closed": 6, "problem": None}
        client = MlflowClient(tracking_uri=reader.session.tracking_uri)
        experiment = client.get_experiment_by_name("automl/demo")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        assert len(runs) == reader.status()["trained"]
    best = reader.best["trial"]  # type: ignore[index]
    run = next(run for run in runs if run.data.tags["trial"] == str(best))
    assert run.data.tags["review"] == "rejected: too slow"
    client.set_tag(run.info.run_id, "review", "approved by A")
    assert reader.review(pull=True)[str(best)] == "approved by A"


@pytest.mark.slow
def test_resuming_with_more_trials_equals_one_bigger_search(study: automl.Study, tmp_path: Path) -> None:
    first = automl.search("norm-act", **options(tmp_path, trials=2))
    assert len(first.log.closed) == 2
    grown = automl.resume("demo", trials=6, track="none", **place(tmp_path))
    assert grown.status()["digest"] == study.status()["digest"]
    assert grown.log.opened[:2] == first.log.opened


@pytest.mark.slow
def test_the_second_look_is_reported_stored_and_exported(study: automl.Study, folder: Path, tmp_path: Path) -> None:
    reader = automl.load_study("demo", **place(folder))
    report = reader.rerank(top=2, seeds=2, steps=20)
    assert set(report) >= {"finalists", "baseline", "chosen", "winner", "verdict", "text", "seeds", "task", "steps"}
    assert [set(one) >= {"trial", "gate", "gate_values"} for one in report["finalists"]] == [True, True]
    assert sum("test" in one for one in report["finalists"]) == 1, "the test split is looked at for one finalist"
    assert report["verdict"] in ("winner", "tie", "worse") and report["text"].startswith(f"Trial {report['chosen']}")
    assert automl.load_study("demo", storage=study.storage).log.notes["rerank"] == report
    written = reader.export(tmp_path / "out")
    assert written["trial"] == report["chosen"]
    names = {"model.onnx", "candidate.py", "candidate.png", "genotype.json", "parity.json", "manifest.json"}
    names.add("weights.safetensors")
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert verify_bundle(tmp_path / "out") == ()
    assert written["bundles"]["resnet"]["registered"] == "models:/demo@champion"


@pytest.mark.slow
def test_a_name_that_mlflow_cannot_register_costs_the_registration_only(tmp_path: Path) -> None:
    named = options(tmp_path, study="a/b: c", trials=1, track="trained")
    written = automl.search("norm-act", **named).export(tmp_path / "out")["bundles"]["resnet"]
    assert written["registered"] is None and "a/b: c" in written["problem"]
    assert verify_bundle(tmp_path / "out") == ()


@pytest.mark.slow
def test_a_trial_trained_again_comes_out_equal(study: automl.Study) -> None:
    best = study.best["trial"]  # type: ignore[index]
    assert study.replay(best) == {"equal": True, "differences": [], "rungs": 2}


def test_no_warning_reaches_a_user_whose_search_went_well(study: automl.Study, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        automl.search("norm-act", **options(folder)).status()
