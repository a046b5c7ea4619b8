"""Which of its alternative legs a candidate is judged by: the points of its own (learning rate, weight decay) tuning.

Why: each candidate gets the settings that suit it, as a user would choose them, and the choice must not be made on the
numbers that judge it. The rule: one alternative per architecture, the best by the mean over seeds of the metric it is
chosen by; one that failed for any seed is out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from automl.contracts.recipe import Leg
from automl.contracts.trial import Curve, Objective
from automl.numerics.ranking import utility


def choose(objectives: Sequence[Objective], runs: Sequence[Mapping[Leg, Curve]]) -> tuple[Leg, ...] | None:
    """Returns the chosen leg of each architecture, as replicate 0.

    Args:
        objectives: of the task; the first that an architecture is measured by decides.
        runs: per seed, what each leg reached; legs that failed are absent.

    Returns:
        In the order of the legs; None where some architecture has no alternative that finished with every seed.
    """
    scores: dict[str, dict[Leg, list[float]]] = {}
    for run in runs:
        for leg, curve in run.items():
            value = _utility(objectives, leg, curve)
            scores.setdefault(leg.variant, {}).setdefault(replace(leg, replicate=0), []).append(value)
    chosen = []
    for alternatives in scores.values():
        means = {leg: _mean(values) for leg, values in alternatives.items() if len(values) == len(runs)}
        best = max(means, key=lambda leg: means[leg], default=None)
        if best is None or means[best] == -math.inf:
            return None
        chosen.append(best)
    return tuple(chosen)


def of_legs(legs: Sequence[Leg], run: Mapping[Leg, Curve]) -> dict[Leg, Curve]:
    """Returns the part of one seed's curves that belongs to the chosen legs."""
    wanted = set(legs)
    return {leg: curve for leg, curve in run.items() if replace(leg, replicate=0) in wanted}


def _utility(objectives: Sequence[Objective], leg: Leg, curve: Curve) -> float:
    objective = next((one for one in objectives if one.variant in (None, leg.variant)), None)
    return -math.inf if objective is None else utility(curve.last(objective.metric), objective.direction)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
