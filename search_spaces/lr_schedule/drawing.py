"""A schedule as a picture on a matplotlib `Axes`.

Why: people judge a schedule by its curve. The rule: the curve as `multipliers` gives it, over t/T; a reactive rule has
none, and its mathematics is written instead. Nothing of matplotlib is imported: the axes are given.
"""

import textwrap
from typing import Any

import numpy as np

from search_spaces.lr_schedule.curve import Curve
from search_spaces.lr_schedule.families import Rule

STEPS = 1_000
_INK, _LINE = "#22303c", "#2f6f9f"
_WIDTH = 64


def draw_rule(rule: Rule, axes: Any, *, title: str) -> None:
    """Draws a curve, or writes a rule; limits, labels and title of the axes are set."""
    if not isinstance(rule, Curve):
        axes.axis("off")
        axes.set_title(f"{rule.family}: reacts to the training", fontsize=9, color=_INK)
        axes.text(0.02, 0.98, textwrap.fill(title, _WIDTH), va="top", color=_INK, transform=axes.transAxes)
        return
    shown = textwrap.wrap(title, _WIDTH, max_lines=2, placeholder=" ...")
    axes.set_title("\n".join(shown), fontsize=9, color=_INK)
    axes.plot(np.arange(STEPS) / STEPS, rule.multipliers(STEPS), color=_LINE, linewidth=1.6)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("t/T")
    axes.set_ylabel("share of the peak learning rate")
    axes.grid(alpha=0.25)
