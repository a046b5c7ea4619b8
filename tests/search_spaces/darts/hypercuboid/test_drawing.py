"""Pictures of chains."""

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from search_spaces.darts.hypercuboid.drawing import draw_chain
from search_spaces.darts.hypercuboid.zoo import PUBLISHED


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_every_step_has_a_mark_of_its_own_at_its_width(name):
    chain = PUBLISHED[name]
    figure = Figure(figsize=(9, 4))
    axes = figure.add_subplot()
    draw_chain(chain, axes, sizes=(32, 64, 128, 256))
    FigureCanvasAgg(figure).draw()
    marks = [text for text in axes.texts if text.get_bbox_patch() is not None]
    assert [mark.get_text() for mark in marks] == ["stem", *(step[-1] for step in str(chain).split()[1:])]
    heights = [(32, 64, 128, 256).index(channels) for channels in (chain.stem, *(c for c, _ in chain.steps))]
    assert [mark.get_position() for mark in marks] == list(enumerate(heights))
    extents = [mark.get_bbox_patch().get_window_extent() for mark in marks]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(extents, 2))
    assert axes.get_title().startswith(str(chain))
