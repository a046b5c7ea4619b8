"""Full trainings with fresh seeds, measured on the gate and the test split: what a second look compares.

Why: finalists, the baseline and those who run beside them must have had the same recipe, seeds and budget. The rule:
whoever is trained here is trained alike; only what the gate split chooses (one of several legs) may differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from automl.contracts.recipe import Leg, Split
from automl.contracts.rung import Answer, RungJob, RungResult
from automl.contracts.space import Genotype
from automl.contracts.trial import Curve, Values
from automl.flows.alternatives import choose, of_legs
from automl.flows.jobs import Jobs
from automl.flows.plan import Plan
from automl.seeding import child_seed

FIRST_REPLICATE = 1000
"""Replicates below it belong to the search, so the second look's seeds are fresh."""

SPLITS: tuple[Split, ...] = ("gate", "test")

Entrant: TypeAlias = int | str | None
"""Who is trained: the number of a trial, the name of a companion, None = the baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """One genotype trained again.

    Attributes:
        gate: [seeds][objectives].
        test: [seeds][objectives].
        legs: the chosen one of each architecture, as replicate 0.
        snapshots: leg key -> content key of the trained model, of the first seed; those that were kept.
    """

    gate: tuple[Values, ...]
    test: tuple[Values, ...]
    legs: tuple[Leg, ...]
    snapshots: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A genotype of which some training failed.

    Attributes:
        reason: of the first failure: "diverged", or a `FailureReason`; "unmeasured" where a number is missing.
    """

    reason: str


def retrain(
    plan: Plan, everyone: Mapping[Entrant, Genotype | None], *, seeds: int, steps: int | None, jobs: Jobs
) -> dict[Entrant, Retrained | Lost]:
    """Trains everyone whole with the same fresh seeds.

    Args:
        plan: with the task to train on.
        everyone: genotypes, those first that are trained first; None = the baseline's.
        seeds: how many, >= 1.
        steps: training steps; None = the task's own.
        jobs: takes the jobs.

    Returns:
        What each reached; models of trials and of the baseline are kept.
    """
    legs = [_fresh(leg, seed, steps) for seed in range(seeds) for leg in plan.task.legs("rerank")]
    runs: dict[str, tuple[Entrant, Leg]] = {}
    for place, (who, genotype) in enumerate(everyone.items()):
        for leg in legs:
            key = f"{place}:{leg.key}"
            runs[key] = (who, leg)
            job = _job(plan, genotype, leg, steps=steps)
            jobs.submit(key, replace(job, keep=not isinstance(who, str)), priority=(place,))
    results: dict[Entrant, dict[Leg, RungResult]] = {who: {} for who in everyone}
    reasons: dict[Entrant, dict[Leg, str]] = {who: {} for who in everyone}
    while runs:
        for _, answer in jobs.wait(1.0):
            who, leg = runs.pop(answer.key)
            reason = _failed(answer)
            if reason:
                reasons[who][leg] = reason
            elif answer.result is not None:
                results[who][leg] = answer.result
    return {who: _gather(plan, results[who], seeds) or _lost(legs, reasons[who]) for who in everyone}


def _fresh(leg: Leg, seed: int, steps: int | None) -> Leg:
    overrides = leg.overrides if steps is None else {**leg.overrides, "steps": steps}
    return replace(leg, overrides=overrides, replicate=FIRST_REPLICATE + seed)


def _job(plan: Plan, genotype: Genotype | None, leg: Leg, *, steps: int | None) -> RungJob:
    job = plan.full_job(genotype, leg, seed=child_seed(plan.seed, "rerank"), splits=SPLITS)
    return job if steps is None else replace(job, steps=(0, steps))


def _failed(answer: Answer) -> str:
    """Returns why a training gave nothing, "" where it did."""
    if answer.failure is not None:
        return answer.failure.reason
    return "diverged" if answer.result is not None and answer.result.diverged[0] else ""


def _lost(legs: list[Leg], reasons: Mapping[Leg, str]) -> Lost:
    """Returns the first failure in the order of the legs: it must not depend on who came in first."""
    return Lost(reason=next((reasons[leg] for leg in legs if leg in reasons), "unmeasured"))


def _gather(plan: Plan, results: Mapping[Leg, RungResult], seeds: int) -> Retrained | None:
    """Returns what a candidate reached on the legs that the gate split chooses; None where one is missing."""
    by_seed = [
        {leg: result for leg, result in results.items() if leg.replicate == FIRST_REPLICATE + seed}
        for seed in range(seeds)
    ]
    on_gate = [{leg: result.curves[0] for leg, result in runs.items()} for runs in by_seed]
    legs = choose(plan.task.objectives, on_gate)
    if legs is None or {leg.variant for leg in legs} != set(plan.variants):
        return None
    kept = [of_legs(legs, curves) for curves in on_gate]
    gate = tuple(plan.task.values(curves) for curves in kept)
    test = tuple(plan.task.values({leg: _of_test(curve) for leg, curve in curves.items()}) for curves in kept)
    if any(value is None for values in (*gate, *test) for value in values):
        return None
    snapshots = {leg.key: key for leg in kept[0] if (key := by_seed[0][leg].snapshots[0]) is not None}
    return Retrained(gate=gate, test=test, legs=legs, snapshots=snapshots)


def _of_test(curve: Curve) -> Curve:
    """Returns the curve with the test split's metrics under bare names, as `Task.values` reads them."""
    prefix = "test."
    return Curve(
        steps=curve.steps,
        metrics={name.removeprefix(prefix): v for name, v in curve.metrics.items() if name.startswith(prefix)},
    )
