"""The second look: finalists and the baseline, trained again with the same fresh seeds.

Why: the best of many short trainings is partly luck. The rule: the gate split chooses one finalist, the test split,
read for it and the baseline alone, judges it; a winner is named only when the interval of the paired differences
excludes zero. Where the task tunes each candidate on several legs, the gate split also chooses each one's leg, the
baseline's as well. Source: Dwork et al. 2015 (reuse of a holdout), paired bootstrap as in Efron & Tibshirani 1993.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl.canonical import JSON
from automl.contracts.recipe import Leg, Split
from automl.contracts.rung import Executor, RungResult
from automl.contracts.space import Genotype
from automl.contracts.trial import Curve, Objective, Values
from automl.errors import EngineError, InvalidSetting
from automl.flows.alternatives import choose, of_legs
from automl.flows.jobs import Jobs
from automl.flows.plan import Plan
from automl.numerics.intervals import difference_interval
from automl.numerics.ranking import utilities
from automl.seeding import child, child_seed

FIRST_REPLICATE = 1000
"""Replicates below it belong to the search, so rerank's seeds are fresh."""

SEEDS_FOR_A_WINNER = 5
"""The bootstrap interval of fewer pairs is too short: at 95 % nominal it covers 75 % with three, 92 % with five."""

SPLITS: tuple[Split, ...] = ("gate", "test")
Matrix = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """One genotype trained again.

    Attributes:
        gate: [seeds][objectives].
        test: [seeds][objectives].
        legs: the chosen one of each architecture, as replicate 0.
        snapshots: leg key -> content key of the trained model, of the first seed.
    """

    gate: tuple[Values, ...]
    test: tuple[Values, ...]
    legs: tuple[Leg, ...]
    snapshots: Mapping[str, str]


def rerank(
    plan: Plan,
    finalists: Mapping[int, Genotype],
    *,
    seeds: int,
    steps: int | None,
    executor: Executor,
    workers: int = 1,
) -> dict[str, JSON]:
    """Trains finalists and baseline `seeds` times each and compares them.

    Args:
        plan: the study's, or with another task.
        finalists: trial number -> genotype, best first; at least one.
        seeds: fresh seeds, >= 2.
        steps: training steps; None = the task's own.
        executor: runs the jobs.
        workers: of the executor, >= 1; see `Search`.

    Returns:
        The report: "finalists" (trial, gate and test values per seed, mean differences with intervals, chosen legs),
        "baseline" (the same), "chosen", "winner" (trial or None), "verdict" ("winner", "tie" or "worse"), "text",
        "alternatives" (legs that each candidate and the baseline could choose from), "snapshots" of the chosen one.

    Raises:
        EngineError: the baseline could not be trained.
    """
    if seeds < 2:
        raise InvalidSetting("seeds", seeds, "an int >= 2; below that there is no noise to compare with")
    if steps is not None and steps < 1:
        raise InvalidSetting("steps", steps, "an int >= 1, or absent")
    everyone: dict[int | None, Genotype | None] = {None: None}
    everyone |= dict(finalists.items())
    jobs = Jobs(executor, width=plan.width, workers=workers)
    trained = _train(plan, everyone, seeds=seeds, steps=steps, jobs=jobs)
    baseline = trained.pop(None)
    if baseline is None:
        raise EngineError(f"The baseline of task {plan.task.name!r} could not be trained for the rerank.")
    objectives = plan.task.objectives
    rows = {
        number: _compare(result, baseline, objectives=objectives, seed=plan.seed, number=number or 0)
        for number, result in trained.items()
        if result is not None
    }
    return _report(plan, rows, trained, baseline)


def _train(
    plan: Plan, everyone: Mapping[int | None, Genotype | None], *, seeds: int, steps: int | None, jobs: Jobs
) -> dict[int | None, Retrained | None]:
    """Returns what each reached; None where any of its trainings failed."""
    legs = [_fresh(leg, seed, steps) for seed in range(seeds) for leg in plan.task.legs("rerank")]
    runs: dict[str, tuple[int | None, Leg]] = {}
    for place, (number, genotype) in enumerate(everyone.items()):
        for leg in legs:
            job = plan.full_job(genotype, leg, seed=child_seed(plan.seed, "rerank"), splits=SPLITS)
            job = job if steps is None else replace(job, steps=(0, steps))
            key = f"{place}:{leg.key}"
            runs[key] = (number, leg)
            jobs.submit(key, job, priority=(place,))
    results: dict[int | None, dict[Leg, RungResult]] = {number: {} for number in everyone}
    while runs:
        for _, answer in jobs.wait(1.0):
            number, leg = runs.pop(answer.key)
            if answer.result is not None and not answer.result.diverged[0]:
                results[number][leg] = answer.result
    return {number: _gather(plan, results[number], seeds) for number in everyone}


def _fresh(leg: Leg, seed: int, steps: int | None) -> Leg:
    overrides = leg.overrides if steps is None else {**leg.overrides, "steps": steps}
    return replace(leg, overrides=overrides, replicate=FIRST_REPLICATE + seed)


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


def _compare(
    result: Retrained, baseline: Retrained, *, objectives: Sequence[Objective], seed: int, number: int
) -> dict[str, Any]:
    """Returns one finalist's row: values and paired differences, positive = better than the baseline."""
    directions = [objective.direction for objective in objectives]
    row: dict[str, Any] = {"trial": number, "legs": [leg.to_json() for leg in result.legs]}
    for split in SPLITS:
        mine, theirs = getattr(result, split), getattr(baseline, split)
        differences = utilities(mine, directions) - utilities(theirs, directions)
        row[split] = {
            objective.name: _difference(differences[:, i], child(seed, "rerank", split, number, i))
            for i, objective in enumerate(objectives)
        }
        row[f"{split}_values"] = [list(values) for values in mine]
        scale = np.maximum(np.abs(utilities(theirs, directions)).mean(axis=0), 1e-12)
        row[f"{split}_gain"] = float((differences.mean(axis=0) / scale).mean())
    return row


def _difference(differences: Matrix, rng: np.random.Generator) -> dict[str, float]:
    low, high = difference_interval(differences.tolist(), rng=rng)
    return {"mean": float(differences.mean()), "low": low, "high": high}


def _report(
    plan: Plan,
    rows: Mapping[int | None, dict[str, Any]],
    trained: Mapping[int | None, Retrained | None],
    baseline: Retrained,
) -> dict[str, JSON]:
    ordered = sorted(rows.values(), key=lambda row: (-row["gate_gain"], row["trial"]))
    chosen = ordered[0] if ordered else None
    enough = len(baseline.gate) >= SEEDS_FOR_A_WINNER
    verdict = _verdict(chosen["test"]) if chosen and enough else "tie"
    kept = trained[chosen["trial"]] if chosen else None
    finalists = [_shown(row, chosen=row is chosen) for row in ordered]
    return {
        "task": plan.task.name,
        "seeds": len(baseline.gate),
        "finalists": finalists,
        "failed": [number for number, result in trained.items() if result is None],
        "baseline": {
            "gate_values": [list(v) for v in baseline.gate],
            "test_values": [list(v) for v in baseline.test],
            "legs": [leg.to_json() for leg in baseline.legs],
        },
        "alternatives": len(plan.task.legs("rerank")) // len(plan.variants),
        "chosen": chosen["trial"] if chosen else None,
        "winner": chosen["trial"] if chosen and verdict == "winner" else None,
        "verdict": verdict,
        "text": _text(chosen, verdict, seeds=len(baseline.gate)) + _tuning_text(plan),
        "snapshots": dict(kept.snapshots) if kept else {},
    }


def _shown(row: Mapping[str, Any], *, chosen: bool) -> dict[str, JSON]:
    """Returns a row without its test numbers unless it is the chosen one: the test split is looked at once."""
    return {name: value for name, value in row.items() if chosen or not name.startswith("test")}


def _verdict(differences: Mapping[str, Mapping[str, float]]) -> str:
    """Returns "winner" if some objective is better beyond noise and none worse, "worse" conversely, else "tie"."""
    better = any(d["low"] > 0 for d in differences.values())
    worse = any(d["high"] < 0 for d in differences.values())
    if better and not worse:
        return "winner"
    return "worse" if worse and not better else "tie"


def _text(chosen: Mapping[str, Any] | None, verdict: str, *, seeds: int) -> str:
    if chosen is None:
        return "No finalist could be trained again."
    parts = [
        f"{name} {d['mean']:+.4f} (95 % interval {d['low']:+.4f} to {d['high']:+.4f})"
        for name, d in chosen["test"].items()
    ]
    words = {"winner": "beats the baseline beyond noise", "tie": "is a tie with the baseline", "worse": "is worse"}
    return (
        f"Trial {chosen['trial']}, chosen on the gate split, {words[verdict]}: "
        f"test {', '.join(parts)} over {seeds} paired seeds."
        + (f" Fewer than {SEEDS_FOR_A_WINNER} seeds name no winner." if seeds < SEEDS_FOR_A_WINNER else "")
    )


def _tuning_text(plan: Plan) -> str:
    """Returns how many points each candidate was tuned on, where there was a choice."""
    points = len(plan.task.legs("rerank")) // len(plan.variants)
    return f" Each candidate and the baseline had the best of {points} settings, chosen on gate." if points > 1 else ""
