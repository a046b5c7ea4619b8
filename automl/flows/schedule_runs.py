"""The completed trials of a schedule study as a law of loss curves sees them.

Why: a law is fitted to runs, and judged by runs, of one leg, one peak and one horizon; what cannot be used is named
with its reason. The rule: nothing is trained or built here; a schedule that reacts to the training is no run for a law.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

import numpy as np

from automl.contracts.history import StudyLog
from automl.contracts.recipe import Leg
from automl.contracts.space import Genotype, ScheduleSpace
from automl.errors import InvalidSetting, UsageError
from automl.flows.plan import Plan
from automl.numerics.annealing_law import AnnealingLaw, Floats, MultiPowerLaw, RecordedCurve
from automl.numerics.schedule_experience import recorded_curve

Law: TypeAlias = AnnealingLaw | MultiPowerLaw

METRIC = "loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A completed trial as a law sees it.

    Attributes:
        trial: number.
        multipliers: [T] factors on the peak.
        peak: learning rate.
        curve: for the fit.
    """

    trial: int
    multipliers: Floats
    peak: float
    curve: RecordedCurve

    @property
    def actual(self) -> float:
        """The last loss that was measured."""
        return float(self.curve.losses[-1])

    def error(self, law: Law) -> float:
        """Returns the log of predicted over actual at the end."""
        predicted = float(losses_at(law, self.curve.rates, [int(self.curve.steps[-1])])[0])
        return math.log(predicted / self.actual) if predicted > 0 else math.inf


def losses_at(law: Law, rates: Floats, steps: Any) -> Floats:
    """Returns the predicted losses, [points], of one schedule of rates, [T + 1], after `steps`."""
    match law:
        case AnnealingLaw():
            curve: Floats = law.curve(rates)[np.asarray(steps)]
            return curve
        case MultiPowerLaw():
            return law.at(rates, steps)
    assert_never(law)


def leg_of(plan: Plan, key: str | None) -> Leg:
    """Returns the leg of that key, the task's first for None.

    Raises:
        InvalidSetting: there is none.
    """
    legs = {leg.key: leg for leg in plan.task.legs("search")}
    if key is not None and key not in legs:
        raise InvalidSetting("leg", key, f"one of {', '.join(legs)}")
    return legs[key] if key is not None else next(iter(legs.values()))


def schedule_space_of(plan: Plan) -> ScheduleSpace:
    """Returns the study's space as one of schedules.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(plan.space, ScheduleSpace):
        reason = f"Space {plan.space.name!r} proposes no learning-rate schedules, so there is nothing to fit a law to"
        raise UsageError(f"{reason}. Take a study of schedules: automl search lr-schedule")
    return plan.space


def runs_of(plan: Plan, log: StudyLog, *, leg: Leg, peak: float | None = None) -> tuple[list[Run], dict[int, str]]:
    """Returns the completed trials that a law can be fitted to, and why the other completed ones cannot.

    Args:
        plan: of the study.
        log: of the study.
        leg: whose curves are read.
        peak: learning rate that they must have; None = the one that most of them have.

    Raises:
        UsageError: the task measures no validation loss.
    """
    found: dict[int, Run] = {}
    unusable: dict[int, str] = {}
    for closed in log.closed:
        if closed.outcome != "completed":
            continue
        run = _run(plan, log, number=closed.number, leg=leg)
        if isinstance(run, Run):
            found[closed.number] = run
        else:
            unusable[closed.number] = run
    peaks = Counter(run.peak for run in found.values())
    wanted = peak if peak is not None else next((one for one, _ in peaks.most_common(1)), None)
    for number, run in found.items():
        if wanted is not None and abs(run.peak - wanted) > 1e-6 * wanted:
            unusable[number] = f"its peak learning rate is {run.peak:g}, not {wanted:g}"
    return [run for number, run in found.items() if number not in unusable], dict(sorted(unusable.items()))


def _run(plan: Plan, log: StudyLog, *, number: int, leg: Leg) -> Run | str:
    """Returns a completed trial, or why it is of no use."""
    genotype, curve = log.opened[number].genotype, log.closed[number].curves.get(leg.key)
    if curve is None or not curve.steps:
        return f"it has no curve of leg {leg.key}"
    if METRIC not in curve.metrics:
        measured = ", ".join(sorted(curve.metrics))
        reason = f"Laws are about validation loss, which task {plan.task.name!r} does not measure ({measured} is all)"
        raise UsageError(f"{reason}. Take a task whose `measure` returns {METRIC!r}, such as digits or text.")
    horizon = plan.task.rungs(leg)[-1][1]
    multipliers = schedule_space_of(plan).multipliers(genotype, horizon)
    if multipliers is None:
        return "its schedule reacts to the training, so it is not known beforehand"
    try:
        recorded = recorded_curve(multipliers, steps=curve.steps, losses=curve.metrics[METRIC])
    except InvalidSetting as error:
        return str(error)
    peak = peak_of(plan, genotype, leg=leg)
    return Run(trial=number, multipliers=np.asarray(multipliers, dtype=np.float64), peak=peak, curve=recorded)


def peak_of(plan: Plan, genotype: Genotype, *, leg: Leg) -> float:
    """Returns the peak learning rate of a genotype on a leg: the leg's or the task's, as the space changes it."""
    recipe = plan.task.baseline(leg.variant)
    recipe = recipe.replace(learning_rate=float(leg.overrides.get("learning_rate", recipe.learning_rate)))
    return float(plan.space.apply(genotype, recipe).learning_rate)
