"""Trainings that can be compared: several genotypes, the same fresh seeds, the gate split.

Why: between two genotypes the difference per seed is far less noisy than the two values. The rule: `purpose` enters
every seed, so that seeds which have chosen something confirm nothing; the test split is never read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from automl.contracts.recipe import Leg
from automl.contracts.rung import Executor, RungJob
from automl.contracts.space import Genotype
from automl.contracts.trial import Curve, Objective, Values
from automl.errors import InvalidSetting
from automl.flows.alternatives import choose, of_legs
from automl.flows.jobs import Jobs
from automl.flows.plan import Plan
from automl.flows.retraining import FIRST_REPLICATE
from automl.numerics.intervals import difference_interval
from automl.numerics.ranking import utilities
from automl.seeding import child_seed

Trained: TypeAlias = tuple[Values, ...] | None
"""[seeds][objectives] on the gate split; None where a training failed."""

Difference: TypeAlias = dict[str, float]
"""Of one objective: "mean", and the ends "low" and "high" of its 95 % interval; positive = better."""


def train_paired(
    plan: Plan, everyone: Sequence[Genotype | None], *, purpose: str, seeds: int, steps: int | None, executor: Executor
) -> list[Trained]:
    """Trains every genotype whole with the same fresh seeds and measures it on the gate split.

    Args:
        plan: with the task to train on.
        everyone: genotypes; None = the baseline.
        purpose: name of the seeds; another purpose has other ones.
        seeds: how many, >= 2.
        steps: training steps; None = the task's own.
        executor: runs the jobs.

    Returns:
        One entry per genotype, in order. Of alternative legs one that lives with every seed is enough.
    """
    if seeds < 2:
        raise InvalidSetting("seeds", seeds, "an int >= 2; below that there is no noise to compare with")
    if steps is not None and steps < 1:
        raise InvalidSetting("steps", steps, "an int >= 1, or absent")
    jobs, runs = Jobs(executor, width=plan.width), dict[str, tuple[int, Leg]]()
    for place, genotype in enumerate(everyone):
        for leg in _legs(plan, seeds=seeds, steps=steps):
            key = f"{place}:{leg.key}"
            runs[key] = (place, leg)
            jobs.submit(key, _job(plan, genotype, leg, purpose=purpose, steps=steps), priority=(place,))
    curves: list[dict[Leg, Curve]] = [{} for _ in everyone]
    while runs:
        for _, answer in jobs.wait(1.0):
            place, leg = runs.pop(answer.key)
            if answer.result is not None and not answer.result.diverged[0]:
                curves[place][leg] = answer.result.curves[0]
    return [_gather(plan, found, seeds=seeds) for found in curves]


def paired_differences(
    mine: Sequence[Values], theirs: Sequence[Values], *, objectives: Sequence[Objective], rng: np.random.Generator
) -> dict[str, Difference]:
    """Returns objective -> the mean of mine minus theirs over the seeds with its interval; positive = mine is better.

    Args:
        mine: [seeds][objectives].
        theirs: the same, of the same seeds.
        objectives: of the task.
        rng: draws the resamples of the intervals.
    """
    directions = [objective.direction for objective in objectives]
    differences = utilities(mine, directions) - utilities(theirs, directions)
    found = {}
    for index, objective in enumerate(objectives):
        low, high = difference_interval(differences[:, index].tolist(), rng=rng)
        found[objective.name] = {"mean": float(differences[:, index].mean()), "low": low, "high": high}
    return found


def difference_text(differences: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns `accuracy +0.0100 (95 % interval -0.0010 to +0.0210)`, objective by objective."""
    return ", ".join(
        f"{name} {one['mean']:+.4f} (95 % interval {one['low']:+.4f} to {one['high']:+.4f})"
        for name, one in differences.items()
    )


def _legs(plan: Plan, *, seeds: int, steps: int | None) -> list[Leg]:
    """Returns the task's legs per seed, with fresh replicates."""
    changed = {} if steps is None else {"steps": steps}
    return [
        replace(leg, overrides={**leg.overrides, **changed}, replicate=FIRST_REPLICATE + seed)
        for seed in range(seeds)
        for leg in plan.task.legs("rerank")
    ]


def _job(plan: Plan, genotype: Genotype | None, leg: Leg, *, purpose: str, steps: int | None) -> RungJob:
    job = plan.full_job(genotype, leg, seed=child_seed(plan.seed, purpose), splits=("gate",))
    return replace(job, keep=False, steps=job.steps if steps is None else (0, steps))


def _gather(plan: Plan, curves: Mapping[Leg, Curve], *, seeds: int) -> Trained:
    """Returns what a genotype reached on its chosen legs, as a rerank chooses them; None where one is missing."""
    by_seed = [
        {leg: curve for leg, curve in curves.items() if leg.replicate == FIRST_REPLICATE + seed}
        for seed in range(seeds)
    ]
    legs = choose(plan.task.objectives, by_seed)
    if legs is None or {leg.variant for leg in legs} != set(plan.variants):
        return None
    rows = [plan.task.values(of_legs(legs, one)) for one in by_seed]
    return None if any(value is None for row in rows for value in row) else tuple(rows)
