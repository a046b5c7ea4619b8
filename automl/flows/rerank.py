"""The second look: finalists and the baseline, trained again with the same fresh seeds.

Why: the best of many short trainings is partly luck. The rule: the gate split chooses one finalist, the test split,
read for it and the baseline alone, judges it; a winner is named only when the interval of the paired differences
excludes zero. Where the task tunes each candidate on several legs, the gate split also chooses each one's leg, the
baseline's as well. Companions (random candidates, designs) may be trained beside them: `automl.flows.companions`.
Source: Dwork et al. 2015 (reuse of a holdout), paired bootstrap as in Efron & Tibshirani 1993.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automl.canonical import JSON
from automl.contracts.rung import Executor
from automl.contracts.space import Genotype
from automl.contracts.trial import Objective
from automl.errors import EngineError, InvalidSetting
from automl.flows.companions import Companion, companions_report
from automl.flows.jobs import Jobs
from automl.flows.plan import Plan
from automl.flows.retraining import SPLITS, Entrant, Lost, Retrained, retrain
from automl.numerics.intervals import difference_interval
from automl.numerics.ranking import utilities
from automl.seeding import child

SEEDS_FOR_A_WINNER = 5
"""The bootstrap interval of fewer pairs is too short: at 95 % nominal it covers 75 % with three, 92 % with five."""

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def rerank(
    plan: Plan,
    finalists: Mapping[int, Genotype],
    *,
    seeds: int,
    steps: int | None,
    executor: Executor,
    workers: int = 1,
    companions: Sequence[Companion] = (),
) -> dict[str, JSON]:
    """Trains finalists, baseline and companions `seeds` times each and compares them.

    Args:
        plan: the study's, or with another task.
        finalists: trial number -> genotype, best first; at least one.
        seeds: fresh seeds, >= 2.
        steps: training steps; None = the task's own.
        executor: runs the jobs.
        workers: of the executor, >= 1; see `Search`.
        companions: who is trained beside them; see `companions_of`.

    Returns:
        The report: "finalists" (trial, gate and test values per seed, mean differences with intervals, chosen legs),
        "baseline" (the same), "chosen", "winner" (trial or None), "verdict" ("winner", "tie" or "worse"), "text",
        "alternatives" (legs that each candidate and the baseline could choose from), "snapshots" of the chosen one;
        with companions "companions", see `companions_report`.

    Raises:
        EngineError: the baseline could not be trained.
    """
    if seeds < 2:
        raise InvalidSetting("seeds", seeds, "an int >= 2; below that there is no noise to compare with")
    if steps is not None and steps < 1:
        raise InvalidSetting("steps", steps, "an int >= 1, or absent")
    everyone: dict[Entrant, Genotype | None] = {None: None}
    everyone.update(finalists.items())
    everyone.update((one.key, one.genotype) for one in companions)
    jobs = Jobs(executor, width=plan.width, workers=workers)
    reached = retrain(plan, everyone, seeds=seeds, steps=steps, jobs=jobs)
    baseline = reached[None]
    if isinstance(baseline, Lost):
        reason = f"{baseline.reason} with some seed"
        raise EngineError(f"The baseline of task {plan.task.name!r} could not be trained for the rerank: {reason}.")
    trained = {number: got for number in finalists if isinstance(got := reached[number], Retrained)}
    rows = {
        number: _compare(result, baseline, objectives=plan.task.objectives, seed=plan.seed, number=number)
        for number, result in trained.items()
    }
    report = _report(plan, rows, trained, baseline)
    report["failed"] = [number for number in finalists if number not in trained]
    if companions:
        chosen: Any = report["chosen"]
        beside = [(one, reached[one.key]) for one in companions]
        report["companions"] = companions_report(plan, beside, finalists=trained, chosen=chosen)
    return report


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
    rows: Mapping[int, dict[str, Any]],
    trained: Mapping[int, Retrained],
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
