"""The settings of a component are its simple constructor fields; here they are listed, read from text and checked.

The rule: text and typed values go through the same strict reading, so `--set`, TOML and the Python API agree.
"""

import dataclasses
import inspect
import math
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union

from automl.contracts.history import Searcher
from automl.contracts.recipe import Task
from automl.contracts.rung import Executor
from automl.contracts.space import SearchSpace
from automl.contracts.trial import Monitor, Screen
from automl.errors import InvalidSetting, UnknownName

_CONTRACTS: tuple[type, ...] = (SearchSpace, Task, Searcher, Screen, Monitor, Executor)
_SCALARS: Mapping[object, str] = {
    int: "an int",
    float: "a finite number",
    str: "a text",
    bool: "true or false",
    NoneType: "none",
}
_LISTS = (tuple, list, Sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field of a component that a user may set.

    Attributes:
        name: of the field.
        type: its annotation: int, float, str, bool, Literal, tuples of them, or a union with None.
        default: what holds when it is not given; `dataclasses.MISSING` where it must be given.
        doc: its entry in the class docstring, one line; "" where there is none.
    """

    name: str
    type: Any
    default: Any
    doc: str


def fields_of(cls: type) -> dict[str, Setting]:
    """Returns the settings of a component by name, in order.

    Fields of other types (a space, objectives) and the attributes that its contract asks for are wiring, not settings.
    """
    docs, reserved = _documented(cls), _reserved(cls)
    found = _dataclass_fields(cls) if dataclasses.is_dataclass(cls) else _parameters(cls)
    return {
        name: Setting(name=name, type=kind, default=default, doc=docs.get(name, ""))
        for name, (kind, default) in found.items()
        if name not in reserved and not name.startswith("_") and _simple(kind)
    }


def check(section: str, cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the given settings of one section, read and type-checked; ranges are the component's own business.

    Args:
        section: dotted prefix for messages, e.g. "task" or "filter.quality".
        cls: the component.
        given: name -> text or value.

    Raises:
        UnknownName: the component has no such setting.
        InvalidSetting: not of its type.
    """
    known = fields_of(cls)
    for name in given:
        if name not in known:
            raise UnknownName("setting", f"{section}.{name}", [f"{section}.{one}" for one in known])
    return {name: coerce(f"{section}.{name}", value, known[name].type) for name, value in given.items()}


def coerce(name: str, value: object, kind: Any) -> Any:
    """Returns a value of exactly the given type from text or from a value of that type.

    Text: ints are plain digits, "3.5" and "1e3" are none; bools are "true" and "false"; None is "none"; the members of
    a tuple stand between commas. An int is accepted where a float is wanted, nothing else is converted.

    Raises:
        InvalidSetting: anything else.
    """
    try:
        return _read(value, kind)
    except ValueError as error:
        raise InvalidSetting(name, value, in_words(kind)) from error


def in_words(kind: Any) -> str:
    """Returns what a type allows, for messages: "an int or none"."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    members = typing.get_args(kind)
    if _is_list(kind):
        inner = in_words(members[0]) if members else "values"
        return f"values between commas, each {inner}"
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(member) for member in members)
    return " or ".join(in_words(member) for member in members)


def _read(value: object, kind: Any) -> Any:
    members = typing.get_args(kind)
    if _is_list(kind):
        return _read_list(value, members)
    if typing.get_origin(kind) is Literal:
        return next(m for m in members if m == value or str(m) == value) if _any_of(value, members) else _refuse()
    if members:
        return _read_union(value, members)
    if kind is NoneType:
        return None if value is None or value == "none" else _refuse()
    if kind is bool and isinstance(value, str):
        return {"true": True, "false": False}[value] if value in ("true", "false") else _refuse()
    if kind is int and isinstance(value, str):
        return int(value) if re.fullmatch(r"[+-]?[0-9]+", value) else _refuse()
    if kind is float:
        return _read_float(value)
    return value if type(value) is kind else _refuse()


def _read_float(value: object) -> float:
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        _refuse()
    number = float(value)
    return number if math.isfinite(number) else _refuse()


def _read_list(value: object, members: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")] if value.strip() else []
    if not isinstance(value, list | tuple):
        _refuse()
    kinds = [one for one in members if one is not Ellipsis]
    if len(kinds) == 1:
        return tuple(_read(one, kinds[0]) for one in value)
    if len(kinds) != len(value):
        _refuse()
    return tuple(_read(one, kind) for one, kind in zip(value, kinds, strict=True))


def _read_union(value: object, members: tuple[Any, ...]) -> Any:
    """Tries None first and text last, so that "none" and "3" are not taken as text where they mean something else."""
    for kind in sorted(members, key=lambda member: (member is not NoneType, member is str)):
        try:
            return _read(value, kind)
        except ValueError:
            continue
    return _refuse()


def _refuse() -> NoReturn:
    raise ValueError("not of the type")


def _any_of(value: object, members: tuple[Any, ...]) -> bool:
    return any((type(m) is type(value) and m == value) or str(m) == value for m in members)


def _is_list(kind: Any) -> bool:
    return typing.get_origin(kind) in _LISTS or kind in _LISTS


def _simple(kind: Any) -> bool:
    """Whether a user can write a value of this type."""
    members = [member for member in typing.get_args(kind) if member is not Ellipsis]
    if typing.get_origin(kind) is Literal or kind in _SCALARS:
        return True
    composed = _is_list(kind) or typing.get_origin(kind) in (Union, UnionType)
    return composed and bool(members) and all(_simple(member) for member in members)


def _reserved(cls: type) -> frozenset[str]:
    """Returns the attributes of the contracts that `cls` fulfils (`name`, `probes`): given by the class, not a user."""
    has = {*getattr(cls, "__dataclass_fields__", {}), *dir(cls)}
    contracts = [{name for name in vars(contract) if not name.startswith("_")} for contract in _CONTRACTS]
    return frozenset(name for contract in contracts if contract <= has for name in contract)


def _dataclass_fields(cls: type) -> dict[str, tuple[Any, Any]]:
    hints = _hints(cls)
    found = {}
    for one in dataclasses.fields(cls):
        default = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        if one.init:
            found[one.name] = (hints.get(one.name, one.type), default)
    return found


def _parameters(cls: type) -> dict[str, tuple[Any, Any]]:
    """The constructor's annotated parameters, of a class that is no dataclass."""
    constructor = inspect.getattr_static(cls, "__init__")
    if constructor is object.__init__:
        return {}
    hints = _hints(constructor)
    found = {}
    for parameter in inspect.signature(cls).parameters.values():
        default = dataclasses.MISSING if parameter.default is inspect.Parameter.empty else parameter.default
        found[parameter.name] = (hints.get(parameter.name), default)
    return found


def _hints(annotated: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(annotated)
    except NameError:  # a name that is imported for type checkers only; such a field is no setting
        return {}


def _documented(cls: type) -> dict[str, str]:
    """Returns field -> its text under "Attributes:" or "Args:", of the class and what it derives from."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        for part in re.split(r"\n\s*(?:Attributes|Args):\s*\n", inspect.cleandoc(one.__doc__ or ""))[1:]:
            body = re.split(r"\n\S", part)[0]
            entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", body, re.MULTILINE)
            found |= {name: " ".join(text.split()) for name, text in entries}
    return found
