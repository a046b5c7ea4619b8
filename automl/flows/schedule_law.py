"""Fits a law of loss curves to the trials of a schedule study, and says how far it can be trusted.

Why: two finished runs predict the curve of any schedule of the same peak and horizon, so candidates are compared before
one of them is trained. The rule: the errors that count are those on curves that were left out of the fit.

The interval of a prediction is that of split conformal prediction, read off left-out curves: of n absolute log errors
at the end of a run the ceil(0.95 (n + 1))-th smallest; or, where n < 19, the largest, which holds a new curve in about
n / (n + 1) of all cases. Sources: Vovk et al., "Algorithmic Learning in a Random World", 2005; Barber et al.,
"Predictive Inference with the Jackknife+", 2021, on why leaving one out makes this a rule of thumb and no guarantee.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Literal, TypeAlias, assert_never

import numpy as np

from automl.canonical import JSON, finite
from automl.contracts.history import StudyLog
from automl.errors import InvalidSetting, UsageError
from automl.flows.plan import Plan
from automl.flows.schedule_runs import Law, Run, leg_of, losses_at, runs_of
from automl.numerics.annealing_law import RecordedCurve, fit_annealing_law, fit_multi_power_law
from automl.numerics.schedule_experience import decay_of, experience_of

LawName: TypeAlias = Literal["annealing", "multi-power"]

LEVEL = 0.95
MULTI_POWER_POINTS = 12
LAWS: tuple[LawName, ...] = ("annealing", "multi-power")
FOLDS = 12
"""With more curves than that several are left out at a time: a fit takes 0.4 s, of the multi-power law some seconds."""


def fit_law(
    plan: Plan,
    log: StudyLog,
    *,
    trials: Sequence[int] | None = None,
    law: LawName = "annealing",
    leg: str | None = None,
) -> dict[str, JSON]:
    """Fits a law to recorded validation losses.

    Args:
        plan: of a study whose space is a `ScheduleSpace`.
        log: of the study.
        trials: which ones; None = every completed one with an open-loop schedule.
        law: which one.
        leg: key of the leg whose curves are read; None = the task's first.

    Returns:
        The note "annealing_law": "law", "constants" (of rates whose peak is 2e-4), "leg", "experience", "trials",
        "curves" (per trial "actual", "fitted", "left_out": predicted by the others; the last loss), "in_sample" and
        "out_of_sample" (mean relative error of all points, of left-out last losses; None with one curve),
        "half_width" (of the interval, as a log) and its "level", "left_out_trials" (trial -> why not used).

    Raises:
        UsageError: no usable trial, a named trial that is not, or a task without validation loss.
    """
    if law not in LAWS:
        raise InvalidSetting("law", law, "'annealing' or 'multi-power'")
    chosen = leg_of(plan, leg)
    runs, unusable = runs_of(plan, log, leg=chosen)
    runs = _wanted(runs, unusable, trials)
    fitted = _fit([run.curve for run in runs], law)
    left_out = _left_out(runs, law)
    errors = [abs(error) for error in left_out if error is not None]
    half_width, level = interval_of(errors)
    spread = [np.abs(losses_at(fitted, r.curve.rates, r.curve.steps) / r.curve.losses - 1) for r in runs]
    return {
        "law": law,
        "constants": asdict(fitted),
        "leg": chosen.key,
        "experience": asdict(experience_of([run.multipliers for run in runs], peak=runs[0].peak)),
        "trials": [run.trial for run in runs],
        "curves": [_row(run, fitted, error) for run, error in zip(runs, left_out, strict=True)],
        "in_sample": finite(float(np.concatenate(spread).mean())),
        "out_of_sample": finite(float(np.mean(np.expm1(errors)))) if errors else None,
        "half_width": finite(half_width),
        "level": level,
        "left_out_trials": {str(number): reason for number, reason in unusable.items()},
    }


def interval_of(errors: Sequence[float]) -> tuple[float | None, float | None]:
    """Returns (half width, level) of an interval from absolute errors on left-out curves; None, None without any.

    The ceil(0.95 (n + 1))-th smallest of n; with n < 19 the largest, whose level is n / (n + 1).
    """
    count = len(errors)
    if not count:
        return None, None
    place = math.ceil(LEVEL * (count + 1))
    if place > count:
        return max(errors), count / (count + 1)
    return sorted(errors)[place - 1], LEVEL


def _wanted(runs: Sequence[Run], unusable: Mapping[int, str], trials: Sequence[int] | None) -> list[Run]:
    known = {run.trial: run for run in runs}
    if trials is None:
        if not known:
            reasons = "; ".join(f"trial {number}: {reason}" for number, reason in unusable.items())
            raise UsageError(f"No completed trial of the study can be fitted ({reasons or 'none has completed'}).")
        return list(runs)
    if not trials or len(set(trials)) != len(trials):
        raise InvalidSetting("trials", list(trials), "different trial numbers, at least one")
    for number in trials:
        if number not in known:
            reason = unusable.get(number, "it is no completed trial of this study")
            usable = ", ".join(map(str, known)) or "none"
            raise UsageError(f"Trial {number} cannot be fitted: {reason}. Usable: {usable}.")
    return [known[number] for number in trials]


def _fit(curves: Sequence[RecordedCurve], law: LawName) -> Law:
    with np.errstate(over="ignore"):  # far from any solution the optimiser tries laws without a positive loss
        match law:
            case "annealing":
                return fit_annealing_law(curves, decay=decay_of(len(curves[0].rates) - 1))
            case "multi-power":
                return fit_multi_power_law([_thinned(curve) for curve in curves])
        assert_never(law)


def _thinned(curve: RecordedCurve) -> RecordedCurve:
    """Returns every so many points of a curve, from the end, as a multi-power law costs time per point."""
    stride = math.ceil(len(curve.steps) / MULTI_POWER_POINTS)
    return RecordedCurve(rates=curve.rates, steps=curve.steps[::-stride][::-1], losses=curve.losses[::-stride][::-1])


def _left_out(runs: Sequence[Run], law: LawName) -> list[float | None]:
    """Returns each run's log error under the law of the others, None where the others cannot be fitted.

    It is infinite where they predict no positive loss, and then no interval is known either.
    """
    folds = min(FOLDS, len(runs))
    errors: list[float | None] = [None] * len(runs)
    for fold in range(folds):
        others = [run.curve for place, run in enumerate(runs) if place % folds != fold]
        falling = any((np.diff(curve.rates) < 0).any() for curve in others)
        if not others or (law == "multi-power" and not falling):
            continue
        fitted = _fit(others, law)
        for place in range(fold, len(runs), folds):
            errors[place] = runs[place].error(fitted)
    return errors


def _row(run: Run, law: Law, error: float | None) -> dict[str, JSON]:
    return {
        "trial": run.trial,
        "actual": run.actual,
        "fitted": run.actual * math.exp(run.error(law)),
        "left_out": None if error is None or math.isinf(error) else run.actual * math.exp(error),
    }
