"""An optimizer program as a picture of its dataflow on a matplotlib `Axes`.

Why: overwritten variables hide what depends on what; a picture shows it. The rule: the simplified program is drawn, so
only what moves w in this or a later step, and equal values once. Data flows to the right, from the inputs to `update`
and to the states that the next step reads. Constants stand in the boxes. Of a function whose arguments may not be
exchanged, the first arrives on a full line, the second on a dashed and the third on a dotted one, so the picture reads
in grey; lines of trees are thick.
Nothing of matplotlib is imported: the axes are given and know everything needed.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.program import (
    INPUTS,
    OUTPUTS,
    UPDATE,
    V1,
    V2,
    VARIABLES,
    Argument,
    Program,
    kinds_before,
    result_kind,
)
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, TREE, Function

Place: TypeAlias = tuple[int, int]
"""(box, column): the box itself in its own column, a point that its line passes in a later one."""

_SIGNS: Final = {
    "add": "+", "sub": "\N{MINUS SIGN}", "mul": "\N{MULTIPLICATION SIGN}", "div": "\N{DIVISION SIGN}", "power": "^",
}  # fmt: skip
_ENDS: Final = {UPDATE: "w \N{MINUS SIGN} update", V1: "v1 next", V2: "v2 next"}
_STYLES: Final = ("-", (0, (4, 1.5)), (0, (1, 1.5)))
_HOLE: Final = "\N{MIDDLE DOT}"
_INPUT, _ENTRIES, _WHOLE, _NUMBER, _OUTPUT = "#dbe9f6", "#fdf3d8", "#d9efdf", "#eceff1", "#e4dcf1"
_INK, _LINE, _THICK, _THIN = "#22303c", "#6b7a87", 1.6, 0.9
_SWEEPS: Final = 24
_BOX_GAP, _MIXED_GAP, _LINE_GAP, _PORT = 1.0, 0.75, 0.4, 0.65
_FONT_SIZE, _COLUMN_POINTS, _ROW_POINTS, _POINTS_PER_INCH = 10.0, 70.0, 34.0, 72.0
_LETTER, _MARGIN = 0.3, 0.55


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """One value, or one output.

    Attributes:
        text: what stands in the box.
        colour: of its face.
        sources: boxes that it reads, each with the style of the line.
        is_tree: whether its value is one.
    """

    text: str
    colour: str
    sources: tuple[tuple[int, int], ...] = ()
    is_tree: bool = True


def draw_program(program: Program, axes: Any) -> None:
    """Draws a program; limits and frame of the axes are set.

    Args:
        program: valid.
        axes: a matplotlib `Axes`, best about an inch wide per column, of which there are as many as steps that wait
            for one another: 12 by 4 inches suit up to 15 statements, 18 by 5 inches up to 30.
    """
    boxes = _live_boxes(program)
    columns = _columns(boxes)
    courses = {
        (source, target): [(source, column) for column in range(columns[source], columns[target])]
        for target, box in enumerate(boxes)
        for source, _ in box.sources
    }
    rows = _rows(courses, columns)
    axes.set_xlim(-0.6, max(columns) + 0.6)
    axes.set_ylim(min(rows.values()) - 0.7, max(rows.values()) + 0.7)
    axes.axis("off")
    for index, box in enumerate(boxes):
        x, y = float(columns[index]), rows[(index, columns[index])]
        _draw_box(axes, (x, y), box)
        entries = _entries(axes, [rows[(source, columns[index] - 1)] for source, _ in box.sources])
        for (source, style), entry in zip(box.sources, entries, strict=True):
            points = [(float(column), rows[(source, column)]) for _, column in courses[(source, index)]]
            end = (x - _half_width(axes, box.text), y + entry)
            _draw_line(axes, [*points, end], style=style, width=_THICK if boxes[source].is_tree else _THIN)


def _live_boxes(program: Program) -> list[_Box]:
    """Returns the boxes of all values that reach w, in an order in which sources come first, then the outputs."""
    boxes, results = _all_boxes(simplify(program))
    outputs = [output for output in OUTPUTS if output == UPDATE or results[output] != output]
    read = {source for box in boxes for source, _ in box.sources} | {results[output] for output in outputs}
    kept = [index for index in range(len(boxes)) if index >= len(INPUTS) or index in read]
    place = {index: rank for rank, index in enumerate(kept)}
    ends = [_Box(text=_ENDS[output], colour=_OUTPUT, sources=((place[results[output]], 0),)) for output in outputs]
    return [_moved(boxes[index], place) for index in kept] + ends


def _moved(box: _Box, place: Mapping[int, int]) -> _Box:
    sources = tuple((place[source], style) for source, style in box.sources)
    return _Box(text=box.text, colour=box.colour, sources=sources, is_tree=box.is_tree)


def _all_boxes(program: Program) -> tuple[list[_Box], dict[int, int]]:
    """Returns a box per distinct value and the box of each variable at the end; the first boxes are the inputs."""
    kinds = kinds_before(program, 0)
    boxes = [_Box(text=VARIABLES[given], colour=_INPUT, is_tree=kinds[given] == TREE) for given in INPUTS]
    now = {given: index for index, given in enumerate(INPUTS)}
    known: dict[tuple[int, tuple[Argument, ...]], int] = {}
    for statement in program:
        number, target, *arguments = statement
        read = tuple(now[a] if isinstance(a, int) else a for a in arguments)
        kind = result_kind(statement, kinds)
        if (number, read) not in known:
            known[(number, read)] = len(boxes)
            boxes.append(_box(FUNCTIONS[number], read, is_tree=kind == TREE))
        now[target], kinds[target] = known[(number, read)], kind
    return boxes, now


def _box(function: Function, read: Sequence[Argument], *, is_tree: bool) -> _Box:
    sources: dict[int, int] = {}
    alone = sum(isinstance(argument, int) for argument in read) == 1
    for position, argument in enumerate(read):
        if isinstance(argument, int):
            sources.setdefault(argument, 0 if function.commutative or alone else position)
    colour = _WHOLE if TREE in function.arguments else _ENTRIES if is_tree else _NUMBER
    return _Box(text=_text(function, read), colour=colour, sources=tuple(sources.items()), is_tree=is_tree)


def _text(function: Function, read: Sequence[Argument]) -> str:
    """Returns the name or sign with its constants: 'interp 0.9', '1 −', '÷ 2', '× itself', 'select ·, 1, ·'."""
    name = _SIGNS.get(function.name, function.name)
    shown = [_HOLE if isinstance(argument, int) else f"{argument:.4g}" for argument in read]
    constants = [text for text in shown if text != _HOLE]
    if not constants:
        return name if len(set(read)) == len(read) else f"{name} itself"
    if function.name in _SIGNS:
        left, right = ("" if text == _HOLE else text for text in shown)
        return f"{left} {name} {right}".strip().replace("+ -", "\N{MINUS SIGN} ")
    trailing = shown[-len(constants) :] == constants
    return f"{name}\n{', '.join(constants if trailing else shown)}"


def _columns(boxes: Sequence[_Box]) -> list[int]:
    """Returns the column of each box: trees that are given first, outputs last.

    A value of one other value, and a number that is given, stand just before their first reader.
    """
    columns: list[int] = []
    readers: list[list[int]] = [[] for _ in boxes]
    for index, box in enumerate(boxes):
        columns.append(1 + max((columns[source] for source, _ in box.sources), default=-1))
        for source, _ in box.sources:
            readers[source].append(index)
    last = max(columns)
    for index, box in reversed(list(enumerate(boxes))):
        if not readers[index]:
            columns[index] = last
        elif len(box.sources) <= 1 and not (box.colour == _INPUT and box.is_tree):
            columns[index] = min(columns[reader] for reader in readers[index]) - 1
    return columns


def _rows(courses: Mapping[Place, Sequence[Place]], columns: Sequence[int]) -> dict[Place, float]:
    """Returns a row for each box and each point of a long line.

    Every place moves to the mean of its neighbours and then apart from the others of its column, a few times over.

    Args:
        courses: (source, target) -> the places that this line passes, from the source on.
        columns: of the boxes.
    """
    near: dict[Place, set[Place]] = {place: set() for place in enumerate(columns)}
    for (_, target), course in courses.items():
        for one, other in zip(course, [*course[1:], (target, columns[target])], strict=True):
            near.setdefault(one, set()).add(other)
            near.setdefault(other, set()).add(one)
    layers = [sorted(place for place in near if place[1] == column) for column in range(max(columns) + 1)]
    rows = {place: float(-rank) for layer in layers for rank, place in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {place: sum(rows[other] for other in near[place]) / max(1, len(near[place])) for place in layer}
            rows.update(_apart(wanted, columns))
    return rows


def _apart(wanted: Mapping[Place, float], columns: Sequence[int]) -> dict[Place, float]:
    """Returns rows in the wanted order and with the wanted mean, boxes further apart than lines."""
    ordered = sorted(wanted, key=lambda place: (wanted[place], place))
    placed: list[float] = []
    for rank, place in enumerate(ordered):
        boxes = sum(columns[box] == column for box, column in ordered[max(0, rank - 1) : rank + 1])
        gap = (_LINE_GAP, _MIXED_GAP, _BOX_GAP)[boxes]
        placed.append(max(wanted[place], placed[-1] + gap) if placed else wanted[place])
    shift = (sum(wanted.values()) - sum(placed)) / max(1, len(placed))
    return {place: row + shift for place, row in zip(ordered, placed, strict=True)}


def _entries(axes: Any, heights: Sequence[float]) -> list[float]:
    """Returns where lines that come from these heights enter a box, relative to its middle, in the same order."""
    gap = _PORT * _font_size(axes) / _cell_points(axes)[1]
    ranks = {index: rank for rank, index in enumerate(sorted(range(len(heights)), key=lambda one: heights[one]))}
    return [gap * (ranks[index] - (len(heights) - 1) / 2) for index in range(len(heights))]


def _half_width(axes: Any, text: str) -> float:
    """Returns about half the width of a box, in columns."""
    letters = max(len(line) for line in text.split("\n"))
    return float(min(0.45, (letters * _LETTER + _MARGIN) * _font_size(axes) / _cell_points(axes)[0]))


def _font_size(axes: Any) -> float:
    """Returns the size in points at which neighbouring boxes do not touch, at most 10."""
    width, height = _cell_points(axes)
    return float(_FONT_SIZE * min(1.0, width / _COLUMN_POINTS, height / _ROW_POINTS))


def _cell_points(axes: Any) -> tuple[float, float]:
    """Returns the (width, height) of one column and one row in points."""
    place, figure = axes.get_position(), axes.figure
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    width = place.width * figure.get_figwidth() * _POINTS_PER_INCH / (right - left)
    height = place.height * figure.get_figheight() * _POINTS_PER_INCH / (top - bottom)
    return float(width), float(height)


def _draw_line(axes: Any, points: Sequence[tuple[float, float]], *, style: int, width: float) -> None:
    """Draws a smooth line through points of rising x, level at each of them, with a head at the last."""
    step = np.linspace(0.0, 1.0, 24)
    ease = step * step * (3.0 - 2.0 * step)
    pairs = list(itertools.pairwise(points))
    xs = np.concatenate([x0 + (x1 - x0) * step for (x0, _), (x1, _) in pairs])
    ys = np.concatenate([y0 + (y1 - y0) * ease for (_, y0), (_, y1) in pairs])
    axes.plot(xs, ys, color=_LINE, linewidth=width, linestyle=_STYLES[style], zorder=1)
    axes.plot(*points[-1], color=_LINE, marker=">", markersize=4, zorder=2)


def _draw_box(axes: Any, at: tuple[float, float], box: _Box) -> None:
    face = {"boxstyle": "round,pad=0.35", "facecolor": box.colour, "edgecolor": _LINE, "linewidth": 0.9}
    size = _font_size(axes)
    axes.text(*at, box.text, ha="center", va="center", fontsize=size, color=_INK, bbox=face, zorder=3)
