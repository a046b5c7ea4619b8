"""One driver per study, and one process at a time that creates tables.

Why: a history has a single writer. The rules: the kernel (or the database server) holds the lock, so it is gone with
its owner however that ends; the database file itself is never locked (SQLite locks it its own way); and a forked child
gives up its copy, or it would hold the lock after the driver is gone.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO

import sqlalchemy
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from automl.errors import StorageError, StudyLocked
from automl.storage.file_names import file_name

UNKNOWN_OWNER = "another process"
HOST_CHARACTERS = 24  # PostgreSQL cuts application names at 63 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverLock:
    """A lock that is held.

    Attributes:
        release: gives it up; may be called twice.
    """

    release: Callable[[], None]


def acquire_driver_lock(url: URL, study: str) -> DriverLock:
    """Makes this process the study's one driver, until `release` or its end.

    Raises:
        StudyLocked: another driver runs it; the message names its pid, host and start time.
        StorageError: the lock cannot be taken (no permission, server gone).
    """
    if url.get_backend_name() == "sqlite":
        return _lock_file(Path(f"{url.database}.{file_name(study)}.lock"), study)
    return _lock_on_server(url, study)


@contextlib.contextmanager
def creation_lock(url: URL) -> Iterator[None]:
    """Waits until no other process creates tables: two that do so at once break each other."""
    if url.get_backend_name() == "sqlite":
        with _opened(Path(f"{url.database}.lock")) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    else:
        with _own_connection(url) as connection:
            connection.execute(_call("pg_advisory_lock", "", "tables"))
            yield


def _lock_file(path: Path, study: str) -> DriverLock:
    file = _opened(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        with file:
            owner = _owner_in(file)
        if isinstance(error, BlockingIOError):
            raise StudyLocked(study, owner) from error
        raise StorageError(f"Cannot lock {path}: {error}. Keep the study on a disk that supports locks.") from error
    file.seek(0)
    file.truncate()
    file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": _now()}))
    file.flush()
    _close_in_forked_children(file)
    return DriverLock(release=file.close)


def _close_in_forked_children(file: IO[str]) -> None:
    reference = weakref.ref(file)  # the hook stays for the life of the process, the file shall not

    def close() -> None:
        if (held := reference()) is not None:
            held.close()

    os.register_at_fork(after_in_child=close)


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+")  # not inherited by programs that are started: Python sets close-on-exec
    except OSError as error:
        raise StorageError(f"Cannot open the lock file {path}: {error}.") from error


def _owner_in(file: IO[str]) -> str:
    file.seek(0)
    try:
        owner = json.loads(file.read())
        return f"process {owner['pid']} on {owner['host']} since {owner['started']}"
    except (ValueError, LookupError, TypeError):  # it is being written at this moment
        return UNKNOWN_OWNER


def _lock_on_server(url: URL, study: str) -> DriverLock:
    context = contextlib.ExitStack()
    try:
        connection = context.enter_context(_own_connection(url))
        if connection.execute(_call("pg_try_advisory_lock", "study:", study)).scalar_one():
            return DriverLock(release=context.close)
        with context:
            raise StudyLocked(study, _owner_on_server(connection, study))
    except sqlalchemy.exc.SQLAlchemyError as error:
        context.close()
        raise StorageError(f"Cannot lock study {study!r} in {url.render_as_string()}: {error}") from error


@contextlib.contextmanager
def _own_connection(url: URL) -> Iterator[Connection]:
    """Gives a connection outside every pool: a server-side lock lives as long as its connection."""
    name = f"automl pid={os.getpid()} host={socket.gethostname()[:HOST_CHARACTERS]}"
    engine = sqlalchemy.create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"application_name": name, "keepalives_idle": 60},
    )
    with engine.connect() as connection:
        yield connection


def _keys(kind: str, name: str) -> tuple[int, int]:
    """Returns the two signed 32-bit numbers that stand for a lock on the server."""
    digest = blake2b(f"automl:{kind}{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "big", signed=True), int.from_bytes(digest[4:], "big", signed=True)


def _call(function: str, kind: str, name: str) -> sqlalchemy.Select[tuple[bool]]:
    first, second = _keys(kind, name)
    integer = sqlalchemy.Integer
    return sqlalchemy.select(
        getattr(sqlalchemy.func, function)(sqlalchemy.cast(first, integer), sqlalchemy.cast(second, integer))
    )


def _owner_on_server(connection: Connection, study: str) -> str:
    # pg_locks shows the two keys as unsigned numbers
    first, second = (key % 2**32 for key in _keys("study:", study))
    query = sqlalchemy.text(
        "SELECT a.application_name, a.backend_start FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = :first AND l.objid = :second"
    )
    row = connection.execute(query, {"first": first, "second": second}).first()
    return UNKNOWN_OWNER if row is None else f"{row[0]} since {row[1]:%Y-%m-%d %H:%M:%S}"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
