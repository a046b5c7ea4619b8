"""Studies of a database: creating, refusing, reading, listing, deleting; and drivers killed at named points."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from automl.errors import HeaderMismatch, InvalidSetting, StorageError, StudyLocked, StudyNotFound
from automl.storage.studies import create_study, delete_study, list_studies, open_history, read_study
from automl.storage.trial_rows import TrialRows
from automl.testing.history_suite import HEADER, completed, opened, rung


def create(url: str, name: str = "s", **changes: Any) -> None:
    create_study(url, name, header={**HEADER, **changes}, directions=["maximize"])


def in_another_process(action: Callable[[], None]) -> int:
    """Runs an action in a child process and returns its wait status."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def killed_at(method: str, call: int, drive: Callable[[], None]) -> None:
    """Runs a driver in a child process that is killed as it enters the given call of a method that writes."""
    owner = TrialRows if hasattr(TrialRows, method) else RDBStorage

    def doomed() -> None:
        original, calls = getattr(owner, method), iter(range(call))

        def fatal(*arguments: Any, **named: Any) -> Any:
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **named)

        setattr(owner, method, fatal)
        drive()

    assert os.WTERMSIG(in_another_process(doomed)) == signal.SIGKILL


def drive_one_trial(url: str) -> None:
    create(url)
    history = open_history(url, "s")
    history.open(opened(0))
    history.record(0, rung(0))
    history.close_trial(completed(0, rung(0)))
    history.close()


def test_creating_again_with_the_same_header_changes_nothing(url: str) -> None:
    create(url)
    history = open_history(url, "s")
    history.open(opened(0))
    create(url)  # also while it is driven
    history.close()
    assert len(read_study(url, "s").opened) == 1


def test_other_header_is_refused_and_the_field_named(url: str) -> None:
    create(url)
    with pytest.raises(HeaderMismatch, match=r"space\.version=1, now it is 2") as caught:
        create(url, space={"name": "toy", "version": 2})
    assert (caught.value.field, caught.value.stored, caught.value.given) == ("space.version", 1, 2)


def test_list_shows_headers_and_leaves_foreign_studies_out(url: str) -> None:
    assert list_studies(url) == {}
    create(url, "b")
    create(url, "a", seed=7)
    optuna.create_study(study_name="foreign", storage=url)
    assert list_studies(url) == {"b": HEADER, "a": {**HEADER, "seed": 7}}
    assert list(list_studies(url)) == ["b", "a"]


def test_reading_creates_no_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    for enter in (read_study, open_history, delete_study):
        with pytest.raises(StudyNotFound, match="none yet"):
            enter(url, "s")
    assert list(tmp_path.iterdir()) == []


def test_unknown_study_is_named_with_its_neighbours(url: str) -> None:
    create(url, "norm-act")
    with pytest.raises(StudyNotFound, match="Did you mean 'norm-act'"):
        open_history(url, "norm-axt")


def test_foreign_study_of_the_same_name_is_refused(url: str) -> None:
    optuna.create_study(study_name="s", storage=url).add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StorageError, match="someone else"):
        create(url)
    with pytest.raises(StudyNotFound):
        open_history(url, "s")


def test_delete_leaves_other_studies_alone(url: str) -> None:
    for name in ("s", "other"):
        create(url, name)
        history = open_history(url, name)
        history.open(opened(0))
        history.close()
    delete_study(url, "s")
    assert list(list_studies(url)) == ["other"]
    create(url, seed=3)
    assert read_study(url, "s").opened == ()
    assert len(read_study(url, "other").opened) == 1


@pytest.mark.parametrize(
    "bad", ["mysql://u:secret@h/d", "journal.log", "sqlite://", "sqlite:///:memory:", "redis://h", "sqlite:///file:x"]
)
def test_other_databases_are_refused_without_showing_a_password(bad: str) -> None:
    with pytest.raises(InvalidSetting, match="sqlite:///PATH") as caught:
        create(bad)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "x" * 101, "line\nbreak"])
def test_bad_names_are_refused(url: str, name: str) -> None:
    with pytest.raises(InvalidSetting, match="study"):
        create(url, name)


def test_names_with_slashes_and_dots_stay_in_the_directory(tmp_path: Path, url: str) -> None:
    create(url, "../team/ä study")
    open_history(url, "../team/ä study").close()
    assert {path.name for path in tmp_path.iterdir()} >= {"studies.db", "studies.db...%2Fteam%2F%C3%A4%20study.lock"}


def test_braces_in_the_path_are_just_characters(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/{{odd}} path/studies.db"
    create(url)
    assert (tmp_path / "{odd} path" / "studies.db").exists()


def test_relative_path_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create("sqlite:///here/studies.db")
    history = open_history("sqlite:///here/studies.db", "s")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    history.open(opened(0))
    history.close()
    assert len(read_study(f"sqlite:///{tmp_path}/here/studies.db", "s").opened) == 1


def test_file_that_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    (tmp_path / "studies.db").write_text("this is no database, " * 100)
    with pytest.raises(StorageError, match="not a database"):
        list_studies(url)


def test_second_driver_is_refused_and_told_who_drives_until_that_one_is_killed(url: str) -> None:
    create(url)
    reading, writing = os.pipe()
    driver = os.fork()
    if driver == 0:
        driven = open_history(url, "s")
        driven.open(opened(0))
        os.write(writing, b"!")
        signal.pause()
    assert os.read(reading, 1) == b"!"
    try:
        with pytest.raises(StudyLocked, match=rf"process {driver} on \S+ since \d{{4}}-"):
            open_history(url, "s")
        with pytest.raises(StudyLocked):
            delete_study(url, "s")
        assert len(read_study(url, "s").opened) == 1
        create(url, "another")  # of the same database
        open_history(url, "another").close()
    finally:
        os.kill(driver, signal.SIGKILL)
        os.waitpid(driver, 0)
    open_history(url, "s").close()


def test_same_process_cannot_drive_twice(url: str) -> None:
    create(url)
    history = open_history(url, "s")
    with pytest.raises(StudyLocked, match=f"process {os.getpid()}"):
        open_history(url, "s")
    history.close()
    open_history(url, "s").close()


def test_forked_child_does_not_keep_the_lock(url: str) -> None:
    create(url)
    history = open_history(url, "s")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"!")
        signal.pause()
    try:
        assert os.read(reading, 1) == b"!"
        history.close()
        open_history(url, "s").close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_kill_before_the_header_leaves_no_study_and_creating_again_completes_it(url: str) -> None:
    killed_at("set_study_user_attr", 0, lambda: drive_one_trial(url))
    assert list_studies(url) == {}
    with pytest.raises(StudyNotFound):
        open_history(url, "s")
    drive_one_trial(url)
    assert read_study(url, "s").closed == (completed(0, rung(0)),)


def test_kill_before_the_header_does_not_fix_the_directions(url: str) -> None:
    killed_at("set_study_user_attr", 0, lambda: create(url))
    create_study(url, "s", header=HEADER, directions=["minimize", "maximize"])
    assert [way.name for way in optuna.load_study(study_name="s", storage=url).directions] == ["MINIMIZE", "MAXIMIZE"]


@pytest.mark.parametrize(
    ("method", "call", "trials", "rungs"),
    [
        ("create_new_trial", 0, 0, 0),  # before the trial
        ("set_attribute", 0, 1, 0),  # before the rung
        ("set_attribute", 1, 1, 1),  # before `closed`
        ("set_trial_state_values", 0, 1, 1),  # between `closed` and the commit
    ],
)
def test_killed_driver_leaves_an_open_trial_that_is_closed_later(
    url: str, method: str, call: int, trials: int, rungs: int
) -> None:
    killed_at(method, call, lambda: drive_one_trial(url))
    history = open_history(url, "s")
    log = history.all()
    assert (len(log.opened), len(log.rungs.get(0, ())), log.closed) == (trials, rungs, ())
    if not trials:
        history.open(opened(0))
    if not rungs:
        history.record(0, rung(0))
    history.close_trial(completed(0, rung(0)))
    history.close()
    assert read_study(url, "s").closed == (completed(0, rung(0)),)


def test_kill_after_the_commit_leaves_a_closed_trial(url: str) -> None:
    def drive() -> None:
        drive_one_trial(url)
        os.kill(os.getpid(), signal.SIGKILL)

    assert os.WTERMSIG(in_another_process(drive)) == signal.SIGKILL
    assert read_study(url, "s").closed == (completed(0, rung(0)),)


def test_processes_may_create_the_tables_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/studies.db"
    children = []
    for number in range(3):
        children.append(os.fork())
        if children[-1] == 0:
            code = 1
            try:
                create(url, f"s{number}")
                code = 0
            finally:
                os._exit(code)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert sorted(list_studies(url)) == ["s0", "s1", "s2"]


def test_database_of_another_optuna_release_is_refused(url: str) -> None:
    create(url)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    engine.dispose()
    with pytest.raises(StorageError, match=r"schema v9\.0\.0\.a"):
        read_study(url, "s")
