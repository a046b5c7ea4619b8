"""A refined schedule in one figure: what was recorded, and what follows from it.

Why: a reviewer sees at a glance whether the norms say what the schedule does with them. The rule: drawn from the report
alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from automl.tracking.charts import AMBER, BEST, GREY, INK


def refinement_figure(report: Mapping[str, Any]) -> Figure:
    """Returns the figure: above, the gradient norms and their smoothed course; below, the old and the refined schedule.

    Args:
        report: of `automl.flows.schedule_refinement.refine_run`.
    """
    figure = Figure(figsize=(8.0, 6.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    norms = [math.nan if one is None else one for one in report["norms"]]
    _line(above, norms, colour=GREY, label="recorded", width=0.8)
    _line(above, report["smoothed"], colour=BEST, label=f"running median over {report['smoothing']:.0%} of the run")
    above.set_yscale("log")
    above.set_ylabel(f"{report['norm']} norm of the gradient", color=INK, fontsize=9)
    if report["old"] is not None:
        _line(below, report["old"], colour=AMBER, label="as it was")
    _line(below, report["multipliers"], colour=BEST, label=f"refined ({report['method']})")
    below.set_ylim(bottom=0)
    below.set_ylabel("share of the peak learning rate", color=INK, fontsize=9)
    below.set_xlabel("step", color=INK, fontsize=9)
    for axes in (above, below):
        axes.tick_params(colors=INK, labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    return figure


def _line(axes: Axes, values: Sequence[float], *, colour: str, label: str, width: float = 1.8) -> None:
    axes.plot(range(len(values)), values, color=colour, linewidth=width, label=label)
