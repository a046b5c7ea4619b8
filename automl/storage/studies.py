"""The studies of a database: create, open, read, list, delete.

The rule: a study exists once its header is written, which is the first thing written into it; a study that was killed
before that is empty, and is completed when it is created again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from optuna.exceptions import DuplicatedStudyError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from sqlalchemy.engine import URL

from automl.canonical import JSON
from automl.contracts.history import StudyLog
from automl.errors import HeaderMismatch, InvalidSetting, StorageError, StudyNotFound
from automl.storage.driver_lock import acquire_driver_lock
from automl.storage.optuna_history import HEADER, OptunaHistory, log_of, stored_trials
from automl.storage.study_database import connect, exists, parse_url, storage_errors
from automl.storage.study_header import first_difference
from automl.storage.trial_codec import FORMAT, checked

MAX_NAME_CHARACTERS = 100
RESUME_REMEDY = "Resume it with the settings it was created with, or choose another --study name."


def create_study(
    url: str, name: str, *, header: Mapping[str, JSON], directions: Sequence[Literal["maximize", "minimize"]]
) -> None:
    """Creates a study, or does nothing where it exists with the same header.

    Args:
        url: of the database; see `study_database.ALLOWED`.
        name: of the study, 1 to 100 printable characters.
        header: all that the study depends on, as JSON.
        directions: one per objective.

    Raises:
        HeaderMismatch: it exists with another header; the error names the first differing field.
        StudyLocked: another process is creating or driving it.
        StorageError: the name belongs to a foreign Optuna study, or nothing can be written.
    """
    if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
        raise InvalidSetting("study", name, f"a name of 1 to {MAX_NAME_CHARACTERS} printable characters")
    place = parse_url(url)
    storage = connect(place)
    try:
        if _same_study_exists(storage, name, header):
            return
        lock = acquire_driver_lock(place, name)
        try:
            if not _same_study_exists(storage, name, header):
                _create(storage, name, header=header, directions=directions)
        finally:
            lock.release()
    finally:
        _disconnect(storage)


def open_history(url: str, name: str) -> OptunaHistory:
    """Opens a study for driving; this process is its one driver until `close` or its end.

    Raises:
        StudyNotFound: there is no such study.
        StudyLocked: another process drives it.
        StorageError: someone else wrote to it, or it cannot be read.
    """
    place = parse_url(url)
    storage = _storage_of_existing(place, name)
    lock = None
    try:
        study_id = _study_id(storage, place, name)
        lock = acquire_driver_lock(place, name)
        return OptunaHistory(storage=storage, study_id=study_id, name=name, lock=lock)
    except BaseException:
        if lock is not None:
            lock.release()
        _disconnect(storage)
        raise


def read_study(url: str, name: str) -> StudyLog:
    """Reads a study without driving it, also while another process does.

    Raises:
        StudyNotFound: there is no such study.
        StorageError: someone else wrote to it, or it cannot be read.
    """
    place = parse_url(url)
    storage = _storage_of_existing(place, name)
    try:
        study_id = _study_id(storage, place, name)
        return log_of(storage, study_id, name, trials=stored_trials(storage, study_id, name))
    finally:
        _disconnect(storage)


def list_studies(url: str) -> dict[str, Mapping[str, Any]]:
    """Returns name -> header of every study, in order of creation; foreign Optuna studies are left out."""
    place = parse_url(url)
    if not exists(place):
        return {}
    storage = connect(place)
    try:
        return _headers(storage)
    finally:
        _disconnect(storage)


def delete_study(url: str, name: str) -> None:
    """Deletes a study with all its trials.

    Raises:
        StudyNotFound: there is no such study.
        StudyLocked: a process drives it.
    """
    place = parse_url(url)
    storage = _storage_of_existing(place, name)
    try:
        study_id = _study_id(storage, place, name)
        lock = acquire_driver_lock(place, name)
        try:
            with storage_errors(f"Study {name!r} could not be deleted"):
                storage.delete_study(study_id)
        finally:
            lock.release()
    finally:
        _disconnect(storage)


def _same_study_exists(storage: RDBStorage, name: str, header: Mapping[str, JSON]) -> bool:
    stored = _header(storage, name)
    if stored is None:
        return False
    difference = first_difference(stored, checked(HEADER, header))
    if difference is None:
        return True
    field, old, new = difference
    raise HeaderMismatch(name, field, old, new, RESUME_REMEDY)


def _create(
    storage: RDBStorage,
    name: str,
    *,
    header: Mapping[str, JSON],
    directions: Sequence[Literal["maximize", "minimize"]],
) -> None:
    value = checked(HEADER, {"format": FORMAT, HEADER: header})
    wanted = [StudyDirection.MAXIMIZE if way == "maximize" else StudyDirection.MINIMIZE for way in directions]
    with storage_errors(f"Study {name!r} could not be created"):
        try:
            study_id = storage.create_new_study(wanted, name)
        except DuplicatedStudyError as error:
            study_id = storage.get_study_id_from_name(name)
            if storage.get_all_trials(study_id, deepcopy=False) or storage.get_study_user_attrs(study_id):
                raise StorageError(f"{name!r} is an Optuna study of someone else; choose another --study.") from error
            if storage.get_study_directions(study_id) != wanted:  # what a killed creation left, for another task
                storage.delete_study(study_id)
                study_id = storage.create_new_study(wanted, name)
        storage.set_study_user_attr(study_id, HEADER, value)


def _header(storage: RDBStorage, name: str) -> Mapping[str, Any] | None:
    """Returns the header of a study, None where there is no such study of ours."""
    try:
        with storage_errors(f"Study {name!r} could not be read"):
            study_id = storage.get_study_id_from_name(name)
            return _header_in(storage.get_study_user_attrs(study_id))
    except StorageError as error:
        if isinstance(error.__cause__, KeyError):
            return None
        raise


def _header_in(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    stored = attributes.get(HEADER)
    return stored[HEADER] if isinstance(stored, Mapping) and HEADER in stored else None


def _headers(storage: RDBStorage) -> dict[str, Mapping[str, Any]]:
    with storage_errors("The studies could not be listed"):
        studies = storage.get_all_studies()
    found = {study.study_name: _header_in(study.user_attrs) for study in studies}
    return {name: header for name, header in found.items() if header is not None}


def _storage_of_existing(place: URL, name: str) -> RDBStorage:
    if not exists(place):
        raise StudyNotFound(name, place.render_as_string(), ())
    return connect(place)


def _study_id(storage: RDBStorage, place: URL, name: str) -> int:
    if _header(storage, name) is None:
        raise StudyNotFound(name, place.render_as_string(), _headers(storage))
    with storage_errors(f"Study {name!r} could not be read"):
        return storage.get_study_id_from_name(name)


def _disconnect(storage: RDBStorage) -> None:
    storage.remove_session()
    storage.engine.dispose()
