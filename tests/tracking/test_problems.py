"""MLflow's errors in words that say how to fix them."""

import pytest

from automl.tracking.problems import SyncStatus, explain


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Detected out-of-date database schema (found version a, but expected b)", "mlflow db upgrade sqlite:///m.db"),
        ("(sqlite3.OperationalError) database is locked", "wait for that one"),
        ("HTTPConnectionPool: Max retries exceeded with url", "start it"),
        ("attempt to write a readonly database", "owner and mode"),
        ("something new", "automl sync"),
    ],
)
def test_known_errors_name_their_remedy(said, remedy):
    problem = explain(RuntimeError(f"{said}\nsecond line"), uri="sqlite:///m.db")
    assert remedy in str(problem)
    assert said in str(problem)
    assert "second line" not in str(problem)


def test_a_status_is_complete_only_when_all_was_sent_without_a_problem():
    assert SyncStatus(sent=3, closed=3).complete
    assert not SyncStatus(sent=2, closed=3).complete
    assert not SyncStatus(sent=3, closed=3, problem="locked").complete
