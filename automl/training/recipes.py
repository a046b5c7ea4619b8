"""Rebuilds a recipe from its reference: the task's baseline, then overrides, then the edits of the spaces in order.

The rule: genotypes come from outside, so each is decoded by its space before it changes anything.
"""

from collections.abc import Callable, Mapping
from typing import Any

from automl.contracts import Recipe, RecipeRef, SearchSpace, Task
from automl.errors import InvalidSetting, UnknownName

OVERRIDES: Mapping[str, Callable[[float], Any]] = {
    "learning_rate": float,
    "weight_decay": float,
    "batch_size": int,
    "steps": int,
}


def build_recipe(ref: RecipeRef, *, task: Task, resolve_space: Callable[[str], SearchSpace]) -> Recipe:
    """Returns the recipe that `ref` names.

    Raises:
        UnknownName: an override of something that cannot be overridden.
        InvalidSetting: an override out of range.
        InvalidGenotype: an edit that its space does not decode.
    """
    recipe = task.baseline(ref.variant).replace(**_checked(ref.overrides))
    for locator, genotype in ref.edits:
        space = resolve_space(locator)
        recipe = space.apply(space.decode(space.encode(genotype)), recipe)
    return recipe


def _checked(overrides: Mapping[str, float]) -> dict[str, Any]:
    checked = {}
    for name, value in overrides.items():
        if name not in OVERRIDES:
            raise UnknownName("override", name, OVERRIDES)
        checked[name] = OVERRIDES[name](value)
        if checked[name] != value:
            raise InvalidSetting(name, value, "a whole number")
    return checked
