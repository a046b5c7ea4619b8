"""A database with tables, copied for each test: creating the tables takes longer than most tests."""

import shutil
from pathlib import Path

import pytest

from automl.storage.study_database import connect, parse_url


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the file of a database with tables and no studies."""
    path = tmp_path_factory.mktemp("empty") / "studies.db"
    storage = connect(parse_url(f"sqlite:///{path}"))
    storage.remove_session()
    storage.engine.dispose()
    return path


@pytest.fixture
def url(tmp_path: Path, empty_database: Path) -> str:
    """Returns the URL of a database of the test's own, without studies."""
    path = tmp_path / "studies.db"
    shutil.copy(empty_database, path)
    return f"sqlite:///{path}"
