"""The database that studies live in: which URLs are taken, and how a connection is set up.

Why: the same few settings decide whether a reader can stop the writer and what a power cut costs. The rule: SQLite in
WAL with synchronous=NORMAL and a busy timeout of 60 s (with the default journal one open reader makes the writer fail;
kill -9 loses nothing, a power cut at most the last commits, which run again), or PostgreSQL through psycopg2.
"""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL

from automl.errors import InvalidSetting, StorageError
from automl.storage.driver_lock import creation_lock

BUSY_SECONDS = 60
ALLOWED = "sqlite:///PATH (one machine) or postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE (a team)"


def parse_url(url: str) -> URL:
    """Returns the checked URL; a relative SQLite path is made absolute.

    Raises:
        InvalidSetting: not a database that a study can be driven on.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as error:
        raise InvalidSetting("storage", url, ALLOWED) from error
    path = parsed.database or ""
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite" if path and path != ":memory:" and not path.startswith("file:"):
            return parsed.set(drivername="sqlite", database=str(Path(path).expanduser().absolute()))
        case "postgresql" | "postgresql+psycopg2":
            return parsed.set(drivername="postgresql+psycopg2")
        case _:
            raise InvalidSetting("storage", parsed.render_as_string(), ALLOWED)


def exists(url: URL) -> bool:
    """Whether there may be studies: reading must not create a database file. A server always may."""
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def connect(url: URL) -> RDBStorage:
    """Opens the database, creating directory, file and tables where they are missing.

    Raises:
        StorageError: it cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it reports each study it creates on stderr
    with storage_errors(f"Cannot open {url.render_as_string()}"), creation_lock(url):
        # RDBStorage fills in {SCHEMA_VERSION}; any other brace is part of the path
        text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
        storage = RDBStorage(text, engine_kwargs=_engine_settings(url), skip_compatibility_check=True)
        found, needed = storage.get_current_version(), _newest_schema()
    if found != needed:
        raise StorageError(
            f"{url.render_as_string()} has Optuna's schema {found}; Optuna {optuna.__version__} needs {needed}. "
            "Use the Optuna release that wrote it, or make a copy and run `optuna storage upgrade` on it."
        )
    return storage


@contextlib.contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turns what Optuna and SQLAlchemy raise into `StorageError`, with the database's own words.

    Args:
        doing: begin of the message.
    """
    try:
        yield
    except (OptunaError, sqlalchemy.exc.SQLAlchemyError, ImportError, OSError, KeyError, RuntimeError) as error:
        raise StorageError(
            f"{doing}: {_innermost(error)}. What was committed is kept; when the cause is gone (a full disk, a lock, "
            "a server that is down), resume the study."
        ) from error


@functools.cache
def _newest_schema() -> str:
    """Returns the schema that this Optuna writes; asked once, as reading its migrations takes 60 ms."""
    storage = RDBStorage("sqlite://", skip_compatibility_check=True)
    version = storage.get_head_version()
    storage.remove_session()
    storage.engine.dispose()
    return version


def _engine_settings(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}, "pool_events": [(_set_up_sqlite, "connect")]}
    return {"pool_pre_ping": True}


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(getattr(error, "orig", None) or error).strip().rstrip(".")
    return text or type(error).__name__
