"""A pair of cells as a picture on a matplotlib `Axes`.

Why: people judge a cell by its wiring. The rule: drawn like a circuit. Each state has a rail on the left, each node a
row with one lane per edge; a dot is where an edge leaves its rail, and a line from a node back to the left is where
later nodes may read it. So nothing overlaps, whatever the cell. Nothing of matplotlib is imported: the axes are given.
"""

from typing import Any

from search_spaces.darts.cell import INPUTS, Cell, CellPair, Edge

_INK, _LINE = "#22303c", "#8795a1"
_COLOURS = ("#2f6f9f", "#b5541c", "#2e8b57", "#8d4b9e", "#a8871d", "#c0392b", "#16838a")
_CONVOLUTION, _POOL, _SKIP, _NODE = "#fdf3d8", "#d9efdf", "#ffffff", "#e4dcf1"
_RAIL, _BOX, _GAP = 0.55, 2.6, 1.3
_TRACK = 0.8
_FONT, _POINTS_PER_INCH = 8.0, 72.0
_LANE_POINTS, _LETTER_WIDTH = 1.35, 0.62

_LEGEND = "0 and 1: outputs of the two cells before; thick bar: nodes side by side, the output"

_LABELS = {
    "none": "none",
    "skip_connect": "skip",
    "max_pool_3x3": "max 3",
    "avg_pool_3x3": "avg 3",
    "conv_7x1_1x7": "7x1 1x7",
}


def draw_cells(cells: CellPair, axes: Any) -> None:
    """Draws both cells side by side; limits, frame and title of the axes are set.

    Args:
        cells: canonical ones read best, as their edges are sorted.
        axes: a matplotlib `Axes`, best about one and a half times as wide as high.
    """
    widths = [_width(cell) for cell in (cells.normal, cells.reduce)]
    height = max(_height(cell) for cell in (cells.normal, cells.reduce))
    axes.set_xlim(-0.6, sum(widths) + _GAP + 0.6)
    axes.set_ylim(-height - 0.7, 1.6)
    axes.axis("off")
    middle = (sum(widths) + _GAP) / 2
    axes.text(middle, -height - 0.6, _LEGEND, ha="center", va="bottom", fontsize=_font_size(axes) * 0.9, color=_INK)
    left = 0.0
    for title, cell, width in zip(("normal", "reduction"), (cells.normal, cells.reduce), widths, strict=True):
        _draw_cell(cell, axes, left=left, title=f"{title} cell")
        left += width + _GAP


def _draw_cell(cell: Cell, axes: Any, *, left: float, title: str) -> None:
    """Draws one cell, from `left` to the right and from 0 down."""
    rails, size = _rails(cell), _font_size(axes)
    box, node = left + rails * _RAIL + 0.7, left + rails * _RAIL + 0.7 + _BOX + 0.8
    axes.text(left + _width(cell) / 2, 1.5, title, ha="center", va="top", fontsize=size * 1.15, color=_INK)
    starts, ends = {0: 0.0, 1: 0.0}, {0: 0.0, 1: 0.0}
    top = 0.0
    for state, edges in enumerate(cell.nodes, INPUTS):
        lanes = [top - 0.5 - lane for lane in range(max(1, len(edges)))]
        middle = (lanes[0] + lanes[-1]) / 2
        for edge, lane in zip(edges, lanes, strict=False):
            ends[edge.source] = lane
            _draw_edge(edge, axes, (left, box, node), (lane, middle))
        _draw_output(axes, (node, middle), bar=node + 0.9 if state in cell.concat else None)
        if _is_read(cell, state):
            starts[state] = lanes[-1] - _TRACK
            corner = left + state * _RAIL
            _line(axes, [node, node, corner], [middle, starts[state], starts[state]], state=state)
        axes.text(
            node, middle, str(state), ha="center", va="center", fontsize=size, color=_INK, bbox=_style(_NODE), zorder=4
        )
        top = lanes[-1] - 0.5 - (_TRACK - 0.3)
    for state, end in ends.items():
        _line(axes, [left + state * _RAIL] * 2, [starts[state], end], state=state)
    for state in range(INPUTS):
        axes.text(left + state * _RAIL, 0.1, str(state), ha="center", va="bottom", fontsize=size, color=_colour(state))
    _draw_bar(axes, node + 0.9, top=0.0, bottom=top)


def _draw_edge(edge: Edge, axes: Any, columns: tuple[float, float, float], heights: tuple[float, float]) -> None:
    """Draws a dot on the rail, the operation in its box, and the way to the node."""
    (left, box, node), (lane, middle) = columns, heights
    rail = left + edge.source * _RAIL
    _line(axes, [rail, box], [lane, lane], state=edge.source)
    axes.plot(rail, lane, "o", color=_colour(edge.source), markersize=_font_size(axes) * 0.45, zorder=3)
    axes.plot([box + _BOX, node - 0.45, node], [lane, lane, middle], color=_LINE, linewidth=1.0, zorder=1)
    width, height = _BOX, 0.74
    corners = ([box, box + width, box + width, box], [lane - height / 2] * 2 + [lane + height / 2] * 2)
    axes.fill(*corners, facecolor=_fill(edge.operation), edgecolor=_LINE, linewidth=0.8, zorder=3)
    text = label(edge.operation)
    axes.text(
        box + width / 2, lane, text, ha="center", va="center_baseline", fontsize=_font_size(axes), color=_INK, zorder=4
    )


def _draw_output(axes: Any, at: tuple[float, float], *, bar: float | None) -> None:
    if bar is not None:
        axes.plot([at[0], bar], [at[1], at[1]], color=_LINE, linewidth=1.0, zorder=1)


def _draw_bar(axes: Any, at: float, *, top: float, bottom: float) -> None:
    axes.plot([at, at], [top - 0.2, bottom + 0.2], color=_INK, linewidth=2.4, zorder=2, solid_capstyle="butt")


def _line(axes: Any, xs: list[float], ys: list[float], *, state: int) -> None:
    axes.plot(xs, ys, color=_colour(state), linewidth=1.2, zorder=2, solid_joinstyle="round")


def label(operation: str) -> str:
    """Returns the words in an operation's box: "sep 3", "dil flood 3"."""
    kind, _, kernel = operation.rpartition("_")
    return _LABELS.get(operation) or f"{kind.replace('_conv', '').replace('_', ' ')} {kernel[0]}"


def _is_read(cell: Cell, state: int) -> bool:
    return any(edge.source == state for edges in cell.nodes for edge in edges)


def _rails(cell: Cell) -> int:
    """Returns the number of states that can be read: all but the last."""
    return INPUTS + len(cell.nodes) - 1


def _width(cell: Cell) -> float:
    return _rails(cell) * _RAIL + 0.7 + _BOX + 0.8 + 0.9


def _height(cell: Cell) -> float:
    return sum(max(1, len(edges)) + _TRACK - 0.3 for edges in cell.nodes)


def _colour(state: int) -> str:
    return _COLOURS[state % len(_COLOURS)]


def _fill(operation: str) -> str:
    if "conv" in operation:
        return _CONVOLUTION
    return _POOL if "pool" in operation else _SKIP


def _style(colour: str) -> dict[str, Any]:
    return {"boxstyle": "circle,pad=0.2", "facecolor": colour, "edgecolor": _LINE, "linewidth": 0.8}


def _font_size(axes: Any) -> float:
    """Returns the size in points at which text fits its lane and its box, at most 8."""
    place, figure = axes.get_position(), axes.figure
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    unit = place.width * figure.get_figwidth() * _POINTS_PER_INCH / (right - left)
    lane = place.height * figure.get_figheight() * _POINTS_PER_INCH / (top - bottom)
    longest = len("dil flood 3")
    return float(min(_FONT, lane / _LANE_POINTS, unit * _BOX / (longest * _LETTER_WIDTH)))
