"""The picture of a schedule."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from search_spaces.lr_schedule import LrScheduleSpace
from search_spaces.lr_schedule.families import FAMILIES

plt.switch_backend("agg")
SPACE = LrScheduleSpace(families=tuple(FAMILIES))


@pytest.mark.parametrize("name", ["linear", "infinite-inverse-sqrt", "sgdr"])
def test_a_curve_is_drawn_as_it_is(name):
    figure, axes = plt.subplots()
    SPACE.draw(SPACE.zoo()[name], axes)
    x, y = axes.lines[0].get_data()
    assert (y == SPACE.multipliers(SPACE.zoo()[name], len(x))).all() and x[-1] < 1
    assert np.diff(x) == pytest.approx(x[1])
    assert axes.get_title() and len(axes.get_title().splitlines()) <= 2
    plt.close(figure)


def test_a_rule_that_reacts_is_written_down():
    figure, axes = plt.subplots()
    SPACE.draw(SPACE.zoo()["plateau"], axes)
    assert not axes.lines and "has not improved" in axes.texts[0].get_text().replace("\n", " ")
    plt.close(figure)
