"""The filters of the engine by name, in the order in which they judge.

Why: the command line switches a filter off or changes its threshold by name. The rule: cheap before dear; a space's own
filters judge after these.
"""

from collections.abc import Mapping

from automl.contracts.trial import Monitor, Screen
from automl.filters.cost import Cost
from automl.filters.duplicates import Duplicates
from automl.filters.early_learning import EarlyLearning
from automl.filters.exportability import Exportability
from automl.filters.quality import Quality
from automl.filters.stability import Stability
from automl.filters.validity import Validity
from automl.filters.zero_cost import ZeroCost

SCREENS: Mapping[str, type[Screen]] = {
    "duplicates": Duplicates,
    "validity": Validity,
    "cost": Cost,
    "exportability": Exportability,
    "zero-cost": ZeroCost,
}
MONITORS: Mapping[str, type[Monitor]] = {
    "early-learning": EarlyLearning,
    "quality": Quality,
    "stability": Stability,
}

JUDGE_THE_MODEL = frozenset({"validity", "cost", "exportability", "stability"})
"""What they measure is the same for every candidate of a space that leaves the model alone."""
MODEL_SLOTS = frozenset({"model", "norm_act", "trainer"})
"""Fields of a recipe that decide the model."""


ON_REQUEST = frozenset({"zero-cost"})
"""Filters that are worth their while in some spaces only, so that a user has to ask for them."""


JUDGE_THE_PRODUCT = JUDGE_THE_MODEL | {"early-learning", "quality"}
"""What they ask of a candidate makes no sense of a supernet: it is larger and slower than what it derives, learns late,
and may sample one operation per step, so that no gradient reaches the others."""


def judges_by_default(name: str, slots: frozenset[str], *, derives: bool = False) -> bool:
    """Returns whether a filter is on, unless the user says otherwise.

    Args:
        name: of the filter.
        slots: fields of the recipe that the space changes.
        derives: whether the space is an `automl.contracts.DerivingSpace`.
    """
    if name in ON_REQUEST or (derives and name in JUDGE_THE_PRODUCT):
        return False
    return name not in JUDGE_THE_MODEL or bool(slots & MODEL_SLOTS)
