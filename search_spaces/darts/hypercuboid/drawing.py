"""A chain as a picture on a matplotlib `Axes`.

Why: people see at once where a chain widens, narrows and halves the image. The rule: steps to the right, widths
upwards, every width of the grid a row; a SharpSepConv is a square, a ResizablePool a circle, so the picture reads in
grey; a step of stride 2 has a tinted column. Nothing of matplotlib is imported: the axes are given.
"""

from collections.abc import Sequence
from typing import Any

from search_spaces.darts.hypercuboid.chain import LETTERS, Chain
from search_spaces.darts.hypercuboid.plan import stride_of

_INK, _LINE, _GRID, _TINT = "#22303c", "#2f6f9f", "#c9d3db", "#f2f5f7"
_COLOURS = {"resizable_pool": "#fdf3d8", "sharp_sep_conv": "#dbe9f6"}
_STEM = "#e4dcf1"


def draw_chain(chain: Chain, axes: Any, *, sizes: Sequence[int]) -> None:
    """Draws a chain; limits, ticks, labels and title of the axes are set.

    Args:
        chain: what is drawn.
        axes: a matplotlib `Axes`, best about twice as wide as high.
        sizes: channels of each width of the grid; those of the chain are added where they are missing.
    """
    rows = sorted({*sizes, chain.stem, *(channels for channels, _ in chain.steps)})
    places = [rows.index(chain.stem), *(rows.index(channels) for channels, _ in chain.steps)]
    _frame(axes, rows=rows, steps=len(chain.steps))
    axes.plot(range(len(places)), places, color=_LINE, linewidth=2.0, zorder=2)
    _mark(axes, (0, places[0]), text="stem", colour=_STEM, shape="square")
    for number, (_, primitive) in enumerate(chain.steps, 1):
        shape = "circle" if primitive == "resizable_pool" else "square"
        _mark(axes, (number, places[number]), text=LETTERS[primitive], colour=_COLOURS[primitive], shape=shape)
    axes.set_title(f"{chain}   (S = SharpSepConv, R = ResizablePool)", fontsize=9, color=_INK)


def _frame(axes: Any, *, rows: Sequence[int], steps: int) -> None:
    """Draws the grid with its strides and names its rows and columns."""
    for step in range(steps):
        if stride_of(step) == 2:
            axes.axvspan(step + 0.5, step + 1.5, color=_TINT, zorder=0)
    for row in range(len(rows)):
        axes.plot([0, steps], [row, row], color=_GRID, linewidth=0.8, marker=".", markevery=1, zorder=1)
    axes.set_xlim(-0.6, steps + 0.6)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xticks(range(steps + 1), ["", *(str(step + 1) for step in range(steps))])
    axes.set_yticks(range(len(rows)), [str(channels) for channels in rows])
    axes.set_xlabel("step; tinted ones halve height and width", color=_INK)
    axes.set_ylabel("channels", color=_INK)
    axes.tick_params(length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _mark(axes: Any, at: tuple[float, float], *, text: str, colour: str, shape: str) -> None:
    style = {"boxstyle": f"{shape},pad=0.4", "facecolor": colour, "edgecolor": _LINE, "linewidth": 1.0}
    axes.text(*at, text, ha="center", va="center", fontsize=9, color=_INK, bbox=style, zorder=3)
