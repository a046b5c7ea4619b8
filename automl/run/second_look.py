"""What is made of a finished study: the rerank, the funnel, the simplified winner, the explanation.

Why: these are long runs over the few trials that matter, each with its own report; `Study` stays a page. The rule: a
report is written beside the trials as a note ("funnel", "simplified") and changes none of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from automl.assemble import (
    executor_of,
    open_history,
    task_locator,
    task_of,
    work_directory,
)
from automl.canonical import JSON
from automl.contracts import Executor, Genotype, History
from automl.errors import InvalidSetting, UsageError
from automl.flows.ancestry import explanation
from automl.flows.companions import companions_of
from automl.flows.funnel import funnel as run_funnel
from automl.flows.meta_validation import search_path
from automl.flows.plan import Plan
from automl.flows.rerank import rerank as run_rerank
from automl.flows.simplify import simplify as run_simplify

if TYPE_CHECKING:
    from automl.run.study import Study

SCALED = re.compile(r"(?P<task>[A-Za-z][\w-]*):x(?P<scale>[1-9][0-9]*)")
"""A stage of the funnel: a task's name and how many times larger it is made, by its setting `scale`."""
NEARLY_SCALED = re.compile(r"[A-Za-z][\w-]*:[xX]?[\d.+-]*")
"""Meant as one, but not one."""


def rerank(
    study: "Study",
    top: int = 5,
    *,
    seeds: int = 5,
    steps: int | None = None,
    task: object = None,
    random: int = 0,
    designs: Sequence[str] = (),
) -> dict[str, Any]:
    """Trains the best trials and the baseline again with the same fresh seeds and compares them.

    With `random` or `designs` others are trained beside them in the same way. Nobody is chosen from those, so their
    test numbers are read and reported (see `automl.flows.companions`).

    Args:
        study: finished or not.
        top: how many finalists, >= 1; with several objectives the front comes first.
        seeds: fresh seeds, >= 2.
        steps: training steps; None = the task's own.
        task: another task to judge on; None = the study's.
        random: how many random candidates of the study's space, >= 2, or 0 = none; rule of thumb 8 or more.
        designs: names of the space's published designs.

    Returns:
        The report of `automl.flows.rerank.rerank`, also stored with the study.

    Raises:
        UnknownName: no such design.
        UsageError: no trial completed.
    """
    if isinstance(designs, str):
        raise InvalidSetting("designs", designs, "a list of names")
    chosen = finalists(study, top)
    objects = dict(study.objects)
    plan = study.checked_plan()
    companions = companions_of(plan, chosen, random=random, designs=designs)
    if task is not None:
        locator = task_locator(task, {}, objects)
        plan = replace(plan, task=task_of(locator, objects), task_locator=locator)
    study.know(objects)
    with _driven(study, objects) as (history, executor):
        found = run_rerank(
            plan,
            chosen,
            seeds=seeds,
            steps=steps,
            executor=executor,
            workers=study.session.workers,
            companions=companions,
        )
        report = {**found, "task_locator": plan.task_locator, "steps": steps}
        history.note("rerank", report)
    study.refresh()
    return report


def simplify(
    study: "Study", trial: int | None = None, *, seeds: int = 5, rounds: int = 20, steps: int | None = None
) -> dict[str, Any]:
    """Removes from a trial, part by part, what it does not need.

    Args:
        study: finished or not.
        trial: None = the winner of the last second look, else its chosen finalist, else the best trial.
        seeds: fresh seeds, >= 2.
        rounds: most parts to remove, >= 1.
        steps: training steps; None = the task's own.

    Returns:
        The report of `automl.flows.simplify.simplify` with "trial" in front, also stored as the note "simplified". To
        go on with its "end", search with `warm_start=[report["end"]]`.

    Raises:
        InvalidSetting: there is no such trial.
        UsageError: no trial completed, or it cannot be trained again.
    """
    number = trial if trial is not None else most_wanted(study)
    study.show(number)  # refuses a number that is not there
    genotype = study.log.opened[number].genotype
    plan = study.checked_plan()
    with _driven(study, study.objects) as (history, executor):
        found = run_simplify(plan, genotype, seeds=seeds, steps=steps, rounds=rounds, executor=executor)
        report = {"trial": number, **found}
        history.note("simplified", report)
    study.refresh()
    return report


def explain(study: "Study", trial: int) -> dict[str, Any]:
    """Returns a trial part by part, and the line of its first parents with what each step changed and reached.

    Args:
        study: finished or not.
        trial: number.

    Returns:
        See `automl.flows.ancestry.explanation`; values by objective.

    Raises:
        InvalidSetting: there is no such trial.
    """
    found = explanation(study.log, trial, space=study.plan.space)
    objectives = study.objectives
    for row in (found, *found["ancestors"]):
        values = row["values"] or [None] * len(objectives)
        row["values"] = {goal.name: value for goal, value in zip(objectives, values, strict=True)}
    return found


def funnel(
    study: "Study", stages: Sequence[object], *, top: int = 5, seeds: int = 5, curve_trials: int = 8
) -> dict[str, Any]:
    """Sends the best trials through larger and larger tasks; only those that beat the baseline go on.

    Args:
        study: finished or not.
        stages: smallest first; `NAME:xN` is the task NAME with its setting scale=N, anything else a task as in
            `automl.search`.
        top: how many finalists, >= 1.
        seeds: fresh seeds of every training, >= 2.
        curve_trials: how many best-so-far trials of the search are trained on the last stage's task, to see whether
            the search has overfitted its task; >= 2, or 0 = none.

    Returns:
        The report of `automl.flows.funnel.funnel`, also stored as the note "funnel"; the last stage's second look
        becomes the study's, so that `export` hands over its winner.

    Raises:
        InvalidSetting: a stage that is none.
        UsageError: no trial completed.
    """
    chosen = finalists(study, top)
    path = search_path(study.log, study.objectives[0], most=curve_trials) if curve_trials else None
    plan, objects = study.checked_plan(), dict(study.objects)
    plans = [_stage(plan, stage, objects) for stage in stages]
    study.know(objects)
    with _driven(study, objects) as (history, executor):
        report = run_funnel(plans, chosen, path=path, seeds=seeds, executor=executor)
        history.note("funnel", report)
        history.note("rerank", _second_look(report))
    study.refresh()
    return report


def _second_look(report: Mapping[str, Any]) -> dict[str, JSON]:
    """Returns the last stage's rerank as `export` reads it; who stopped before the end is no winner."""
    last = report["stages"][-1]
    return {**last["report"], "winner": report["winner"], "task_locator": last["task_locator"], "steps": None}


def _stage(plan: Plan, stage: object, objects: dict[str, object]) -> tuple[str, Plan]:
    """Returns a stage's name and the plan with its task; a task given as an object is added to `objects`."""
    settings: dict[str, JSON] = {}
    task = stage
    if isinstance(stage, str) and (scaled := SCALED.fullmatch(stage)):
        task, settings = scaled["task"], {"scale": int(scaled["scale"])}
    elif stage == "" or (isinstance(stage, str) and NEARLY_SCALED.fullmatch(stage)):
        allowed = "a task, or a task's name with x and a whole number >= 1 behind it, e.g. text:x10"
        raise InvalidSetting("funnel", stage, allowed)
    locator = task_locator(task, settings, objects)
    name = stage if isinstance(stage, str) else locator
    return name, replace(plan, task=task_of(locator, objects), task_locator=locator)


@contextmanager
def _driven(study: "Study", objects: Mapping[str, object]) -> Iterator[tuple[History, Executor]]:
    """Yields the study's history, locked, and workers; both are closed whatever happens."""
    directory = work_directory(study.storage, study.name)
    history = open_history(study.storage, study.name)
    try:
        executor = executor_of(study.log.header, objects, workers=study.session.workers, directory=directory)
        try:
            yield history, executor
        finally:
            executor.close()
    finally:
        history.close()


def finalists(study: "Study", top: int) -> dict[int, Genotype]:
    """Returns the best completed trials with their genotypes, best first.

    Raises:
        UsageError: no trial completed.
    """
    if top < 1:
        raise InvalidSetting("top", top, "an int >= 1")
    numbers = [row["trial"] for row in study.top(top)]
    if not numbers:
        reason = f"No trial of study {study.name!r} has completed, so there is none to rerank or export."
        raise UsageError(f"{reason} `automl status {study.name}` says what rejected them.")
    return {number: study.log.opened[number].genotype for number in numbers}


def most_wanted(study: "Study") -> int:
    """Returns the trial that is exported: the winner of the last second look, else its chosen one, else the best."""
    report: Mapping[str, Any] = study.log.notes.get("rerank", {})
    named = [report.get("winner"), report.get("chosen")]
    found = [int(number) for number in named if number is not None]
    return found[0] if found else next(iter(finalists(study, 1)))
