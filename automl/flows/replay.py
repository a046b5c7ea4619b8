"""Training a recorded trial again from its record: the curves must come out equal.

Why: a result that cannot be reproduced is no result. The rule: the same jobs, from step 0, in the recorded
environment; any difference is named by leg, step and metric.
"""

from collections.abc import Sequence
from typing import Any

from automl.contracts.history import Opened, RungRecord
from automl.contracts.rung import Executor
from automl.contracts.trial import Curve
from automl.errors import UsageError
from automl.flows.plan import Plan
from automl.flows.trial_run import TrialRun


def replay(plan: Plan, trial: Opened, recorded: Sequence[RungRecord], *, executor: Executor) -> dict[str, Any]:
    """Trains the recorded rungs of one trial again.

    Args:
        plan: of the study.
        trial: as opened.
        recorded: its rungs.
        executor: runs the jobs.

    Returns:
        {"equal": bool, "differences": [{"leg", "rung", "step", "metric", "recorded", "now"}], "rungs": n}

    Raises:
        UsageError: the trial was never trained.
    """
    known = {(record.leg, record.index): record for record in recorded}
    if not known:
        raise UsageError(f"Trial {trial.number} was settled without training, so there is nothing to replay.")
    run = TrialRun(trial, task=plan.task, monitors=(), reference=lambda leg, index: ())
    differences: list[dict[str, Any]] = []
    done = 0
    while (rung := run.next()) is not None and (rung.leg.key, rung.index) in known:
        executor.submit(rung.leg.key, plan.train_job(trial.genotype, rung), priority=(0,))
        answers = executor.wait(1.0)
        while not answers:
            answers = executor.wait(1.0)
        now = RungRecord(leg=rung.leg.key, index=rung.index, result=answers[0].result, failure=answers[0].failure)
        differences += _differences(known[rung.leg.key, rung.index], now)
        run.absorb(now)
        done += 1
    return {"equal": not differences, "differences": differences, "rungs": done}


def _differences(recorded: RungRecord, now: RungRecord) -> list[dict[str, Any]]:
    place = {"leg": recorded.leg, "rung": recorded.index}
    if recorded.result is None or now.result is None:
        was, is_ = (r.failure.reason if r.failure else "ok" for r in (recorded, now))
        return [] if was == is_ else [{**place, "step": None, "metric": "outcome", "recorded": was, "now": is_}]
    found = _curve_differences(recorded.result.curves[0], now.result.curves[0])
    return [{**place, **difference} for difference in found]


def _curve_differences(recorded: Curve, now: Curve) -> list[dict[str, Any]]:
    found = []
    for metric in sorted({*recorded.metrics, *now.metrics}):
        for step in sorted({*recorded.steps, *now.steps}):
            was, is_ = recorded.at(step, metric), now.at(step, metric)
            if was != is_:
                found.append({"step": step, "metric": metric, "recorded": was, "now": is_})
    return found
