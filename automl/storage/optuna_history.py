"""The durable log of a study, kept in Optuna's RDB storage so that Optuna Dashboard opens it.

Why: killing the driver at any point must cost at most the rungs in flight. The rule, in writing order: `open` with the
trial's creation; `rung:<leg>:<n>` as each ends; `closed`; then state and values, and that last write alone is the
commit, made in trial order. A trial that has `closed` but no final state is open; `closed` is simply written again.

Trials are created and committed by `RDBStorage` itself, not through `Study.tell`; genotypes and curves are attributes
(see `trial_rows`), never Optuna params or intermediate values (0.43 ms a row). All methods are flat in the number of
trials.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl.canonical import JSON, loads
from automl.contracts.history import Opened, RungRecord, StudyLog
from automl.contracts.trial import Closed, Values
from automl.errors import StorageError
from automl.storage.driver_lock import DriverLock
from automl.storage.study_database import storage_errors
from automl.storage.trial_codec import (
    CLOSED,
    OPEN,
    RUNG,
    checked,
    closed_from_json,
    closed_to_json,
    encoded,
    opened_from_json,
    opened_to_json,
    rung_from_json,
    rung_key,
    rung_to_json,
)
from automl.storage.trial_rows import TrialRows

HEADER = "header"
NOTE = "note:"


@dataclass(slots=True, kw_only=True, eq=False)
class OptunaHistory:
    """The `History` of one study, held by its single driver; see `automl.storage.studies.open_history`.

    Attributes:
        storage: the database.
        study_id: Optuna's number of the study.
        name: of the study.
        lock: held until `close`.
    """

    storage: RDBStorage
    study_id: int
    name: str
    lock: DriverLock
    _rows: TrialRows = field(init=False, repr=False)
    _header: Mapping[str, Any] = field(init=False, repr=False)
    _notes: dict[str, Any] = field(init=False, repr=False)
    _opened: list[Opened] = field(init=False, repr=False)
    _closed: list[Closed] = field(init=False, repr=False)
    _rungs: dict[int, dict[str, RungRecord]] = field(init=False, repr=False)
    _trial_ids: dict[int, int] = field(init=False, repr=False)
    _states: list[TrialState] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rows = TrialRows(engine=self.storage.engine)
        trials = stored_trials(self.storage, self.study_id, self.name)
        log = log_of(self.storage, self.study_id, self.name, trials=trials)
        self._header, self._notes = log.header, dict(log.notes)
        self._opened, self._closed = list(log.opened), list(log.closed)
        self._rungs = {
            number: {rung_key(rung.leg, rung.index): rung for rung in rungs} for number, rungs in log.rungs.items()
        }
        with storage_errors(f"Study {self.name!r} could not be read"):
            find = self.storage.get_trial_id_from_study_id_trial_number
            self._trial_ids = {n: find(self.study_id, n) for n in range(len(log.closed), len(trials))}
        self._states = [trial.state for trial in trials[: len(log.closed)]]

    def open(self, trial: Opened) -> None:
        """Appends a trial, in one transaction.

        Raises:
            StorageError: its number is not the next one, someone else wrote to the study, or the disk is full.
        """
        expected = len(self._opened)
        if trial.number != expected:
            raise StorageError(f"Trial {trial.number} was to be opened in study {self.name!r}; the next is {expected}.")
        value = checked(OPEN, opened_to_json(trial))
        template = create_trial(state=TrialState.RUNNING, user_attrs={OPEN: value})
        with storage_errors(f"Trial {trial.number} of study {self.name!r} could not be opened"):
            trial_id = self.storage.create_new_trial(self.study_id, template)
            number = self._rows.number(trial_id)
        if number != expected:
            raise _foreign(self.name, f"trial {expected} is not the one that was opened as number {expected}")
        self._opened.append(opened_from_json(value))
        self._trial_ids[expected] = trial_id

    def record(self, number: int, rung: RungRecord) -> None:
        """Stores a rung's end; storing it again replaces it.

        Raises:
            StorageError: the trial is not open, or the disk is full.
        """
        if not len(self._closed) <= number < len(self._opened):
            raise StorageError(f"Trial {number} of study {self.name!r} is not open: no rung of it can be recorded.")
        key = rung_key(rung.leg, rung.index)
        value = encoded(key, rung_to_json(rung))
        with storage_errors(f"A rung of trial {number} of study {self.name!r} could not be stored"):
            stored = self._rows.set_attribute(self._trial_ids[number], key, value=value)
        if not stored:
            raise _foreign(self.name, f"trial {number} has ended, a rung of it could not be stored")
        self._rungs.setdefault(number, {})[key] = rung_from_json(loads(value))

    def close_trial(self, trial: Closed) -> None:
        """Commits the end of a trial.

        Raises:
            StorageError: it is not its turn, or the disk is full (then the trial is still open).
        """
        number = len(self._closed)
        if trial.number != number or number >= len(self._opened):
            raise StorageError(
                f"Trial {trial.number} was to be closed in study {self.name!r}; trials close in order and "
                f"{number} is next, of {len(self._opened)} that were opened."
            )
        value = encoded(CLOSED, closed_to_json(trial))
        closed = closed_from_json(loads(value), number=number, rungs=self._rungs.get(number, {}).values())
        state = self._final_state(closed)
        values = _numbers(closed.values) if state == TrialState.COMPLETE else None
        with storage_errors(f"Trial {number} of study {self.name!r} could not be closed"):
            running = self._rows.set_attribute(self._trial_ids[number], CLOSED, value=value)
            committed = running and self.storage.set_trial_state_values(self._trial_ids[number], state, values)
        if not committed:
            raise _foreign(self.name, f"trial {number} has ended already and could not be closed")
        del self._trial_ids[number]
        self._closed.append(closed)
        self._states.append(state)

    def note(self, name: str, value: JSON) -> None:
        """Stores or replaces a named note.

        Raises:
            StorageError: it is no canonical JSON, is too large, or the disk is full.
        """
        stored = checked(name, {"value": value})["value"]
        with storage_errors(f"The note {name!r} of study {self.name!r} could not be stored"):
            self.storage.set_study_user_attr(self.study_id, f"{NOTE}{name}", stored)
        self._notes[name] = stored

    def all(self) -> StudyLog:
        """Returns the whole log, from memory: nobody else can have written since it was read."""
        return StudyLog(
            name=self.name,
            header=self._header,
            opened=tuple(self._opened),
            rungs={number: _sorted(rungs.values()) for number, rungs in tuple(self._rungs.items())},
            closed=tuple(self._closed),
            notes=dict(self._notes),
        )

    def close(self) -> None:
        """Gives the study free for another driver."""
        self.storage.remove_session()
        self.storage.engine.dispose()
        self.lock.release()

    def _final_state(self, trial: Closed) -> TrialState:
        match trial.outcome:
            case "completed":
                # Optuna knows no completed trial without values
                return TrialState.COMPLETE if _numbers(trial.values) is not None else TrialState.FAIL
            case "rejected":
                return TrialState.PRUNED
            case "failed":
                return TrialState.FAIL
            case "duplicate":
                return self._states[_twin(trial)]


def stored_trials(storage: RDBStorage, study_id: int, name: str) -> list[FrozenTrial]:
    """Returns the study's trials as Optuna stores them, in order.

    Raises:
        StorageError: they cannot be read, or someone else wrote to the study.
    """
    with storage_errors(f"Study {name!r} could not be read"):
        trials = storage.get_all_trials(study_id, deepcopy=False)
    for number, trial in enumerate(trials):
        if trial.number != number or OPEN not in trial.user_attrs:
            raise _foreign(name, f"at position {number} stands trial {trial.number} ({trial.state.name})")
    return trials


def log_of(storage: RDBStorage, study_id: int, name: str, *, trials: list[FrozenTrial]) -> StudyLog:
    """Returns the log that the stored trials make.

    Raises:
        StorageError: damaged, or written by a newer release or by someone else.
    """
    with storage_errors(f"Study {name!r} could not be read"):
        attributes = storage.get_study_user_attrs(study_id)
    rungs = {trial.number: found for trial in trials if (found := _rungs_of(trial))}
    finished = [trial.state.is_finished() for trial in trials]
    count = finished.index(False) if False in finished else len(finished)
    if any(finished[count:]):
        raise _foreign(name, f"trial {finished.index(True, count)} is finished, trial {count} is not")
    closed = []
    for trial in trials[:count]:
        if CLOSED not in trial.user_attrs:
            raise _foreign(name, f"trial {trial.number} is {trial.state.name} without its record")
        end = closed_from_json(trial.user_attrs[CLOSED], number=trial.number, rungs=rungs.get(trial.number, ()))
        closed.append(end)
    return StudyLog(
        name=name,
        header=attributes[HEADER][HEADER],
        opened=tuple(opened_from_json(trial.user_attrs[OPEN]) for trial in trials),
        rungs=rungs,
        closed=tuple(closed),
        notes={key.removeprefix(NOTE): value for key, value in attributes.items() if key.startswith(NOTE)},
    )


def _rungs_of(trial: FrozenTrial) -> tuple[RungRecord, ...]:
    return _sorted(rung_from_json(value) for key, value in trial.user_attrs.items() if key.startswith(RUNG))


def _sorted(rungs: Iterable[RungRecord]) -> tuple[RungRecord, ...]:
    """Returns rungs by leg and index: in which order they arrived depends on the workers."""
    return tuple(sorted(rungs, key=lambda rung: (rung.leg, rung.index)))


def _numbers(values: Values) -> list[float] | None:
    found = [value for value in values if value is not None]
    return found if found and len(found) == len(values) else None


def _twin(trial: Closed) -> int:
    twins = [verdict.duplicate_of for verdict in trial.ledger if verdict.duplicate_of is not None]
    if not twins and trial.reason.removeprefix("of ").isdecimal():
        twins = [int(trial.reason.removeprefix("of "))]
    if not twins or twins[0] >= trial.number:
        raise StorageError(f"Trial {trial.number} is a duplicate, but of no older trial: reason={trial.reason!r}.")
    return twins[0]


def _foreign(name: str, what: str) -> StorageError:
    return StorageError(
        f"Someone else has written to study {name!r}: {what}. Trials of a study are written by its one driver only; "
        "nothing may be enqueued or edited from outside. Start a new study."
    )
