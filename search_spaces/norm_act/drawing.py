"""A norm-act graph as a picture on a matplotlib `Axes`.

Why: reviewers judge a layer by its shape. The rule: only live nodes of the canonical form are drawn, data flows to
the right, a divisor arrives on a dashed line, and what an operator is stands in its box, so the picture reads in grey.
Nothing of matplotlib is imported: the axes are given and know everything needed.
"""

import itertools
from typing import Any, TypeAlias

import numpy as np

from search_spaces.norm_act.canonical_form import simplify
from search_spaces.norm_act.formula import formula
from search_spaces.norm_act.graph import FIRST, NAMES, Nodes, depth, live
from search_spaces.norm_act.operators import TABLE

Place: TypeAlias = tuple[int, int]
"""(value index, column): a box in the value's own column, a point that its line passes in a later one."""

SIGNS = {"add": "+", "mul": "\N{MULTIPLICATION SIGN}", "div": "\N{DIVISION SIGN}", "neg": "\N{MINUS SIGN}"}

_GIVEN, _ELEMENT, _AGGREGATE, _BATCH, _OUTPUT = "#dbe9f6", "#fdf3d8", "#d9efdf", "#f6d9d5", "#e4dcf1"
_INK, _LINE = "#22303c", "#6b7a87"
_CLOSING = "\N{GREEK SMALL LETTER GAMMA}y + \N{GREEK SMALL LETTER BETA}"
_SWEEPS = 8
_BOX_GAP, _LINE_GAP, _PORT = 1.0, 0.6, 0.13
_FONT_SIZE, _COLUMN_POINTS, _ROW_POINTS, _POINTS_PER_INCH = 10.0, 64.0, 42.0, 72.0
_LETTER, _MARGIN = 0.33, 0.7
_LONGEST_TITLE = 110


def draw_graph(nodes: Nodes, axes: Any) -> None:
    """Draws a graph; limits, frame and title of the axes are set.

    Args:
        nodes: the graph, dead nodes allowed.
        axes: a matplotlib `Axes`, best about three times as wide as high.
    """
    short = simplify(nodes)
    columns = _columns(short)
    rows = _rows(short, columns)
    axes.set_xlim(-0.5, max(columns.values()) + 1.6)
    axes.set_ylim(min(rows.values()) - 0.8, max(rows.values()) + 0.8)
    axes.axis("off")
    _draw_lines(short, axes, columns=columns, rows=rows)
    for index, at in columns.items():
        operator = short[index - FIRST][0] if index >= FIRST else ""
        _box(axes, (at, rows[(index, at)]), text=_label(operator) or NAMES[index], colour=_colour(operator))
    last = FIRST + len(short) - 1
    _box(axes, (columns[last] + 1.0, rows[(last, columns[last])]), text=_CLOSING, colour=_OUTPUT)
    title = formula(nodes)
    shown = title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 3] + "..."
    axes.set_title(shown, fontsize=10, color=_INK)


def _draw_lines(nodes: Nodes, axes: Any, *, columns: dict[int, int], rows: dict[Place, float]) -> None:
    """Draws every edge, and the one into the closing affine."""
    for index, (operator, *arguments) in enumerate(nodes, FIRST):
        stop = columns[index] - _half_width(axes, _label(operator))
        for side, argument in enumerate(arguments):
            course = [(argument, column) for column in range(columns[argument], columns[index])]
            points = [(float(place[1]), rows[place]) for place in course]
            end = rows[(index, columns[index])] + _port(arguments, side, rows, columns[index] - 1)
            _line(axes, [*points, (stop, end)], dashed=operator == "div" and side == 1)
    last = FIRST + len(nodes) - 1
    column, row = columns[last], rows[(last, columns[last])]
    _line(axes, [(float(column), row), (column + 1.0 - _half_width(axes, _CLOSING), row)], dashed=False)


def _half_width(axes: Any, text: str) -> float:
    """Returns about half the width of a box, in columns."""
    left, right = axes.get_xlim()
    points = axes.get_position().width * axes.figure.get_figwidth() * _POINTS_PER_INCH
    letters = max(len(line) for line in text.split("\n"))
    return float(min(0.45, (letters * _LETTER + _MARGIN) * _font_size(axes) * (right - left) / points))


def _font_size(axes: Any) -> float:
    """Returns the size in points at which neighbouring boxes do not touch, at most 10."""
    place, figure = axes.get_position(), axes.figure
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    column = place.width * figure.get_figwidth() * _POINTS_PER_INCH / (right - left)
    row = place.height * figure.get_figheight() * _POINTS_PER_INCH / (top - bottom)
    return float(_FONT_SIZE * min(1.0, column / _COLUMN_POINTS, row / _ROW_POINTS))


def _columns(nodes: Nodes) -> dict[int, int]:
    """Returns the column of each live value: its depth; zero, v0 and v1 stand just before their first reader."""
    alive, columns = live(nodes), depth(nodes)
    for given in range(1, FIRST):
        readers = [columns[index] for index, part in enumerate(nodes, FIRST) if given in part[1:]]
        columns[given] = max(0, min(readers, default=1) - 1)
    return {index: column for index, column in enumerate(columns) if alive[index]}


def _rows(nodes: Nodes, columns: dict[int, int]) -> dict[Place, float]:
    """Returns a row for each box and each point of a long line.

    Every place moves to the mean of its neighbours and then apart from the others of its column, a few times over.
    """
    near: dict[Place, set[Place]] = {(index, column): set() for index, column in columns.items()}
    for index, (_, *arguments) in enumerate(nodes, FIRST):
        for argument in arguments:
            course = [(argument, column) for column in range(columns[argument], columns[index])]
            for one, other in zip(course, [*course[1:], (index, columns[index])], strict=True):
                near.setdefault(one, set()).add(other)
                near.setdefault(other, set()).add(one)
    layers = [sorted(place for place in near if place[1] == column) for column in range(max(columns.values()) + 1)]
    rows: dict[Place, float] = {place: float(-rank) for layer in layers for rank, place in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {place: sum(rows[other] for other in near[place]) / max(1, len(near[place])) for place in layer}
            rows.update(_apart(wanted, columns))
    return rows


def _apart(wanted: dict[Place, float], columns: dict[int, int]) -> dict[Place, float]:
    """Returns rows in the wanted order and with the wanted mean, boxes further apart than lines."""
    ordered = sorted(wanted, key=lambda place: (wanted[place], place))
    placed: list[float] = []
    for rank, place in enumerate(ordered):
        both_boxes = rank > 0 and all(columns[value] == column for value, column in ordered[rank - 1 : rank + 1])
        gap = _BOX_GAP if both_boxes else _LINE_GAP
        placed.append(max(wanted[place], placed[-1] + gap) if placed else wanted[place])
    shift = (sum(wanted.values()) - sum(placed)) / max(1, len(placed))
    return {place: row + shift for place, row in zip(ordered, placed, strict=True)}


def _port(arguments: list[int], side: int, rows: dict[Place, float], column: int) -> float:
    """Returns where a line enters a box of two arguments, above or below its middle, as they come."""
    if len(arguments) == 1:
        return 0.0
    heights = [rows[(argument, column)] for argument in arguments]
    above = heights[side] > heights[1 - side] or (heights[0] == heights[1] and side == 0)
    return _PORT if above else -_PORT


def _line(axes: Any, points: list[tuple[float, float]], *, dashed: bool) -> None:
    """Draws a smooth line through points of rising x, level at each of them, with a head at the last."""
    step = np.linspace(0.0, 1.0, 24)
    ease = step * step * (3.0 - 2.0 * step)
    pairs = list(itertools.pairwise(points))
    xs = np.concatenate([x0 + (x1 - x0) * step for (x0, _), (x1, _) in pairs])
    ys = np.concatenate([y0 + (y1 - y0) * ease for (_, y0), (_, y1) in pairs])
    axes.plot(xs, ys, color=_LINE, linewidth=1.1, linestyle="--" if dashed else "-", zorder=1)
    axes.plot(*points[-1], color=_LINE, marker=">", markersize=5, zorder=2)


def _box(axes: Any, at: tuple[float, float], *, text: str, colour: str) -> None:
    style = {"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": _LINE, "linewidth": 0.9}
    axes.text(*at, text, ha="center", va="center", fontsize=_font_size(axes), color=_INK, bbox=style, zorder=3)


def _label(operator: str) -> str:
    kind, _, index_set = operator.partition("_")
    return f"{kind}\n{index_set}" if index_set else SIGNS.get(operator, operator)


def _colour(operator: str) -> str:
    if not operator:
        return _GIVEN
    if TABLE[operator].kind == "element-wise":
        return _ELEMENT
    return _BATCH if TABLE[operator].index_set == "bwh" else _AGGREGATE
