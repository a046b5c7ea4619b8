"""The history on PostgreSQL, on a server of our own without network and without fsync."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from automl.contracts.history import History
from automl.errors import StudyLocked
from automl.storage.optuna_history import OptunaHistory
from automl.storage.studies import create_study, delete_study, list_studies, open_history, read_study
from automl.testing.history_suite import HEADER, HistorySuite, completed, opened

pytestmark = pytest.mark.skipif(
    not (shutil.which("initdb") and shutil.which("pg_ctl")), reason="needs initdb and pg_ctl on the PATH"
)
UNPRIVILEGED = "nobody"


def as_server(*command: str) -> None:
    """Runs a command as a user that PostgreSQL accepts: it refuses root."""
    prefix = ["runuser", "-u", UNPRIVILEGED, "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *command], check=True, capture_output=True, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Starts a server on a socket in a directory of its own and gives its URL."""
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL refuses root, and there is no runuser")
    home = Path(tempfile.mkdtemp(prefix="pg-"))  # the path of a socket must be short
    try:
        if os.geteuid() == 0:
            shutil.chown(home, UNPRIVILEGED)
        as_server("initdb", "-D", f"{home}/data", "-U", "automl", "-A", "trust", "-N", "--no-locale", "-E", "UTF8")
        options = f"-F -k {home} -c listen_addresses=''"
        as_server("pg_ctl", "-D", f"{home}/data", "-w", "-l", f"{home}/log", "-o", options, "start")
        yield f"postgresql+psycopg2://automl@/postgres?host={home}"
        as_server("pg_ctl", "-D", f"{home}/data", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


class TestOnPostgres(HistorySuite):
    names = (f"study {number}" for number in itertools.count())

    @pytest.fixture(autouse=True)
    def place(self, server: str) -> Iterator[None]:
        self.url = server
        self.open: list[OptunaHistory] = []
        yield
        for history in self.open:
            history.close()

    def created(self) -> History:
        name = next(self.names)
        create_study(self.url, name, header=HEADER, directions=["maximize"])
        self.open.append(open_history(self.url, name))
        return self.open[-1]

    def reopened(self, history: History) -> History:
        assert isinstance(history, OptunaHistory)
        history.close()
        self.open.append(open_history(self.url, history.name))
        return self.open[-1]


def test_plain_postgresql_url_is_taken_too(server: str) -> None:
    plain = server.replace("+psycopg2", "")
    create_study(plain, "plain", header=HEADER, directions=["maximize"])
    assert list_studies(server)["plain"] == HEADER


def test_second_driver_is_refused_and_told_who_drives_until_that_one_is_killed(server: str) -> None:
    create_study(server, "locked", header=HEADER, directions=["maximize"])
    reading, writing = os.pipe()
    driver = os.fork()
    if driver == 0:
        driven = open_history(server, "locked")
        driven.open(opened(0))
        os.write(writing, b"!")
        signal.pause()
    assert os.read(reading, 1) == b"!"
    try:
        with pytest.raises(StudyLocked, match=rf"pid={driver} host=\S+ since \d{{4}}-"):
            open_history(server, "locked")
        with pytest.raises(StudyLocked):
            delete_study(server, "locked")
        assert len(read_study(server, "locked").opened) == 1
    finally:
        os.kill(driver, signal.SIGKILL)
        os.waitpid(driver, 0)
    for _ in range(1000):  # the server notices a broken connection a moment later
        try:
            history = open_history(server, "locked")
            break
        except StudyLocked:
            continue
    history.close_trial(completed(0))
    history.close()
    assert optuna.load_study(study_name="locked", storage=server).best_value == 0.75
    delete_study(server, "locked")
    assert "locked" not in list_studies(server)
