"""What a fitted law says of schedules that were never trained, and whether it may be believed.

Why: comparing schedules by a formula is worth something only where the formula ranks as training does. The rule: a
prediction carries an interval or a refusal; and a law that did not rank what it had not seen ranks nothing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automl.contracts.history import StudyLog
from automl.flows.plan import Plan
from automl.flows.schedule_runs import METRIC, Law, leg_of, losses_at, runs_of
from automl.numerics.annealing_law import AnnealingLaw, MultiPowerLaw
from automl.numerics.correlation import spearman
from automl.numerics.schedule_experience import Experience, checked_multipliers, law_rates

LEAST_JUDGED = 4
LEAST_CORRELATION = 0.5
CURVE_POINTS = 100


def predict(
    plan: Plan, log: StudyLog, note: Mapping[str, Any], schedules: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Predicts the last validation loss of schedules and ranks them, where the law may.

    Args:
        plan: of the study.
        log: of the study; completed trials that the fit has not used say whether the law ranks as training does.
        note: of `fit_law`.
        schedules: name -> [T] factors on the peak learning rate.

    Returns:
        {"schedules": [{"schedule", "rank", "loss", "low", "high", "refused", "curve": {"steps", "losses"}}], best
        first; "level", "ranked", "agreement" as of `agreement`, "text"}. A refused schedule has no numbers; where the
        law may not rank, "rank" is None and the order is as given.
    """
    law, experience = law_of(note), Experience(**note["experience"])
    rows = [_predicted(law, experience, note, name, values) for name, values in schedules.items()]
    judged = agreement(plan, log, note)
    if judged["may_rank"]:
        rows.sort(key=lambda row: math.inf if row["loss"] is None else row["loss"])
        known = [row for row in rows if row["loss"] is not None]
        for place, row in enumerate(known, start=1):
            row["rank"] = place
    return {
        "law": note["law"],
        "trials": note["trials"],
        "schedules": rows,
        "level": note["level"],
        "ranked": judged["may_rank"],
        "agreement": judged,
        "text": judged["text"],
    }


def agreement(plan: Plan, log: StudyLog, note: Mapping[str, Any]) -> dict[str, Any]:
    """Says whether the law ranks trials that it has not seen as training does.

    Returns:
        {"spearman", "pairs", "judged_on", "may_rank", "text"}: of completed trials in range that the fit has not used;
        where they are fewer than 4, of the used ones, each predicted by the others; where these are, nothing is known
        and the law may rank.
    """
    law, experience = law_of(note), Experience(**note["experience"])
    runs, _ = runs_of(plan, log, leg=leg_of(plan, note["leg"]), peak=experience.peak)
    unseen = [
        (run.actual * math.exp(run.error(law)), run.actual)
        for run in runs
        if run.trial not in note["trials"] and not experience.refusal(run.multipliers, peak=run.peak)
    ]
    left_out = [(one["left_out"], one["actual"]) for one in note["curves"] if one["left_out"] is not None]
    pairs, words = unseen, "trials that the fit has not used"
    if len(unseen) < LEAST_JUDGED:
        pairs, words = left_out, "used trials, each predicted by the others"
    if len(pairs) < LEAST_JUDGED:
        known = f"{len(pairs)} trials to judge by, {LEAST_JUDGED} needed"
        text = f"Whether it ranks as training does is not known yet: {known}."
        return {"spearman": None, "pairs": len(pairs), "judged_on": None, "may_rank": True, "text": text}
    found = spearman(*zip(*pairs, strict=True))
    may_rank = found is not None and found >= LEAST_CORRELATION
    amount = "none" if found is None else f"{found:+.2f}"
    text = f"Rank correlation of predicted and actual loss: {amount}, over {len(pairs)} {words}."
    if not may_rank:
        text += f" Below {LEAST_CORRELATION:g} nothing is ranked: train more trials, or fit to others."
    return {"spearman": found, "pairs": len(pairs), "judged_on": words, "may_rank": may_rank, "text": text}


def law_health(log: StudyLog) -> dict[str, Any]:
    """Returns how well the searcher `annealing-law` foretold the losses of its own proposals.

    Returns:
        {"proposals": completed ones, "spearman": None with fewer than 4, "error": mean relative error or None}
    """
    pairs = []
    for closed in log.closed:
        told = log.opened[closed.number].memo.get("law")
        if closed.outcome == "completed" and told is not None and told["leg"] in closed.curves:
            actual = closed.curves[told["leg"]].last(METRIC)
            if actual is not None:
                pairs.append((float(told["predicted"]), actual))
    errors = [abs(predicted / actual - 1) for predicted, actual in pairs if actual]
    known = len(pairs) >= LEAST_JUDGED
    return {
        "proposals": len(pairs),
        "spearman": spearman(*zip(*pairs, strict=True)) if known else None,
        "error": sum(errors) / len(errors) if errors else None,
    }


def law_of(note: Mapping[str, Any]) -> Law:
    """Returns the law of a note of `fit_law`."""
    kind = AnnealingLaw if note["law"] == "annealing" else MultiPowerLaw
    return kind(**note["constants"])


def _predicted(
    law: Law, experience: Experience, note: Mapping[str, Any], name: str, values: Sequence[float]
) -> dict[str, Any]:
    row: dict[str, Any] = {"schedule": name, "rank": None, "loss": None, "low": None, "high": None, "refused": ""}
    multipliers = checked_multipliers(values, name=name)
    refused = experience.refusal(multipliers)
    if not refused and note["half_width"] is None:
        refused = "nothing is known of the law's errors: no curve could be left out of the fit; fit to two or more"
    if refused:
        return {**row, "refused": refused, "curve": None}
    steps = np.unique(np.linspace(1, experience.steps, min(CURVE_POINTS, experience.steps)).round().astype(int))
    losses = losses_at(law, law_rates(multipliers), steps)
    if not np.isfinite(losses).all() or losses[-1] <= 0:
        return {**row, "refused": "the law predicts no positive loss here, so it does not hold", "curve": None}
    last, width = float(losses[-1]), math.exp(note["half_width"])
    curve = {"steps": steps.tolist(), "losses": losses.tolist()}
    return {**row, "loss": last, "low": last / width, "high": last * width, "curve": curve}
