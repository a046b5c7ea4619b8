"""Pictures of graphs."""

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from search_spaces.norm_act.drawing import draw_graph
from search_spaces.norm_act.fingerprint import prober
from search_spaces.norm_act.zoo import DESIGNS


def boxes(nodes) -> list:
    figure = Figure(figsize=(11, 4))
    axes = figure.add_subplot()
    draw_graph(nodes, axes)
    FigureCanvasAgg(figure).draw()
    return [text for text in axes.texts if text.get_bbox_patch() is not None]


@pytest.mark.parametrize("name", ["evonorm-b1", "bn-silu", "relu", "crrelu"])
def test_every_live_value_and_the_closing_affine_have_a_box(name):
    nodes = DESIGNS[name]
    read = {argument for node in nodes for argument in node[1:] if argument < 4}
    assert len(boxes(nodes)) == len(nodes) + len(read) + 1


def test_boxes_do_not_overlap(random_graph):
    useful = [random_graph(seed) for seed in range(300)]
    useful = [nodes for nodes in useful if not prober().reason(nodes, batch_independent=False)]
    for nodes in [*DESIGNS.values(), *useful[:15]]:
        extents = [text.get_bbox_patch().get_window_extent() for text in boxes(nodes)]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(extents, 2))


def test_a_graph_without_operators_can_be_drawn():
    assert [text.get_text() for text in boxes((("mul", 0, 1),))].count("0") == 1
