"""What commands print: plain aligned tables for people, JSON for programs. Standard output only.

The rule: JSON is the whole answer, a table its readable part; a number that is not finite is null.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

CELL = 72
"""Longest cell of a table, in characters."""


def emit(value: object, *, as_json: bool, text: str) -> None:
    """Prints `value` as JSON, or `text`."""
    typer.echo(json.dumps(plain(value), indent=2, allow_nan=False) if as_json else text)


def plain(value: object) -> Any:
    """Returns what JSON can hold: mappings, lists, numbers, text; other objects as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
    return str(value)


def table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str], *, limit: int | None = CELL) -> str:
    """Returns rows as aligned columns under a header; numbers to the right, columns that are empty throughout left out.

    Args:
        rows: one mapping per line.
        columns: names of the columns wanted, in order.
        limit: longest cell, in characters; None = whole.
    """
    wanted = [name for name in columns if any(row.get(name) not in (None, "") for row in rows)]
    cells = [[cell(row.get(name), limit=limit) for name in wanted] for row in rows]
    widths = [max(len(name), *(len(line[index]) for line in cells)) for index, name in enumerate(wanted)]
    right = [
        all(isinstance(row.get(name), int | float | None) and not isinstance(row.get(name), bool) for row in rows)
        for name in wanted
    ]
    return "\n".join(_line(line, widths, right) for line in [wanted, *cells])


def fields(values: Mapping[str, Any], *, names: Iterable[str] | None = None) -> str:
    """Returns one `name  value` line per entry; what is absent or empty is left out.

    Args:
        values: what is shown.
        names: which entries, in order; None = all.
    """
    chosen = [name for name in (values if names is None else names) if values.get(name) not in (None, "", {}, [], ())]
    width = max((len(name) for name in chosen), default=0)
    return "\n".join(f"{_label(name):<{width}}  {cell(values[name], limit=None)}" for name in chosen)


def cell(value: object, *, limit: int | None = CELL) -> str:
    """Returns one value as short text: four significant digits, `name value` pairs for mappings."""
    match value:
        case None:
            shown = "-"
        case bool():
            shown = "yes" if value else "no"
        case float():
            shown = f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
        case Mapping():
            shown = ", ".join(f"{_label(str(name))} {cell(one, limit=limit)}" for name, one in value.items()) or "-"
        case list() | tuple():
            shown = ", ".join(cell(one, limit=limit) for one in value) or "-"
        case _:
            shown = str(value)
    return shown if limit is None or len(shown) <= limit else shown[: limit - 3] + "..."


def _label(name: str) -> str:
    return name.replace("_", " ")


def _line(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = [
        one.rjust(width) if flush else one.ljust(width) for one, width, flush in zip(line, widths, right, strict=True)
    ]
    return "  ".join(parts).rstrip()
