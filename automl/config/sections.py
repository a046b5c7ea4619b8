"""Dotted settings cut into sections, one per component.

The rule: a section is `space`, `task`, `searcher`, `executor` or `filter.<name>`; whoever builds the component checks
the names inside (`automl.config.check`).
"""

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from automl.config.fields import check, coerce
from automl.errors import UnknownName, UsageError

Sections: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Section -> setting -> text or value."""

SECTIONS = ("space", "task", "searcher", "executor")
_SWITCH = "enabled"


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns dotted name -> value of nested mappings; names with dots in them stay as they are."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def assignments(given: Collection[str]) -> dict[str, str]:
    """Returns name -> text of `--set` arguments `name=value`; the last one of a name holds.

    Raises:
        UsageError: one without `=`.
    """
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {one!r} has no name and value. Write --set task.steps=200.")
        found[name.strip()] = value.strip()
    return found


def sections(settings: Mapping[str, Any], *, filters: Collection[str]) -> dict[str, dict[str, Any]]:
    """Returns section -> its settings; every section is there, if only empty.

    Args:
        settings: dotted (or nested) name -> text or value.
        filters: names of the filters there are.

    Raises:
        UnknownName: no such section or filter.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in (*SECTIONS, *(f"filter.{one}" for one in filters))}
    for name, value in flatten(settings).items():
        section, _, setting = name.rpartition(".")
        if section not in found:
            raise UnknownName("setting", name, [f"{one}.{setting or name}" for one in found])
        found[section][setting] = value
    return found


def filter_settings(name: str, cls: type, given: Mapping[str, Any], *, on: bool = True) -> dict[str, Any] | None:
    """Returns the checked settings of a filter, or None where it is off.

    Args:
        name: of the filter.
        cls: its class.
        given: its section, from `sections`; `enabled` switches, and any other setting switches on.
        on: whether it is on where the section is empty.

    Raises:
        UnknownName: see `automl.config.check`.
        InvalidSetting: see `automl.config.check`.
    """
    rest = dict(given)
    enabled = coerce(f"filter.{name}.{_SWITCH}", rest.pop(_SWITCH, on or bool(given)), bool)
    checked = check(f"filter.{name}", cls, rest)
    return checked if enabled else None
