"""Comparing schedules and optimizers by time to target, as a user asks for it.

Why: names, tasks, workers and files are put together here; how times become scores is `automl.flows.compare`. The rule:
nothing is stored but the report, and whatever can be wrong with a request is said before the first step is trained.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl.assemble import executor_of, space_of, task_of
from automl.assemble.comparison_files import require_empty, write_comparison
from automl.config import storage_url
from automl.contracts import RecipeRef
from automl.errors import InvalidSetting
from automl.flows.compare import compare as run_compare
from automl.flows.workloads import Effort, Method
from automl.run.method_names import methods_of
from automl.run.workload_names import VARIANTS, Field, workloads_of
from automl.training.recipes import build_recipe


def compare(
    tasks: Sequence[object],
    *,
    schedules: Sequence[str] = (),
    optimizers: Sequence[str] = (),
    studies: int = 3,
    learning_rates: Sequence[float] = (0.3, 1.0, 3.0),
    target_trials: int = 5,
    steps: int | None = None,
    variants: Sequence[str] = tuple(VARIANTS),
    seed: int = 0,
    workers: int = 1,
    storage: str | None = None,
    output: str | Path | None = None,
) -> dict[str, Any]:
    """Trains every schedule with every optimizer on every task and compares the steps to a target.

    Args:
        tasks: names, locators or objects.
        schedules: names, files or STUDY:TRIAL; see `automl.run.method_names`.
        optimizers: the same.
        studies: fresh seeds with which every method is tuned anew, >= 1.
        learning_rates: multiples of the task's own on which every method, and the baseline, is tuned.
        target_trials: runs of the baseline per learning rate that set the target, >= 1.
        steps: of those runs; None = the task's own. Compared runs may take 4/3 of it.
        variants: held-out variants of every task: width, batch, split.
        seed: root of every random choice.
        workers: worker processes; results do not depend on it.
        storage: where STUDY:TRIAL is looked up.
        output: folder for report.json and profile.png; must not exist, or be empty.

    Returns:
        The report of `automl.flows.compare.compare`, and "left_out": variants that a task does not have.

    Raises:
        UsageError: a name or setting that is unknown or not allowed.
        EngineError: the baseline of a task could not be trained.
    """
    if type(workers) is not int or workers < 1:
        raise InvalidSetting("workers", workers, "an int >= 1")
    effort = Effort(
        studies=studies, target_seeds=target_trials, learning_rates=tuple(map(float, learning_rates)), seed=seed
    )
    methods = methods_of(schedules, optimizers, storage=storage_url(storage))
    directory = None if output is None else Path(output)
    if directory is not None:
        require_empty(directory)
    found = workloads_of(tasks, variants=variants, steps=steps)
    report = _trained(methods, found, effort, workers=workers)
    if directory is not None:
        write_comparison(directory, report)
    return report


def _trained(methods: Sequence[Method], found: Field, effort: Effort, *, workers: int) -> dict[str, Any]:
    _require_recipes(methods, found)
    header = {"limits": {"threads": effort.threads}, "device": effort.device}
    with tempfile.TemporaryDirectory(prefix="automl-compare-") as folder:
        executor = executor_of(header, found.objects, workers=workers, directory=Path(folder))
        try:
            report = run_compare(methods, found.workloads, effort, executor=executor)
        finally:
            executor.close()
    return {**report, "left_out": found.left_out}


def _require_recipes(methods: Sequence[Method], found: Field) -> None:
    """Builds every recipe once, so that what cannot be combined is refused before anything is trained."""
    for workload in found.workloads:
        task = task_of(workload.task, found.objects)
        plain = RecipeRef(task=workload.task, variant=workload.variant)
        for method in methods:
            build_recipe(replace(plain, edits=method.edits), task=task, resolve_space=space_of)
