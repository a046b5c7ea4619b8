"""MLflow away, damaged or locked: the search ends all the same, says what to type, and `sync` makes up for it."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import automl

UNREACHABLE = "http://127.0.0.1:9"
TRIALS = 3


def search(folder: Path, tracking_uri: str) -> automl.Study:
    return automl.search(
        "norm-act",
        study="s",
        trials=TRIALS,
        depth=2,
        searcher="evolution",  # starts from designs that complete
        storage=f"sqlite:///{folder / 'studies.db'}",
        tracking_uri=tracking_uri,
        settings={"task.steps": 20, "task.width": 4, "filter.stability.enabled": False},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of a study that was searched while its tracking server was away."""
    folder = tmp_path_factory.mktemp("tracked")
    with pytest.warns(RuntimeWarning, match=r"server does not answer(.|\n)*Complete it with: automl sync s"):
        study = search(folder, UNREACHABLE)
    assert (study.status()["trials"], study.status()["open"]) == (TRIALS, 0)
    return folder


@contextmanager
def damaged(file: Path) -> Any:
    file.write_bytes(b"this is no database" * 1000)
    yield
    file.unlink()


@contextmanager
def locked(file: Path) -> Any:
    with closing(sqlite3.connect(file)) as holder:
        holder.execute("CREATE TABLE mine (a)")
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.rollback()
        holder.execute("DROP TABLE mine")


def runs(tracking_uri: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri)
    found = client.get_experiment_by_name("automl/s")
    return list(client.search_runs([found.experiment_id])) if found else []


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [damaged, locked])
def test_a_tracker_in_trouble_is_told_and_made_up_for_later(
    folder: Path, tmp_path: Path, trouble: Callable[[Path], AbstractContextManager[None]]
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with trouble(tmp_path / "mlflow.db"), pytest.warns(RuntimeWarning, match="Complete it with: automl sync s"):
        study = search(folder, uri)
    trained = study.status()["trained"]
    for _ in range(2):
        assert study.sync() == {"sent": TRIALS, "closed": TRIALS, "problem": None}
        assert len(runs(uri)) == trained, [(r.data.tags["trial"], r.info.status) for r in runs(uri)]
    search(folder, uri)  # and live tracking doubles nothing


@pytest.mark.slow
def test_reviews_wait_for_the_tracker_as_well(folder: Path, tmp_path: Path) -> None:
    away = automl.load_study("s", storage=f"sqlite:///{folder / 'studies.db'}", tracking_uri=UNREACHABLE)
    best = away.best["trial"]  # type: ignore[index]
    with pytest.warns(RuntimeWarning, match="review is stored"):
        away.review(best, approve=True)
    assert away.sync()["problem"]
    back = automl.load_study("s", storage=away.storage, tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert back.sync()["problem"] is None
    words = {run.data.tags["trial"]: run.data.tags.get("review") for run in runs(back.session.tracking_uri)}
    assert words[str(best)] == "approved"
    back.review(best, reject="on second thoughts")
    assert back.review(pull=True)[str(best)] == "rejected: on second thoughts"


def test_with_track_none_mlflow_is_not_even_looked_for(folder: Path) -> None:
    with nullcontext():  # a warning would be an error
        study = automl.resume(
            "s", storage=f"sqlite:///{folder / 'studies.db'}", tracking_uri=UNREACHABLE, track="none"
        )
    assert len(study.log.closed) == TRIALS


@pytest.mark.slow
def test_the_command_line_ends_well_and_says_what_to_type(folder: Path, shell: Any) -> None:
    storage = ("--storage", f"sqlite:///{folder / 'studies.db'}")
    done = shell.run("resume", "s", *storage, "--tracking-uri", UNREACHABLE)
    assert "Complete it with: automl sync s" in done.stderr
    failed = shell.run("sync", "s", *storage, "--tracking-uri", UNREACHABLE, code=1)
    assert "the server does not answer; start it or correct --tracking-uri" in " ".join(failed.stdout.split())
