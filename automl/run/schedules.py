"""What a finished study says of learning-rate schedules: refined ones, and a law that predicts those never run.

Why: a run that is done knows how its learning rate should have gone, and two of them predict the others. The rule: the
study's trials are read only; a law is written beside them as the note "annealing_law".
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from automl.assemble import executor_of, open_history, space_of
from automl.contracts import Genotype, ScheduleSpace, SearchSpace
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.flows.schedule_law import LawName, fit_law
from automl.flows.schedule_prediction import agreement, law_health, predict
from automl.flows.schedule_refinement import Method, Refinement, refine_run, train_again
from automl.flows.schedule_runs import leg_of, schedule_space_of
from automl.numerics.schedule_experience import checked_multipliers

if TYPE_CHECKING:
    from automl.run.study import Study

NOTE = "annealing_law"
SPACE = "lr-schedule"
"""The installed space in which a refined schedule is written down."""

WantedNorm: TypeAlias = Literal["l1", "l2", "auto"]


def refine_schedule(
    study: "Study",
    trial: int | None = None,
    *,
    leg: str | None = None,
    norm: WantedNorm = "auto",
    method: Method = "closed-form",
    smoothing: float = 0.1,
    space: str = SPACE,
) -> dict[str, Any]:
    """Trains a recorded run again with its gradient norms and returns the schedule that follows from them.

    Args:
        study: finished or not.
        trial: a completed one; None = the baseline.
        leg: key of the training run; None = the one that reached the best value.
        norm: "l1" for update rules that normalise each coordinate (Adam), "l2" for those that follow the gradient
            (SGD); "auto" tries the rule on two coordinates, or takes l2 for the numeric method.
        method: "closed-form", or "numeric", which minimises the bound itself.
        smoothing: width of the median filter as a share of the run, in [0, 1).
        space: a space of schedules, which writes the result down.

    Returns:
        The report of `automl.flows.schedule_refinement.refine_run`, with "study", "norm_reason", "space" and
        "description". To go on with its "genotype", search that space with `warm_start=[report["genotype"]]`.

    Raises:
        UsageError: the trial has not completed, or its update rule is a candidate's, so that auto cannot try it.
        InvalidSetting: a setting out of range, or a run too short.
    """
    chosen, reason = _norm(study, trial, norm=norm, method=method)
    how = Refinement(norm=chosen, method=method, smoothing=smoothing)
    target = _schedule_space(space)
    plan = study.checked_plan()
    with tempfile.TemporaryDirectory(prefix="automl-refine-") as folder:
        executor = executor_of(study.log.header, study.objects, workers=1, directory=Path(folder))
        try:
            run = train_again(plan, study.log, trial=trial, leg=leg, executor=executor)
        finally:
            executor.close()
    assert isinstance(target, ScheduleSpace)
    report = refine_run(run, how, space=target)
    described = target.describe(report["genotype"])
    return {"study": study.name, **report, "norm_reason": reason, "space": space, "description": described}


def fit_annealing_law(
    study: "Study", trials: Sequence[int] | None = None, *, law: LawName = "annealing", leg: str | None = None
) -> dict[str, Any]:
    """Fits a law of loss curves to trials of a study of schedules, and stores it as the note "annealing_law".

    Args:
        study: its space proposes schedules, its task measures the validation loss.
        trials: completed ones; None = all whose schedule is known beforehand. Two that differ much fit well.
        law: "annealing", or "multi-power", which takes longer.
        leg: key of the training run whose curves are read; None = the task's first.

    Returns:
        The note of `automl.flows.schedule_law.fit_law`, with "agreement" (see `agreement`) and "health" of the
        searcher annealing-law (see `law_health`).

    Raises:
        UsageError: another kind of space, no validation loss, or no usable trial.
    """
    schedule_space_of(study.plan)
    note = fit_law(study.plan, study.log, trials=trials, law=law, leg=leg)
    history = open_history(study.storage, study.name)
    try:
        history.note(NOTE, note)
    finally:
        history.close()
    study.refresh()
    judged = agreement(study.plan, study.log, note)
    return {"study": study.name, **note, "agreement": judged, "health": law_health(study.log)}


def predict_schedules(
    study: "Study", schedules: Mapping[str, Genotype | Sequence[float]] | Sequence[str] = ()
) -> dict[str, Any]:
    """Predicts the last validation loss of schedules by the law that was fitted last, and ranks them.

    Args:
        study: with a fitted law.
        schedules: name -> genotype of the study's space, or factors on the peak learning rate at even distances, or
            names of the space's published designs; empty = all of these.

    Returns:
        The report of `automl.flows.schedule_prediction.predict`, with "study".

    Raises:
        UsageError: no law was fitted, or a schedule that depends on the training.
        UnknownName: no such published design.
        InvalidSetting: a learning rate that is negative, not finite or absurd.
    """
    note = study.log.notes.get(NOTE)
    if note is None:
        raise UsageError(f"No law is fitted to study {study.name!r}. Fit one first: automl schedule fit {study.name}")
    plan = study.plan
    horizon = plan.task.rungs(leg_of(plan, note["leg"]))[-1][1]
    named = schedules if isinstance(schedules, Mapping) else _published(plan.space, schedules)
    every = not schedules
    curves: dict[str, Sequence[float]] = {}
    for name, one in named.items():
        curve = _multipliers(schedule_space_of(plan), plan.space, one, name=name, steps=horizon)
        if curve is not None:
            curves[name] = curve
        elif not every:
            reason = "it reacts to the training, so it is not known beforehand and no law can predict it"
            raise InvalidSetting(name, "a reactive schedule", f"a schedule of the step alone; {reason}")
    return {"study": study.name, **predict(plan, study.log, note, curves)}


def refinement_picture(report: Mapping[str, Any]) -> bytes:
    """Returns a PNG: the gradient norms with their smoothed course, and the old and the refined schedule."""
    from automl.tracking.pictures import png
    from automl.tracking.schedule_chart import refinement_figure

    return png(refinement_figure(report))


def _published(space: SearchSpace, names: Sequence[str]) -> Mapping[str, Genotype]:
    zoo = space.zoo()
    for name in names:
        if name not in zoo:
            raise UnknownName("schedule", name, zoo)
    return {name: zoo[name] for name in names} if names else zoo


def _multipliers(
    schedules: ScheduleSpace, space: SearchSpace, given: Genotype | Sequence[float], *, name: str, steps: int
) -> Sequence[float] | None:
    """Returns [steps] factors of a genotype or of a curve of any length, None of a reactive genotype."""
    if isinstance(given, Mapping):
        known = schedules.multipliers(space.decode(given), steps)
        return None if known is None else [float(one) for one in known]
    values = checked_multipliers(given, name=name)
    if len(values) == steps:
        return [float(one) for one in values]
    scale = (len(values) - 1) / (steps - 1)
    return [_between(values, step * scale) for step in range(steps)]


def _between(values: Any, place: float) -> float:
    """Returns the value at a place between two entries, on a straight line."""
    first = min(math.floor(place), len(values) - 2)
    return float(values[first] + (place - first) * (values[first + 1] - values[first]))


def _schedule_space(name: str) -> SearchSpace:
    space = space_of(name)
    if not isinstance(space, ScheduleSpace):
        raise InvalidSetting("space", name, f"a space of learning-rate schedules, such as {SPACE}")
    return space


def _norm(
    study: "Study", trial: int | None, *, norm: WantedNorm, method: Method
) -> tuple[Literal["l1", "l2"], str]:
    """Returns the norm to read and why."""
    if norm in ("l1", "l2"):
        return norm, "as given"
    if norm != "auto":
        raise InvalidSetting("norm", norm, "'l1', 'l2' or 'auto'")
    if method == "numeric":
        return "l2", "the numeric method minimises a bound of l2 norms"
    plan = study.plan
    if trial is not None and "update_rule" in plan.space.slots:
        reason = f"The update rule of trial {trial} is a candidate, which is tried by no driver, so auto cannot tell"
        raise UsageError(f"{reason}. Give --norm l1 if it normalises each coordinate as Adam does, else --norm l2.")
    from automl.training.coordinate_rule import normalises_coordinates

    rule = plan.task.baseline(plan.task.legs("search")[0].variant).update_rule
    kind = type(rule).__name__
    if normalises_coordinates(rule):
        return "l1", f"{kind} normalises each coordinate by itself, as Adam does"
    return "l2", f"{kind} follows the gradient, as SGD does"
