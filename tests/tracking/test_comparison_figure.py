"""The performance profile as a picture: steps at the ratios, methods by score."""

from typing import Any

import numpy as np

from automl.tracking.comparison_figure import profile_figure
from automl.tracking.pictures import png


def report() -> dict[str, Any]:
    ratios = {"A": [1.0, 1.0, 2.0, None], "B": [1.5, 3.0, 1.0, 1.0], "C": [None] * 4}
    names = [f"w{place}" for place in range(4)]
    return {
        "workloads": [{"workload": name, "held_out_of": None} for name in names]
        + [{"workload": "w0 width", "held_out_of": "w0"}],
        "times": {
            method: {name: {"ratio": ratio} for name, ratio in zip(names, found, strict=True)}
            for method, found in ratios.items()
        },
        "scores": {
            "A": {"score": 0.67, "low": None, "high": None},
            "B": {"score": 0.79, "low": 0.7, "high": 0.85},
            "C": {"score": 0.0, "low": 0.0, "high": 0.0},
        },
        "profile": {"factors": [1.0, 2.0, 4.0], "shares": {}},
    }


def test_curves_step_at_the_ratios_in_the_order_of_the_scores() -> None:
    figure = profile_figure(report())
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(lines) == ["B", "A", "C"]
    assert np.asarray(lines["A"].get_xdata()).tolist() == [1, 1, 1, 2, 4]
    assert np.asarray(lines["A"].get_ydata()).tolist() == [0.5, 0.5, 0.5, 0.75, 0.75]
    assert np.asarray(lines["B"].get_ydata()).tolist() == [0.5, 0.5, 0.5, 0.75, 1, 1]
    assert np.asarray(lines["C"].get_ydata()).tolist() == [0, 0]


def test_scores_are_bars_with_their_intervals() -> None:
    axes = profile_figure(report()).axes[1]
    assert [bar.get_width() for bar in axes.patches] == [0.79, 0.67, 0.0]  # type: ignore[attr-defined]
    assert [np.asarray(line.get_xdata()).tolist() for line in axes.get_lines()] == [[0.7, 0.85], [0.0, 0.0]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["B", "A", "C"]


def test_the_same_report_gives_the_same_picture() -> None:
    assert png(profile_figure(report())) == png(profile_figure(report()))
