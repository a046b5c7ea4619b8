"""How MLflow's own SQLite file is set up where we create it.

Why: MLflow leaves SQLite's defaults, with which each of a run's six commits waits for the disk and a reader (the MLflow
UI) stops the writer; with a write-ahead log a run takes a third of the time and three quarters of the processor's. The
rule: a file that exists already keeps its journal; a power cut may cost the last runs, which `automl sync` sends again.
"""

import functools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool


def set_up_sqlite(file: Path) -> None:
    """Creates the file with a write-ahead log, where there is none yet, and sees to MLflow's connections to it.

    Raises:
        sqlite3.Error: it cannot be created, is damaged, or is locked; MLflow would try for 100 s to find that out.
    """
    new = not file.exists()
    with closing(sqlite3.connect(file)) as connection:
        if new:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA schema_version")
    _spare_the_disk(file.resolve())


@functools.cache
def _spare_the_disk(file: Path) -> None:
    """Has connections to the file wait for the disk at checkpoints only; MLflow has no setting for it."""

    def connected(connection: Any, _record: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        (*_, place), *_ = connection.execute("PRAGMA database_list")
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        if place and Path(place).resolve() == file and journal == "wal":  # NORMAL is safe with this journal only
            connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(Pool, "connect", connected)
