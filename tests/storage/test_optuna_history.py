"""The history on SQLite: the suite of its contract, Optuna's view of it, and what others may break."""

import itertools
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState

from automl.contracts.history import History
from automl.contracts.trial import Closed, Verdict
from automl.errors import StorageError
from automl.storage.optuna_history import OptunaHistory
from automl.storage.studies import create_study, open_history, read_study
from automl.testing.history_suite import HEADER, HistorySuite, completed, ended, opened, rung


@pytest.fixture
def history(url: str) -> Iterator[OptunaHistory]:
    create_study(url, "s", header=HEADER, directions=["maximize"])
    history = open_history(url, "s")
    yield history
    history.close()


def optuna_study(url: str, name: str = "s") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=url)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('suite')}/studies.db"


class TestOnSqlite(HistorySuite):
    names = (f"study {number}" for number in itertools.count())

    @pytest.fixture(autouse=True)
    def place(self, database: str) -> Iterator[None]:
        self.url = database
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


def test_reader_sees_what_the_driver_wrote(history: OptunaHistory, url: str) -> None:
    history.open(opened(0))
    history.record(0, rung(0))
    history.note("baseline", 1)
    assert read_study(url, "s") == history.all()


def test_optuna_opens_the_study_and_sees_states_and_values(history: OptunaHistory, url: str) -> None:
    twin_of_completed = Closed(number=3, outcome="duplicate", reason="of 0", values=(0.75,))
    twin_of_rejected = Closed(number=4, outcome="duplicate", reason="of 1", values=(None,))
    no_values = completed(5, values=(None,))
    ends = (completed(0), ended(1, "rejected", "cost"), ended(2, "failed", "crashed"), twin_of_completed)
    for end in (*ends, twin_of_rejected, no_values):
        history.open(opened(end.number))
        history.close_trial(end)
    history.open(opened(6))
    study = optuna_study(url)
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,  # Optuna has no completed trial without values; the record says "completed"
        TrialState.RUNNING,
    ]
    assert [trial.values for trial in study.trials] == [[0.75], None, None, [0.75], None, None, None]
    assert study.best_trial.number == 0
    assert study.trials[0].user_attrs["open"]["genotype"]["op4"] == "mul"
    assert study.trials[0].params == {}


def test_duplicate_is_known_by_its_verdict(history: OptunaHistory, url: str) -> None:
    history.open(opened(0))
    history.open(opened(1, twin=0))
    history.close_trial(completed(0))
    verdict = Verdict(filter="duplicates", keep=False, duplicate_of=0)
    history.close_trial(Closed(number=1, outcome="duplicate", reason="twin", values=(0.75,), ledger=(verdict,)))
    assert optuna_study(url).trials[1].state == TrialState.COMPLETE


def test_duplicate_of_nothing_older_is_refused(history: OptunaHistory) -> None:
    history.open(opened(0))
    with pytest.raises(StorageError, match="of no older trial"):
        history.close_trial(Closed(number=0, outcome="duplicate", reason="of 0", values=(0.5,)))


def test_objectives_keep_their_directions(url: str) -> None:
    create_study(url, "two", header=HEADER, directions=["maximize", "minimize"])
    history = open_history(url, "two")
    history.open(opened(0))
    history.close_trial(completed(0, values=(0.5, 3.0)))
    history.close()
    study = optuna_study(url, "two")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.best_trials[0].values == [0.5, 3.0]


def test_end_without_the_commit_is_an_open_trial(history: OptunaHistory, url: str) -> None:
    history.open(opened(0))
    history.record(0, rung(0))
    trial_id = history.storage.get_trial_id_from_study_id_trial_number(history.study_id, 0)
    history.storage.set_trial_user_attr(trial_id, "closed", {"format": 1, "outcome": "torn"})
    history.close()
    again = open_history(url, "s")
    assert again.all().closed == ()
    again.close_trial(completed(0, rung(0)))
    assert again.all().closed == (completed(0, rung(0)),)
    assert read_study(url, "s") == again.all()
    again.close()


def test_enqueued_trial_is_refused_on_opening(history: OptunaHistory, url: str) -> None:
    history.open(opened(0))
    optuna_study(url).enqueue_trial({"x": 1})
    history.close()
    for enter in (open_history, read_study):
        with pytest.raises(StorageError, match="Someone else has written to study 's'"):
            enter(url, "s")


def test_trial_enqueued_meanwhile_is_noticed_when_the_next_one_opens(history: OptunaHistory, url: str) -> None:
    history.open(opened(0))
    optuna_study(url).enqueue_trial({"x": 1})
    with pytest.raises(StorageError, match="trial 1 is not the one"):
        history.open(opened(1))


def test_trial_closed_by_someone_else_is_noticed(history: OptunaHistory, url: str) -> None:
    history.open(opened(0))
    optuna_study(url).tell(0, 1.0)
    with pytest.raises(StorageError, match="could not be closed"):
        history.close_trial(completed(0))
    history.close()
    with pytest.raises(StorageError, match="without its record"):
        open_history(url, "s")


def test_reader_does_not_hold_up_the_writer(history: OptunaHistory, url: str) -> None:
    for number in range(4):
        history.open(opened(number))
    reader = sqlalchemy.create_engine(url)
    with reader.connect() as connection, connection.begin():
        connection.exec_driver_sql("BEGIN")
        rows = connection.exec_driver_sql("SELECT * FROM trials")
        assert rows.fetchone() is not None  # a read transaction is open, and stays open
        history.close_trial(completed(0))
        history.open(opened(4))
        assert len(read_study(url, "s").opened) == 5
        rows.close()
    reader.dispose()


def test_connections_use_wal_and_wait_for_a_busy_database(history: OptunaHistory) -> None:
    with history.storage.engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 60_000}


def test_full_disk_is_a_storage_error_and_the_study_opens_again(history: OptunaHistory, url: str) -> None:
    history.open(opened(0))
    history.record(0, rung(0))
    with history.storage.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    @sqlalchemy.event.listens_for(history.storage.engine, "checkout")
    def fill_the_disk(connection: Any, *_rest: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    large = {"filling": "x" * 200_000}
    with pytest.raises(StorageError, match="database or disk is full") as caught:
        history.note("large", large)
    assert "resume" in str(caught.value)
    with pytest.raises(StorageError, match=r"could not be closed.*disk is full"):
        history.close_trial(Closed(number=0, outcome="failed", reason="crashed", values=(None,), evidence=large))
    before = history.all()
    assert before.closed == ()
    history.close()
    again = open_history(url, "s")
    assert again.all() == before
    again.note("large", large)
    again.close_trial(completed(0, rung(0)))
    again.close()


def test_oversized_attribute_is_refused(history: OptunaHistory) -> None:
    with pytest.raises(StorageError, match="at most"):
        history.note("huge", "x" * (33 << 20))


def test_writes_do_not_read_the_study(history: OptunaHistory) -> None:
    statements: list[str] = []
    history.open(opened(0))

    @sqlalchemy.event.listens_for(history.storage.engine, "before_cursor_execute")
    def remember(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    history.open(opened(1))
    history.record(0, rung(0))
    history.record(0, rung(1))
    history.close_trial(completed(0, rung(0), rung(1)))
    assert len(statements) <= 40
    by_study = [s for s in statements if "WHERE trials.study_id" in s]
    assert all("count(" in statement for statement in by_study), by_study  # the number of the new trial, by an index
