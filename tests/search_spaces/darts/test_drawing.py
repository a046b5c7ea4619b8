"""The picture: every edge is there, inside the axes, and boxes do not overlap."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.drawing import draw_cells, label
from search_spaces.darts.vocabulary import SHORT_NAMES


def drawn(cells):
    axes = Figure(figsize=(6.0, 4.0)).add_subplot()
    draw_cells(cells, axes)
    return axes


def boxes(axes) -> list:
    return [patch.get_extents() for patch in axes.patches]


@pytest.mark.parametrize("name", DESIGNS)
def test_every_edge_of_a_published_cell_has_a_box_with_its_name(name):
    cells = DESIGNS[name].cells
    axes = drawn(cells)
    names = [edge.operation for cell in (cells.normal, cells.reduce) for edges in cell.nodes for edge in edges]
    assert len(axes.patches) == len(names)
    shown = [text.get_text() for text in axes.texts]
    assert all(shown.count(label(operation)) >= names.count(operation) for operation in names)
    assert {"normal cell", "reduction cell"} <= set(shown)


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 8))
def test_boxes_lie_inside_and_apart_and_hold_their_words(random_pair, seed, nodes):
    axes = drawn(random_pair(seed, nodes=nodes))
    axes.figure.canvas.draw()
    placed, frame = boxes(axes), axes.get_window_extent()
    assert all(
        frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in placed
    )
    assert not any(one.overlaps(other) for index, one in enumerate(placed) for other in placed[:index])
    words = [text for text in axes.texts if text.get_text() in {label(name) for name in SHORT_NAMES}]
    assert all(text.get_window_extent().width <= placed[0].width for text in words)


def test_labels_are_short_words():
    assert [label(name) for name in ("sep_conv_3x3", "dil_flood_conv_3x3", "skip_connect", "avg_pool_3x3")] == [
        "sep 3",
        "dil flood 3",
        "skip",
        "avg 3",
    ]
