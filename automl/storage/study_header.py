"""Where two study headers differ.

Why: a study resumed under other settings would be another study; the refusal must name the field.
The rule: the first difference in alphabetical order is named, as a dotted path; the environment comes last, because
parts of it follow from other fields (a searcher's packages).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

ABSENT: Final = "(absent)"
"""Stands for a field that one of the headers does not have."""

LAST: Final = "environment"
"""The field that is compared after all others."""


def first_difference(stored: Any, given: Any) -> tuple[str, Any, Any] | None:
    """Returns the first field in which two headers differ, in alphabetical order, the environment last.

    Args:
        stored: header as JSON.
        given: header as JSON; lists and tuples are the same.

    Returns:
        (dotted name, stored value, given value), `ABSENT` for a missing one; None when the headers are equal. The name
        is "" when the headers are no objects.
    """
    return _difference(stored, given, "")


def _difference(stored: Any, given: Any, name: str) -> tuple[str, Any, Any] | None:
    if isinstance(stored, Mapping) and isinstance(given, Mapping):
        return _first(stored, given, sorted({*stored, *given}, key=lambda key: (key == LAST, key)), name)
    if _is_list(stored) and _is_list(given) and len(stored) == len(given):
        return _first(dict(enumerate(stored)), dict(enumerate(given)), list(range(len(stored))), name)
    # True == 1 in Python, but not in a header
    same = stored == given and isinstance(stored, bool) == isinstance(given, bool)
    return None if same else (name, stored, given)


def _first(
    stored: Mapping[Any, Any], given: Mapping[Any, Any], keys: Sequence[Any], name: str
) -> tuple[str, Any, Any] | None:
    for key in keys:
        inner = f"{name}.{key}" if name else str(key)
        found = _difference(stored.get(key, ABSENT), given.get(key, ABSENT), inner)
        if found is not None:
            return found
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
