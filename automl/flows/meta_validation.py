"""Does what the search finds carry over? Its best trials along the way, trained on a larger task.

Why: a search on a small task can go on improving there while its finds get worse elsewhere (meta-overfitting); one
sees it only by looking at them in the order in which they were found. The rule: fresh seeds, the gate split of the
larger task, and a fall counts only beyond noise. Source: Chen et al., "Symbolic Discovery of Optimization Algorithms",
2023, section 2.2 and appendix (meta-validation).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.canonical import JSON
from automl.contracts.history import StudyLog
from automl.contracts.rung import Executor
from automl.contracts.space import Genotype
from automl.contracts.trial import Objective
from automl.errors import InvalidSetting
from automl.flows.paired_training import Trained, train_paired
from automl.flows.plan import Plan
from automl.flows.rerank import SEEDS_FOR_A_WINNER
from automl.numerics.correlation import spearman
from automl.numerics.intervals import difference_interval
from automl.numerics.ranking import utilities, utility
from automl.seeding import child

PURPOSE = "meta-validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """A trial that was the best when it completed.

    Attributes:
        trial: its number.
        genotype: what was proposed.
        value: of the objective, in the search.
    """

    trial: int
    genotype: Genotype
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPath:
    """How a search got better.

    Attributes:
        objective: by which trials are compared: the first one of the study.
        incumbents: in trial order, each strictly better than the one before; not necessarily all there were.
    """

    objective: Objective
    incumbents: tuple[Incumbent, ...]


def search_path(log: StudyLog, objective: Objective, *, most: int) -> SearchPath:
    """Returns the best-so-far trials of a study, at most `most` of them, spread evenly, always the first and the last.

    Args:
        log: of the study.
        objective: its first one.
        most: >= 2.
    """
    if most < 2:
        raise InvalidSetting("curve_trials", most, "an int >= 2, or 0 for no curve")
    found: list[Incumbent] = []
    for closed in log.closed:
        value = closed.values[0] if closed.outcome == "completed" else None
        if value is None or (found and not _better(value, found[-1].value, objective)):
            continue
        found.append(Incumbent(trial=closed.number, genotype=log.opened[closed.number].genotype, value=value))
    if len(found) > most:
        found = [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]
    return SearchPath(objective=objective, incumbents=tuple(found))


def meta_validation(plan: Plan, path: SearchPath, *, seeds: int, executor: Executor) -> dict[str, JSON]:
    """Trains the path's trials and the baseline on the plan's task and compares the two orders.

    Args:
        plan: with the larger task; its first objective is read.
        path: at least one trial.
        seeds: fresh seeds, >= 2; below 5 nothing is said about meta-overfitting.
        executor: runs the jobs.

    Returns:
        {"task", "search_objective", "objective", "seeds", "curve": [{"trial", "search", "mean", "sd", "values"}],
        "baseline": {"mean", "sd", "values"}, "spearman", "fall": {"peak", "mean", "low", "high"} or None,
        "meta_overfitting": bool or None, "text"}; what could not be trained has mean None; "spearman" is +1 where both
        tasks agree which trial is better.
    """
    genotypes = [one.genotype for one in path.incumbents]
    baseline, *reached = train_paired(
        plan, [None, *genotypes], purpose=PURPOSE, seeds=seeds, steps=None, executor=executor
    )
    goal = plan.task.objectives[0]
    curve = [
        {"trial": one.trial, "search": one.value, **_summary(values)}
        for one, values in zip(path.incumbents, reached, strict=True)
    ]
    fall = _fall(plan, path, reached)
    known = fall is not None and seeds >= SEEDS_FOR_A_WINNER
    found = bool(fall["high"] < 0) if fall is not None and known else None
    return {
        "task": plan.task.name,
        "search_objective": path.objective.name,
        "objective": goal.name,
        "seeds": seeds,
        "curve": curve,
        "baseline": _summary(baseline),
        "spearman": _agreement(path, curve, goal),
        "fall": fall,
        "meta_overfitting": found,
        "text": _text(plan, path, curve, fall=fall, found=found),
    }


def falls(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns [seeds]: the last row minus the peak, where each seed's peak is chosen by the other seeds.

    The best of several noisy means is too good on the seeds that made it the best, so last minus best is below 0 even
    where all rows are equal. Chosen by the other seeds, its expectation is then 0 (leave one out).

    Args:
        scores: utilities, [points, seeds], at least 2 seeds.
    """
    points, seeds = scores.shape
    others = (scores.sum(axis=1, keepdims=True) - scores) / (seeds - 1)
    peaks = others.argmax(axis=0)
    found: NDArray[np.float64] = scores[points - 1] - scores[peaks, np.arange(seeds)]
    return found


def _fall(plan: Plan, path: SearchPath, reached: Sequence[Trained]) -> dict[str, Any] | None:
    """Returns how much the last trial lies below the peak with its interval; None where the last one has no value."""
    done = [(one, values) for one, values in zip(path.incumbents, reached, strict=True) if values is not None]
    if len(done) < 2 or done[-1][0] is not path.incumbents[-1]:
        return None
    direction = plan.task.objectives[0].direction
    scores = np.array([utilities([row[:1] for row in values], [direction])[:, 0] for _, values in done])
    differences = falls(scores)
    low, high = difference_interval(differences.tolist(), rng=child(plan.seed, PURPOSE, "fall"))
    peak = done[int(scores.mean(axis=1).argmax())][0].trial
    return {"peak": peak, "mean": float(differences.mean()), "low": low, "high": high}


def _agreement(path: SearchPath, curve: Sequence[dict[str, Any]], goal: Objective) -> float | None:
    search = [utility(one["search"], path.objective.direction) for one in curve]
    return spearman(search, [utility(one["mean"], goal.direction) for one in curve])


def _summary(values: Trained) -> dict[str, JSON]:
    if values is None:
        return {"mean": None, "sd": None, "values": []}
    numbers = [float(row[0]) for row in values if row[0] is not None]
    return {"mean": float(np.mean(numbers)), "sd": float(np.std(numbers, ddof=1)), "values": list(numbers)}


def _text(
    plan: Plan, path: SearchPath, curve: Sequence[dict[str, Any]], *, fall: dict[str, Any] | None, found: bool | None
) -> str:
    first, last = curve[0], curve[-1]
    if len(curve) < 2:
        return f"Trial {first['trial']} was the best from the beginning: there is no way of the search to look at."
    way = (
        f"from trial {first['trial']} to trial {last['trial']} {path.objective.name} of the search went from "
        f"{first['search']:.4g} to {last['search']:.4g}"
    )
    if fall is None:
        failed = f"trial {last['trial']} or all before it could not be trained there"
        return f"What the search gained cannot be compared with {plan.task.name}: {failed} ({way})."
    amount = f"{fall['mean']:+.4f} (95 % interval {fall['low']:+.4f} to {fall['high']:+.4f})"
    goal = f"{plan.task.objectives[0].name} of {plan.task.name}"
    if found is None:
        few = f"Fewer than {SEEDS_FOR_A_WINNER} seeds say nothing about meta-overfitting"
        return f"{few}: {way}, and in {goal} the last one is {amount} from the peak."
    if found:
        return f"Meta-overfitting: {way}, while in {goal} the last one lies below trial {fall['peak']} by {amount}."
    return f"No meta-overfitting beyond noise: {way}, and in {goal} the last one is {amount} from the peak."


def _better(value: float, other: float, objective: Objective) -> bool:
    return utility(value, objective.direction) > utility(other, objective.direction)
