"""A study in one figure: the search, its outcomes, and what rejecting early saved.

Why: a reviewer sees at a glance whether the search still improves and which filter does the rejecting.
The rule: drawn from a `Tally` or a note alone; trial numbers on the x axis, never times, so the same log gives the
same picture.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from automl.contracts.trial import Values
from automl.tracking.tally import Tally

INK, BEST, GREY, RED, AMBER = "#33475b", "#1b7f5c", "#b8c0c8", "#c0453b", "#d9952f"
MAX_BARS = 8


def study_figure(tally: Tally, *, baseline: Values, title: str) -> Figure:
    """Returns the figure: one curve per objective on top; outcomes and saved steps below.

    Args:
        tally: the totals.
        baseline: one value per objective, () where unknown.
        title: name of the study.
    """
    rows = len(tally.objectives)
    figure = Figure(figsize=(9.0, 3.0 + 3.0 * rows), layout="constrained")
    grid = figure.add_gridspec(rows + 1, 2)
    figure.suptitle(title, color=INK, fontsize=13)
    for index in range(rows):
        value = baseline[index] if index < len(baseline) else None
        best_so_far(figure.add_subplot(grid[index, :]), tally, objective=index, baseline=value)
    outcomes(figure.add_subplot(grid[rows, 0]), tally)
    saved_steps(figure.add_subplot(grid[rows, 1]), tally)
    return figure


def best_so_far(axes: Axes, tally: Tally, *, objective: int, baseline: float | None) -> None:
    """Draws every completed trial, the best so far as steps, the baseline, and a tick per trial without a value.

    Args:
        axes: to draw on.
        tally: the totals.
        objective: index of the objective.
        baseline: its value for the baseline, None where unknown.
    """
    done = [(e.number, v) for e in tally.events if e.outcome == "completed" and (v := e.values[objective]) is not None]
    axes.scatter([n for n, _ in done], [v for _, v in done], s=16, color=GREY, label="completed", zorder=2)
    best = [(number, value) for number, value, _ in tally.improvements[objective]]
    if best:
        last = max(tally.trials - 1, best[-1][0])
        numbers, values = [*(n for n, _ in best), last], [*(v for _, v in best), best[-1][1]]
        axes.step(numbers, values, where="post", color=BEST, linewidth=2, label="best so far", zorder=3)
    if baseline is not None:
        axes.axhline(baseline, color=INK, linestyle="--", linewidth=1, label="baseline", zorder=1)
    for outcome, colour, mark in (("rejected", RED, "|"), ("failed", AMBER, "x")):
        numbers = [event.number for event in tally.events if event.outcome == outcome]
        if numbers:
            low = axes.get_xaxis_transform()
            axes.scatter(numbers, [0.03] * len(numbers), transform=low, s=28, marker=mark, color=colour, label=outcome)
    axes.set_xlim(-0.5, max(tally.trials - 0.5, 0.5))
    _label(axes, "trial", tally.objectives[objective].name)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def outcomes(axes: Axes, tally: Tally) -> None:
    """Draws one bar per outcome, rejections split by filter and failures by reason, most frequent first."""
    rejected = [(f"rejected: {name}", count, RED) for name, count in tally.rejected_by.most_common(MAX_BARS)]
    failed = [(f"failed: {name}", count, AMBER) for name, count in tally.failed_by.most_common(MAX_BARS)]
    first = [("completed", tally.outcomes["completed"], BEST), ("duplicate", tally.outcomes["duplicate"], GREY)]
    bars: Sequence[tuple[str, int, str]] = [bar for bar in (*first, *rejected, *failed) if bar[1]]
    places = range(len(bars))
    drawn = axes.barh(places, [count for _, count, _ in bars], color=[colour for *_, colour in bars], height=0.7)
    axes.set_yticks(places, [name for name, *_ in bars])
    axes.bar_label(drawn, padding=3, fontsize=8, color=INK)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    _label(axes, "trials", "")


def saved_steps(axes: Axes, tally: Tally) -> None:
    """Draws the running total of training steps that rejected and duplicate trials did not take."""
    numbers, saved = [event.number for event in tally.events], [event.saved_steps for event in tally.events]
    axes.fill_between(numbers, saved, step="post", color=BEST, alpha=0.25)
    axes.step(numbers, saved, where="post", color=BEST, linewidth=1.5)
    whole = tally.steps_trained + tally.steps_saved
    share = f"{100 * tally.steps_saved / whole:.0f} % of {whole:,}" if whole else "none"
    axes.set_title(f"steps saved: {share}", fontsize=9, color=INK)
    axes.set_ylim(bottom=0)
    _label(axes, "trial", "steps saved")


def meta_validation_figure(report: Mapping[str, Any], *, title: str) -> Figure:
    """Returns the figure: above, the best so far in the search; below, the same trials on the larger task.

    Args:
        report: of `automl.flows.meta_validation.meta_validation`.
        title: name of the study.
    """
    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    figure.suptitle(f"{title}: {_verdict(report)}", color=INK, fontsize=13)
    above, below = figure.subplots(2, 1, sharex=True)
    curve = report["curve"]
    above.plot([one["trial"] for one in curve], [one["search"] for one in curve], "o-", color=BEST, linewidth=2)
    _label(above, "", f"{report['search_objective']} in the search")
    done = [one for one in curve if one["mean"] is not None]
    numbers, means, spreads = ([one[name] for one in done] for name in ("trial", "mean", "sd"))
    below.errorbar(numbers, means, yerr=spreads, fmt="o-", color=AMBER, capsize=3, label="mean and sd over seeds")
    baseline = report["baseline"]["mean"]
    if baseline is not None:
        below.axhline(baseline, color=INK, linestyle="--", linewidth=1, label="baseline")
    _label(below, "trial", f"{report['objective']} of {report['task']}")
    below.legend(fontsize=8, frameon=False)
    return figure


def _verdict(report: Mapping[str, Any]) -> str:
    words = {True: "meta-overfitting", False: "no meta-overfitting beyond noise", None: "larger task"}
    return words[report["meta_overfitting"]]


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="x", integer=True)
