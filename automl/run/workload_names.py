"""From the tasks on the command line to the workloads that methods are compared on.

Why: every architecture of a task is a workload, and a workload that somebody tuned for says little until its variants
have been tried: one is wider, one has larger batches, one has other data for training and judging. The rule: a variant
is the same task with one setting changed; a setting that a task does not have, or refuses, is left out.

Source of the idea: held-out workloads of AlgoPerf (Dahl et al., arXiv 2306.07179, section 4.2).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl.assemble import task_locator, task_of
from automl.contracts import Leg, Task
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.flows.workloads import Workload

WIDER = 1.5
VARIANTS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "width": lambda task: {"width": round(WIDER * task.width)},
    "batch": lambda task: {"batch_size": 2 * task.batch_size},
    "split": lambda task: {"split_seed": task.split_seed + 1},
}
"""Name -> settings of the variant of a task."""


@dataclass(slots=True, kw_only=True)
class Field:
    """The workloads of a comparison as they are gathered.

    Attributes:
        steps: of the runs that set the targets; None = each task's own.
        objects: tasks given as objects, by locator.
        workloads: so far.
        left_out: variants that a task does not have, as `workload variant`.
    """

    steps: int | None
    objects: dict[str, object] = field(default_factory=dict)
    workloads: list[Workload] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, given: object, *, variants: Sequence[str]) -> None:
        """Adds a task with its variants."""
        locator = task_locator(given, {}, self.objects)
        task = task_of(locator, self.objects)
        title = given if isinstance(given, str) else task.name
        bases = self._architectures(task, locator, title=title, base=None)
        for variant in variants:
            changed = self._changed(given, task, variant)
            if changed is None:
                self.left_out.append(f"{title} {variant}")
                continue
            self._architectures(task_of(changed, self.objects), changed, title=title, base=(variant, bases))

    def _architectures(
        self, task: Task, locator: str, *, title: str, base: tuple[str, Mapping[str, str]] | None
    ) -> dict[str, str]:
        """Adds a workload per architecture; returns architecture -> name."""
        architectures = tuple(dict.fromkeys(leg.variant for leg in task.legs("rerank")))
        names = {}
        for one in architectures:
            name = title if len(architectures) == 1 else f"{title}/{one}"
            name = name if base is None else f"{name} {base[0]}"
            self.workloads.append(
                Workload(
                    name=name,
                    task=locator,
                    variant=one,
                    objective=next(goal for goal in task.objectives if goal.variant in (None, one)),
                    learning_rate=task.baseline(one).learning_rate,
                    steps=self.steps or task.rungs(Leg(variant=one))[-1][1],
                    held_out_of=None if base is None else base[1][one],
                )
            )
            names[one] = name
        return names

    def _changed(self, given: object, task: Any, variant: str) -> str | None:
        """Returns the locator of a variant of a task, None where the task has no such setting or refuses its value."""
        try:
            settings = VARIANTS[variant](task)
        except AttributeError:
            return None
        try:
            if isinstance(given, str):
                locator = task_locator(given, settings, self.objects)
                task_of(locator, self.objects)
            else:
                locator = task_locator(dataclasses.replace(task, **settings), {}, self.objects)
        except (InvalidSetting, UnknownName, TypeError):
            return None
        return locator


def workloads_of(tasks: Sequence[object], *, variants: Sequence[str], steps: int | None) -> Field:
    """Returns the workloads of tasks, each followed by its variants.

    Args:
        tasks: names, locators or objects; at least one.
        variants: names of `VARIANTS`.
        steps: of the runs that set the targets, >= 1; None = each task's own.

    Raises:
        UsageError: no task, or one task twice.
        UnknownName: no such task, setting or variant.
    """
    if not tasks:
        raise UsageError("There is no task to compare on. Name one or more, e.g. `automl compare digits text`.")
    for name in variants:
        if name not in VARIANTS:
            raise UnknownName("variant", name, VARIANTS)
    if steps is not None and steps < 1:
        raise InvalidSetting("steps", steps, "an int >= 1, or absent")
    found = Field(steps=steps)
    for task in tasks:
        found.add(task, variants=tuple(dict.fromkeys(variants)))
    names = [workload.name for workload in found.workloads]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"Two workloads are called {twice!r}. Name each task once.")
    return found
