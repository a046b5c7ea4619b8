"""The study's figure, read back from its artists."""

import pytest

from automl.tracking.charts import study_figure
from automl.tracking.pictures import candidate_png, png
from automl.tracking.tally import Tally

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def tally(made, mixed_study):
    tally = Tally(objectives=(made.accuracy,))
    for opened, closed in zip(mixed_study.opened, mixed_study.closed, strict=True):
        tally.add(opened, closed)
    return tally


def test_the_best_curve_ends_at_the_last_trial(tally):
    figure = study_figure(tally, baseline=(0.8,), title="toy")
    step = next(line for line in figure.axes[0].get_lines() if line.get_label() == "best so far")
    assert list(step.get_xdata()) == [0, 3, 3]
    assert list(step.get_ydata()) == [0.7, 0.9, 0.9]
    assert {text.get_text() for text in figure.axes[1].get_yticklabels()} == {
        "completed",
        "rejected: validity",
        "failed: diverged",
    }


def test_the_same_log_gives_the_same_picture(tally):
    assert png(study_figure(tally, baseline=(), title="toy")) == png(study_figure(tally, baseline=(), title="toy"))


def test_a_study_without_a_completed_trial_is_drawn_too(made):
    tally = Tally(objectives=(made.accuracy,))
    tally.add(*made.screened(0))
    assert png(study_figure(tally, baseline=(), title="toy")).startswith(PNG)


def test_a_space_that_fails_to_draw_gives_a_picture_of_the_reason():
    def broken(genotype, axes):
        raise ValueError("no layout")

    assert candidate_png(broken, {}).startswith(PNG)
