"""Objects given through the Python API: their locator, and the text that carries them to workers. The cloudpickle room.

Why: a space written in a notebook has no file that a worker could import. The rule: `unpack` reads only what the user's
own process has packed in this session, never anything from a study, a file or a network.
"""

import base64
import contextlib
import dataclasses
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import cloudpickle

from automl.canonical import JSON, digest
from automl.errors import NotCanonical, UsageError
from automl.plugins.locators import OBJECT

Objects: TypeAlias = Mapping[str, object]
"""Locator (`object:...`) -> the object."""


def object_locator(instance: object) -> str:
    """Returns `object:<digest>`: the same for equal source and settings, so a study can be resumed with it."""
    cls = type(instance)
    identity: list[JSON] = [cls.__module__, cls.__qualname__, _source_digest(cls)]
    return f"{OBJECT}{digest([*identity, _state_digest(instance)])}"


def pack(instance: object) -> str:
    """Returns an object as text, for a worker of this very session.

    Code of `__main__`, and of modules that a fresh process would not find by name, goes with it; the rest is imported.

    Raises:
        UsageError: it holds something that cannot be sent (a lock, a connection).
    """
    try:
        with _sent_along(type(instance)):
            return base64.b85encode(cloudpickle.dumps(instance)).decode()
    except Exception as error:  # whatever a user's object raises while it is taken apart
        raise UsageError(
            f"{type(instance).__name__} cannot be sent to worker processes: {error}. "
            "Keep locks, connections and lambdas over them out of it, or give it as path/to/file.py:Name."
        ) from error


def unpack(text: str) -> object:
    """Returns the object of `pack`; only for text that the user's own process has made."""
    instance: object = cloudpickle.loads(base64.b85decode(text))
    return instance


@contextlib.contextmanager
def _sent_along(cls: type) -> Iterator[None]:
    """Has cloudpickle take in the modules of a class and its bases that no worker could import."""
    names = {base.__module__ for base in cls.__mro__} & sys.modules.keys() - {"__main__"}
    strange = [sys.modules[name] for name in names if not _found_by_name(name)]
    for module in strange:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in strange:
            cloudpickle.unregister_pickle_by_value(module)


def _found_by_name(name: str) -> bool:
    """Whether a search that starts afresh finds the module; one loaded from a file by hand is known to us alone."""
    path, parts = None, name.split(".")
    for end in range(1, len(parts) + 1):
        found = (finder.find_spec(".".join(parts[:end]), path) for finder in sys.meta_path)
        spec = next((one for one in found if one is not None), None)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return True


def _source_digest(cls: type) -> str:
    try:
        return digest(inspect.getsource(cls))
    except (OSError, TypeError):  # typed at a prompt, or written in C
        return digest(pack(cls))


def _state_digest(instance: object) -> str:
    if dataclasses.is_dataclass(instance):
        names = [one.name for one in dataclasses.fields(instance) if one.init]
        state = {name: getattr(instance, name) for name in names}
    else:
        state = dict(getattr(instance, "__dict__", {}))
    try:
        return digest(state)
    except NotCanonical:
        return digest(pack(instance))
