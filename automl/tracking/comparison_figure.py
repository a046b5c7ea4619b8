"""A comparison in one figure: the performance profile, and the score of every method.

Why: whether a method is fastest often, or slow rarely, is two ends of one curve. The rule: drawn from the report alone;
methods stand in the order of their scores, and each keeps its colour.

Source: performance profiles, Dolan and More 2002.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#33475b"
COLOURS = ("#1b7f5c", "#c0453b", "#2f6db5", "#d9952f", "#7a4fa3", "#5f6b76", "#2aa3a3", "#b0588a")
DASHES = ("-", "--", "-.", ":")


def profile_figure(report: Mapping[str, Any]) -> Figure:
    """Returns the figure: on the left the profile, on the right the scores with their intervals.

    Args:
        report: of `automl.flows.compare.compare`.
    """
    names = sorted(report["scores"], key=lambda name: -report["scores"][name]["score"])
    styles: dict[str, dict[str, Any]] = {
        name: {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place // len(COLOURS) % len(DASHES)]}
        for place, name in enumerate(names)
    }
    figure = Figure(figsize=(11.0, max(4.0, 1.2 + 0.35 * len(names))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _profile(left, report, styles)
    _scores(right, [(name, report["scores"][name]) for name in names], styles)
    return figure


def _profile(axes: Axes, report: Mapping[str, Any], styles: Mapping[str, Mapping[str, Any]]) -> None:
    counted = [one["workload"] for one in report["workloads"] if one["held_out_of"] is None]
    end = report["profile"]["factors"][-1]
    for name, style in styles.items():
        reached = sorted(ratio for one in counted if (ratio := report["times"][name][one]["ratio"]) is not None)
        shares = [sum(one <= ratio for one in reached) / len(counted) for ratio in (1.0, *reached, end)]
        axes.plot([1.0, *reached, end], shares, drawstyle="steps-post", linewidth=2, label=name, **style)
    axes.set_xlim(1.0, end)
    axes.set_ylim(-0.03, 1.03)
    axes.set_title(f"share of {len(counted)} workloads within a factor of the fastest", fontsize=9, color=INK)
    _label(axes, "steps to target / those of the fastest", "share of workloads")
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def _scores(
    axes: Axes, rows: Sequence[tuple[str, Mapping[str, Any]]], styles: Mapping[str, Mapping[str, Any]]
) -> None:
    places = range(len(rows))
    axes.barh(places, [one["score"] for _, one in rows], color=[styles[name]["color"] for name, _ in rows], height=0.6)
    for place, (_, one) in zip(places, rows, strict=True):
        if one["low"] is not None:
            axes.plot([one["low"], one["high"]], [place, place], color=INK, linewidth=1.5)
    axes.set_yticks(places, [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_title("score, with 95 % interval over studies", fontsize=9, color=INK)
    _label(axes, "area under the profile", "")


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
