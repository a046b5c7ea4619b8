"""Figures to PNG, without pyplot.

Why: pyplot keeps global state and a thread of its own; tracking draws in a side thread. The rule: `Figure` only, and
every figure is forgotten when it is drawn. A picture costs about 30 ms, most of it text layout.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from automl.contracts.space import Genotype

PICTURE_INCHES = (6.0, 4.0)
DOTS_PER_INCH = 96


def png(figure: Figure) -> bytes:
    """Returns the figure as PNG; the same figure gives the same bytes (no date, no version inside)."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return content.getvalue()


def candidate_png(draw: Callable[[Genotype, object], None], genotype: Genotype) -> bytes:
    """Returns the candidate as its space draws it; a space that fails here gives a picture of the reason."""
    figure = _blank()
    try:
        draw(genotype, figure.axes[0])
    except Exception as error:
        figure = _blank()
        figure.axes[0].axis("off")
        words = f"no picture\n{type(error).__name__}: {error}"
        figure.axes[0].text(0.5, 0.5, words, ha="center", va="center", wrap=True)
    return png(figure)


def derived_pngs(
    draw: Callable[[Genotype, object], None], derived: Sequence[Mapping[str, Any]]
) -> dict[str, bytes]:
    """Returns file name -> picture of the first, the middle and the last derived genotype, as far as they differ."""
    places = {"derived_first.png": 0, "derived_middle.png": len(derived) // 2, "derived_last.png": len(derived) - 1}
    chosen: dict[int, str] = {}
    for name, place in places.items():
        if derived:
            chosen.setdefault(place, name)
    return {name: candidate_png(draw, derived[place]["genotype"]) for place, name in chosen.items()}


def _blank() -> Figure:
    figure = Figure(figsize=PICTURE_INCHES)  # no layout engine: "constrained" draws everything twice
    figure.add_subplot()
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.13, top=0.9)
    return figure
