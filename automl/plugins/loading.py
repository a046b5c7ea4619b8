"""From a locator to an instance that has the verbs of its contract.

Why: whatever a user hands in (a missing file, a class with a typo, one that raises while it is imported) must end in
one sentence that says what to do, here at the door and not in the middle of a study. The rule: verbs are looked up
without asking for their values, because a task's properties may load data.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, assert_never

from automl.canonical import JSON, digest
from automl.contracts.recipe import Task
from automl.contracts.space import SearchSpace
from automl.errors import AutoMLError, UnknownName, UsageError
from automl.plugins.by_value import Objects
from automl.plugins.locators import FORMS, OBJECT, Kind, Locator, code_digest, installed_place, parse


def resolve(kind: Kind, locator: str, *, objects: Objects | None = None) -> object:
    """Returns the instance that a locator names; a class is called with the settings, an instance is taken as it is.

    Args:
        kind: decides the entry-point group, and the verbs that the instance must have.
        locator: any form.
        objects: where `object:` locators are looked up.

    Raises:
        UnknownName: no such installed name, attribute, object or setting.
        UsageError: it cannot be imported or constructed, or it lacks verbs of its contract.
    """
    parsed = parse(locator)
    return build(kind, find(kind, locator, objects=objects), settings=parsed.settings)


def find(kind: Kind, locator: str, *, objects: Objects | None = None) -> object:
    """Returns what a locator names before it is called: a class, a factory or an instance; see `resolve`."""
    parsed = parse(locator)
    match parsed.form:
        case "object":
            return _lookup(f"{kind} object", f"{OBJECT}{parsed.place}", objects or {})
        case "name":
            target = parse(installed_place(kind, parsed.place))
            return _attribute(_import(target.place, locator), target.attribute, locator)
        case "module":
            return _attribute(_import(parsed.place, locator), parsed.attribute, locator)
        case "file":
            return _attribute(_load(parsed, locator), parsed.attribute, locator)
        case other:
            assert_never(other)


def build(kind: Kind, found: object, *, settings: Mapping[str, JSON] | None = None) -> object:
    """Returns the instance: `found` called with the settings, or `found` itself where it is one already.

    Raises:
        UnknownName: a setting that the class does not have.
        UsageError: settings for something that is already built, a failing constructor, or missing verbs.
    """
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in (settings or {}).items()}
    if inspect.isclass(found) or inspect.isroutine(found):
        instance = _construct(kind, found, given)
    elif given:
        text = f"This {kind} is an object of {type(found).__name__} that is already built, so it takes no settings"
        raise UsageError(f"{text} ({', '.join(given)} given). Name its class instead.")
    else:
        instance = found
    _check_verbs(kind, instance)
    return instance


def _lookup(kind: str, name: str, known: Mapping[str, object]) -> object:
    if name not in known:
        raise UnknownName(kind, name, known)
    return known[name]


def _import(module: str, locator: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise UsageError(
                f"No module {module!r} for {locator!r}. Install it, set PYTHONPATH, or give path/to/file.py:Name."
            ) from error
        raise _import_failed(module, error) from error
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        raise _import_failed(module, error) from error


def _load(parsed: Locator, locator: str) -> ModuleType:
    """Imports a file under a name made of its path and content, so that an edited file is a new module."""
    name = f"automl_plugin_{digest([parsed.place, code_digest(locator)])}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, parsed.place)
    if spec is None or spec.loader is None:
        raise UsageError(f"{parsed.place} is no Python source file. Give {FORMS}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being executed
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a file may raise anything while it is imported
        del sys.modules[name]
        raise _import_failed(parsed.place, error) from error
    return module


def _import_failed(place: str, error: BaseException) -> UsageError:
    trace = error.__traceback__
    line = None
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == place else line
        trace = trace.tb_next
    where = f" (line {line})" if line else ""
    return UsageError(f"Importing {place} failed{where}: {type(error).__name__}: {_first_line(error)}.")


def _attribute(module: ModuleType, dotted: str, locator: str) -> object:
    found: object = module
    for name in dotted.split("."):
        public = [known for known in vars(found) if not known.startswith("_")]
        if not hasattr(found, name):
            raise UnknownName(f"name in {locator!r}:", name, public)
        found = getattr(found, name)
    return found


def _construct(kind: Kind, make: Callable[..., object], settings: Mapping[str, Any]) -> object:
    name = getattr(make, "__name__", repr(make))
    parameters = inspect.signature(make).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    if len(known) == len(parameters):
        for given in settings:
            if given not in known:
                raise UnknownName(f"setting of {kind} {name}:", given, known)
    try:
        return make(**settings)
    except AutoMLError:
        raise
    except Exception as error:  # a user's constructor may raise anything
        raise UsageError(f"{kind} {name} cannot be built: {type(error).__name__}: {_first_line(error)}.") from error


def _check_verbs(kind: Kind, instance: object) -> None:
    """Looks verbs up without asking for their values: a task's properties may load data."""
    protocol: type = SearchSpace if kind == "search space" else Task
    verbs = [name for name in vars(protocol) if not name.startswith("_")]
    missing = [name for name in verbs if inspect.getattr_static(instance, name, None) is None]
    if missing:
        remedy = {
            "search space": "Derive it from automl.authoring.SuggestedSpace, which gives all but suggest and apply",
            "task": "See automl.contracts.Task, or derive it from a task that exists",
        }[kind]
        raise UsageError(f"{type(instance).__name__} is no {kind}: it lacks {', '.join(missing)}. {remedy}.")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or "no message"
