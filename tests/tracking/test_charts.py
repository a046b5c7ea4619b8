"""The study's figure, read back from its artists."""

import pytest

from automl.tracking.charts import meta_validation_figure, study_figure
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


def test_the_way_of_the_search_is_drawn_above_the_larger_task():
    report = {
        "task": "large",
        "search_objective": "score",
        "objective": "loss",
        "curve": [
            {"trial": 0, "search": 0.1, "mean": 2.0, "sd": 0.1},
            {"trial": 4, "search": 0.2, "mean": None, "sd": None},
            {"trial": 9, "search": 0.3, "mean": 2.5, "sd": 0.2},
        ],
        "baseline": {"mean": 1.9, "sd": 0.1},
        "meta_overfitting": True,
    }
    figure = meta_validation_figure(report, title="toy")
    above, below = figure.axes
    assert list(above.get_lines()[0].get_xdata()) == [0, 4, 9]
    assert list(below.get_lines()[0].get_xdata()) == [0, 9], "what could not be trained has no point"
    assert [above.get_ylabel(), below.get_ylabel()] == ["score in the search", "loss of large"]
    assert figure.get_suptitle() == "toy: meta-overfitting"
    untrained = report | {"curve": report["curve"][1:2], "baseline": {"mean": None}, "meta_overfitting": None}
    assert png(meta_validation_figure(untrained, title="toy")).startswith(PNG)
