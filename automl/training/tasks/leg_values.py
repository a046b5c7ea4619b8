"""From the curves of a trial's legs to its objective values.

The rule: legs that share (variant, replicate) are alternatives, of which the best counts; replicates are averaged; a
replicate without any value leaves the objective without one, so that a lucky seed cannot stand for all.
"""

from collections.abc import Mapping, Sequence

from automl.contracts import Curve, Leg, Objective, Values


def objective_values(objectives: Sequence[Objective], curves: Mapping[Leg, Curve]) -> Values:
    """Returns one number per objective, None where a replicate has none."""
    return tuple(_value(objective, curves) for objective in objectives)


def _value(objective: Objective, curves: Mapping[Leg, Curve]) -> float | None:
    best: dict[tuple[str, int], float | None] = {}
    choose = max if objective.direction == "maximize" else min
    for leg, curve in curves.items():
        if objective.variant in (None, leg.variant):
            place, value = (leg.variant, leg.replicate), curve.last(objective.metric)
            known = [number for number in (best.get(place), value) if number is not None]
            best[place] = choose(known) if known else None
    numbers = [number for number in best.values() if number is not None]
    return sum(numbers) / len(numbers) if numbers and len(numbers) == len(best) else None
