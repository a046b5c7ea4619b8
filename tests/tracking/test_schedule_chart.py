"""The picture of a refined schedule."""

from typing import Any

import pytest

from automl.tracking.pictures import png
from automl.tracking.schedule_chart import refinement_figure

REPORT: dict[str, Any] = {
    "norms": [4.0, None, 2.0, 1.0],
    "smoothed": [4.0, 3.0, 2.0, 1.0],
    "norm": "l1",
    "smoothing": 0.1,
    "method": "closed-form",
    "old": [1.0, 1.0, 1.0, 1.0],
    "multipliers": [0.5, 1.0, 0.5, 0.0],
}


@pytest.mark.parametrize(("old", "lines"), [(REPORT["old"], 2), (None, 1)])
def test_norms_stand_above_and_schedules_below(old: Any, lines: int) -> None:
    above, below = refinement_figure({**REPORT, "old": old}).axes
    assert len(above.lines) == 2 and len(below.lines) == lines
    assert above.get_yscale() == "log" and list(below.lines[-1].get_ydata()) == REPORT["multipliers"]


def test_the_same_report_gives_the_same_picture() -> None:
    assert png(refinement_figure(REPORT)) == png(refinement_figure(REPORT))
