"""A grid of learning rates and weight decays, trained as alternative legs of one trial.

Why: a new optimizer wants another learning rate than the old one, so a comparison at one fixed rate measures little
else. The rule: every candidate, the baseline included, gets the same grid, and its best point counts (`leg_values`).
Source: Choi et al. 2019, "On empirical comparisons of optimizers for deep learning".
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product

from automl.errors import InvalidSetting

LARGEST_GRID = 64
"""Points; each is a whole training run of every candidate."""


def grid_overrides(
    learning_rates: Sequence[float], weight_decays: Sequence[float]
) -> tuple[Mapping[str, float], ...]:
    """Returns the overrides of each point, learning rates outermost; without any value the task's own point alone.

    Args:
        learning_rates: () leaves the task's own.
        weight_decays: () leaves the task's own.
    """
    axes = {"learning_rate": learning_rates, "weight_decay": weight_decays}
    varied = {name: values for name, values in axes.items() if values}
    return tuple(dict(zip(varied, map(float, point), strict=True)) for point in product(*varied.values()))


def require_grid(learning_rates: Sequence[float], weight_decays: Sequence[float]) -> None:
    """Checks a grid.

    Raises:
        InvalidSetting: a value that is no learning rate or weight decay, one that is given twice, or too many points.
    """
    _require_axis("task.learning_rates", learning_rates, zero=())
    _require_axis("task.weight_decays", weight_decays, zero=(0,))
    points = len(learning_rates or (0,)) * len(weight_decays or (0,))
    if points > LARGEST_GRID:
        given = f"{len(learning_rates)} learning rates x {len(weight_decays)} weight decays"
        raise InvalidSetting("task.learning_rates", given, f"at most {LARGEST_GRID} points; leave some out")


def _require_axis(name: str, values: Sequence[float], *, zero: tuple[int, ...]) -> None:
    """Checks one axis; `zero` holds 0 where that is a legal value."""
    allowed = f"different finite numbers {'>= 0' if zero else '> 0'}, or none at all for the task's own value"
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InvalidSetting(name, values, allowed)
    if not all(_is_number(value) and (value > 0 or value in zero) for value in values):
        raise InvalidSetting(name, values, allowed)
    if len({float(value) for value in values}) < len(values):
        raise InvalidSetting(name, values, f"{allowed}; drop what stands twice")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
