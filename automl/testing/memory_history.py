"""A history in memory: the contract without a disk.

Why: the search flow is tested against the same contract as the durable log, a thousand times faster. The rule: it
passes the same suite; `StudyLog`s it hands out are snapshots.
"""

from collections import defaultdict
from collections.abc import Mapping

from automl.canonical import JSON, dumps, loads
from automl.contracts.history import Opened, RungRecord, StudyLog
from automl.contracts.trial import Closed
from automl.errors import StorageError


class MemoryHistory:
    """A `History` that ends with its process.

    Args:
        name: of the study.
        header: what it was created with.
    """

    def __init__(self, name: str = "memory", header: Mapping[str, JSON] | None = None) -> None:
        self._name, self._header = name, header or {}
        self._opened: list[Opened] = []
        self._rungs: dict[int, dict[tuple[str, int], RungRecord]] = defaultdict(dict)
        self._closed: list[Closed] = []
        self._notes: dict[str, JSON] = {}

    def open(self, trial: Opened) -> None:
        """Appends a trial; see `History.open`."""
        if trial.number != len(self._opened):
            raise StorageError(f"Trial {trial.number} was opened, but the next one is {len(self._opened)}.")
        self._opened.append(trial)

    def record(self, number: int, rung: RungRecord) -> None:
        """Stores a rung's end."""
        self._rungs[number][rung.leg, rung.index] = rung

    def close_trial(self, trial: Closed) -> None:
        """Commits the end of a trial, in trial order."""
        if trial.number != len(self._closed) or trial.number >= len(self._opened):
            raise StorageError(f"Trial {trial.number} was closed, but the next one to close is {len(self._closed)}.")
        self._closed.append(trial)

    def note(self, name: str, value: JSON) -> None:
        """Stores or replaces a named note, as JSON would bring it back."""
        self._notes[name] = loads(dumps(value))

    def all(self) -> StudyLog:
        """Returns the log as it stands."""
        return StudyLog(
            name=self._name,
            header=dict(self._header),
            opened=tuple(self._opened),
            rungs={number: tuple(records.values()) for number, records in self._rungs.items()},
            closed=tuple(self._closed),
            notes=dict(self._notes),
        )

    def close(self) -> None:
        """Does nothing: nobody else can have this study."""
