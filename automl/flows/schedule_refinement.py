"""The schedule that follows from one finished run: train it again, record its gradient norms, refine.

Why: instead of searching, one run of a good recipe says how its learning rate should have gone. The rule: the run is
trained with the seed and the slices of its record, so that its curve must come out equal; the peak of the refined
schedule is tuned as any other.

Source: Defazio, Cutkosky, Mehta, Mishchenko (arXiv 2310.07831); see `automl.numerics.refinement`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.contracts.history import StudyLog
from automl.contracts.recipe import Leg, Schedule
from automl.contracts.rung import Executor, RungResult
from automl.contracts.space import Genotype, ScheduleSpace
from automl.contracts.trial import Curve
from automl.errors import InvalidSetting, UsageError
from automl.flows.jobs import Jobs
from automl.flows.plan import Plan
from automl.flows.schedule_runs import leg_of
from automl.numerics.refinement import NUMERIC_POINTS, Norm, numeric_form, refine, smoothed

Method: TypeAlias = Literal["closed-form", "numeric"]
Floats: TypeAlias = NDArray[np.float64]

REQUEST = "gradient_norms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """How a schedule is refined.

    Attributes:
        norm: l1 for rules that normalise coordinate by coordinate (Adam), l2 for those that follow the gradient (SGD).
        method: "closed-form", or "numeric", which minimises the bound itself and reads l2 norms.
        smoothing: width of the median filter as a share of the run, in [0, 1); the authors' 0.1.
    """

    norm: Norm
    method: Method = "closed-form"
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.norm not in ("l1", "l2"):
            raise InvalidSetting("norm", self.norm, "'l1', 'l2' or 'auto'")
        if self.method not in ("closed-form", "numeric"):
            raise InvalidSetting("method", self.method, "'closed-form' or 'numeric'")
        if not 0 <= self.smoothing < 1:
            raise InvalidSetting("smoothing", self.smoothing, "a share in [0, 1), e.g. 0.1")
        if self.method == "numeric" and self.norm != "l2":
            raise InvalidSetting("norm", self.norm, "'l2' with the numeric method, whose bound is one of l2 norms")

    def schedule(self, norms: Sequence[float | None], *, steps: int) -> Floats:
        """Returns the refined schedule, [steps] with maximum 1, of recorded norms, [recorded]; None is left out."""
        values = np.array([math.nan if one is None else one for one in norms], dtype=np.float64)
        if self.method == "closed-form":
            return refine(values, norm=self.norm, steps=steps, smoothing=self.smoothing)
        refine(values, norm=self.norm, steps=steps, smoothing=self.smoothing)  # refuses what is too short or no number
        usable = values[np.isfinite(values) & (values > 0)]
        points = min(NUMERIC_POINTS, len(usable))
        found, _ = numeric_form(_stretched(smoothed(usable, share=self.smoothing), points))
        found[-1] = 0.0  # an artefact of the bound; nothing comes after it
        schedule = _stretched(found, steps)
        schedule /= schedule.max()
        return schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class NormedRun:
    """A recorded run, trained again with its gradient norms.

    Attributes:
        trial: number; None = the baseline.
        leg: key.
        steps: T.
        norms: "l1" and "l2" -> [T], None where not finite.
        old: [T] factors of the schedule it followed; None where they are not known beforehand.
        reproduced: whether the curve came out as recorded.
    """

    trial: int | None
    leg: str
    steps: int
    norms: Mapping[str, Sequence[float | None]]
    old: Sequence[float] | None
    reproduced: bool


def train_again(
    plan: Plan, log: StudyLog, *, trial: int | None, leg: str | None, executor: Executor
) -> NormedRun:
    """Trains a recorded run again and records its gradient norms.

    Args:
        plan: of the study.
        log: of the study.
        trial: a completed one; None = the baseline.
        leg: key of the leg; None = the one that reached the best value.
        executor: runs the job.

    Raises:
        UsageError: the trial has not completed, its training fails now, or its trainer reports no gradient norms.
    """
    curves = _recorded(log, trial)
    chosen = _leg(plan, curves, leg)
    genotype = None if trial is None else log.opened[trial].genotype
    steps = plan.task.rungs(chosen)[-1][1]
    result = _train(plan, genotype, chosen, executor=executor)
    found: Any = result.measurements[0].get(REQUEST)
    if not isinstance(found, Mapping):
        raise UsageError("The run's trainer reports no gradient norms, so its schedule cannot be refined.")
    return NormedRun(
        trial=trial,
        leg=chosen.key,
        steps=steps,
        norms={name: tuple(values) for name, values in found.items()},
        old=_old(plan, genotype, chosen, steps=steps),
        reproduced=_same(result.curves[0], curves.get(chosen.key, Curve())),
    )


def refine_run(run: NormedRun, how: Refinement, *, space: ScheduleSpace) -> dict[str, Any]:
    """Refines the schedule of a run and writes it down as a genotype.

    Args:
        run: of `train_again`.
        how: norm, method and smoothing.
        space: of the genotype.

    Returns:
        {"trial", "leg", "norm", "method", "smoothing", "steps", "norms", "smoothed" (both [steps]; a norm that is not
        finite is null), "old" ([steps] or None), "multipliers" ([steps]), "genotype", "deviation" (largest difference
        of the genotype's schedule from `multipliers`), "reproduced"}
    """
    norms = run.norms[how.norm]
    multipliers = how.schedule(norms, steps=run.steps)
    genotype = space.from_multipliers(multipliers.tolist())
    written = space.multipliers(genotype, run.steps)
    return {
        "trial": run.trial,
        "leg": run.leg,
        "norm": how.norm,
        "method": how.method,
        "smoothing": how.smoothing,
        "steps": run.steps,
        "norms": list(norms),
        "smoothed": _course(norms, share=how.smoothing),
        "old": None if run.old is None else list(run.old),
        "multipliers": multipliers.tolist(),
        "genotype": genotype,
        "deviation": None if written is None else float(np.abs(written - multipliers).max()),
        "reproduced": run.reproduced,
    }


def _recorded(log: StudyLog, trial: int | None) -> Mapping[str, Curve]:
    """Returns the recorded curves of a completed trial or of the baseline, by leg."""
    if trial is None:
        curves = log.notes.get("baseline", {}).get("curves")
        if curves is None:
            raise UsageError(f"The baseline of study {log.name!r} was never trained. Go on with `automl resume` first.")
        return {key: Curve.from_json(curve) for key, curve in curves.items()}
    if not 0 <= trial < len(log.opened):
        raise InvalidSetting("trial", trial, f"a completed trial, 0 to {len(log.opened) - 1}; none = the baseline")
    closed = log.closed[trial] if trial < len(log.closed) else None
    if closed is None or closed.outcome != "completed":
        state = "is still open" if closed is None else f"ended as {closed.outcome} ({closed.reason})"
        raise UsageError(f"Trial {trial} {state}, so there is no whole run to refine. Name a completed trial.")
    return closed.curves


def _leg(plan: Plan, curves: Mapping[str, Curve], key: str | None) -> Leg:
    """Returns the leg of that key, for None the one with the best value of the first objective."""
    if key is not None:
        return leg_of(plan, key)
    goal = plan.task.objectives[0]
    sign = 1.0 if goal.direction == "maximize" else -1.0
    scores = {leg: curves[leg.key].last(goal.metric) for leg in plan.task.legs("search") if leg.key in curves}
    reached = {leg: sign * score for leg, score in scores.items() if score is not None}
    return max(reached, key=lambda leg: reached[leg]) if reached else leg_of(plan, None)


def _train(plan: Plan, genotype: Genotype | None, leg: Leg, *, executor: Executor) -> RungResult:
    job = plan.full_job(genotype, leg, seed=plan.seed, splits=("validation",))
    jobs = Jobs(executor)
    jobs.submit(leg.key, replace(job, requests=(REQUEST,), keep=False), priority=(0,))
    ended = jobs.wait(1.0)
    while not ended:
        ended = jobs.wait(1.0)
    answer = ended[0][1]
    if answer.result is None:
        reason = answer.failure.reason if answer.failure else "unknown"
        raise UsageError(f"The run could not be trained again ({reason}), so it has no gradient norms to refine from.")
    if answer.result.diverged[0]:
        raise UsageError("The run diverges on this leg, so it has no gradient norms to refine from. Name another one.")
    return answer.result


def _course(norms: Sequence[float | None], *, share: float) -> list[float]:
    """Returns the norms as smoothed for the picture; gaps are bridged by straight lines."""
    values = np.array([math.nan if one is None else one for one in norms], dtype=np.float64)
    usable = np.isfinite(values) & (values > 0)
    bridged = np.interp(np.arange(len(values)), np.flatnonzero(usable), values[usable])
    return [float(one) for one in smoothed(bridged, share=share)]


def _old(plan: Plan, genotype: Genotype | None, leg: Leg, *, steps: int) -> list[float] | None:
    """Returns the schedule that the run followed; None where it reacts to the training, or is the candidate's code."""
    if genotype is not None and isinstance(plan.space, ScheduleSpace):
        known = plan.space.multipliers(genotype, steps)
        return None if known is None else [float(one) for one in known]
    if genotype is not None and "schedule" in plan.space.slots:
        return None
    found = _walk(plan.task.baseline(leg.variant).schedule, steps=steps)
    return [float(one) for one in found] if np.isfinite(found).all() else None


def _walk(schedule: Schedule, *, steps: int) -> Floats:
    """Returns the factors of a schedule that is told nothing; NaN from where it wants to know."""
    signals = dict.fromkeys(("loss", "gradient_l1", "gradient_l2", "gradient_dot"), math.nan)
    state, factors = schedule.init(steps), np.empty(steps)
    for step in range(steps):
        factors[step], state = schedule.multiplier(state, step, signals)
    return factors


def _same(now: Curve, recorded: Curve) -> bool:
    """Returns whether every recorded measurement that was taken again is equal."""
    shared = [step for step in recorded.steps if step in now.steps]
    return bool(shared) and all(
        now.at(step, name) == recorded.at(step, name)
        for name in recorded.metrics
        if name != "train_loss"  # a mean since the last measurement, which rungs cut differently
        for step in shared
    )


def _stretched(values: Floats, points: int) -> Floats:
    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(values)), values)
