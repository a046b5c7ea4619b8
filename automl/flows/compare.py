"""Methods compared by the time that they need to a target, over several workloads.

Why: a schedule that is better at the end of one task's run may be slower, or fail, on the next; how often a method is
within a factor of the fastest says more than a mean of losses. The rule: every method is tuned on the same learning
rates in every study; its time is the median over studies of the fastest run. Held-out variants of a workload enter no
score: who reaches the target of a workload and misses one of its variants is marked.

Source: Dahl et al. (AlgoPerf, arXiv 2306.07179), sections 4 and 5; see `automl.numerics.performance_profile`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automl.canonical import JSON, finite
from automl.contracts.rung import Executor
from automl.flows.races import Race, Races, run_races
from automl.flows.targets import Target, set_targets
from automl.flows.workloads import Effort, Method, Workload
from automl.numerics.performance_profile import geometric_speed_up, median_time, profile, ratios, score
from automl.seeding import child

RESAMPLES = 1_000
LEVEL = 0.95
FACTORS = (1.0, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0)
"""Where the profile is given; the score integrates it exactly."""


def compare(
    methods: Sequence[Method], workloads: Sequence[Workload], effort: Effort, *, executor: Executor
) -> dict[str, JSON]:
    """Sets the targets, trains every method on every workload, and compares the times.

    Args:
        methods: with different names, at least one.
        workloads: with different names; at least one that is no held-out variant.
        effort: how much is trained.
        executor: runs the jobs.

    Returns:
        The report: "workloads" (with targets), "methods", "times" (method -> workload -> steps, ratio, seconds, ...;
        null = the target was missed), "scores" (method -> score with interval over studies, speed_up), "reference" of
        the speed-up, "profile", "missed_variants", "at_the_edge", "effort", "text".

    Raises:
        EngineError: the baseline of a workload could not be trained.
    """
    targets = set_targets(workloads, effort, executor=executor)
    races = run_races(methods, workloads, targets, effort, executor=executor)
    return _report(methods, [(one, targets[one.name]) for one in workloads], races, effort)


def _report(
    methods: Sequence[Method], pairs: Sequence[tuple[Workload, Target]], races: Races, effort: Effort
) -> dict[str, JSON]:
    workloads = [workload for workload, _ in pairs]
    times = {
        method: {name: median_time([race.steps for race in found]) for name, found in of_method.items()}
        for method, of_method in races.items()
    }
    slower = {workload.name: _ratios(times, workload.name) for workload in workloads}
    counted = [workload.name for workload in workloads if workload.held_out_of is None]
    scores = _scores(races, times, counted, effort)
    missed = {method: _missed(method, workloads, slower) for method in times}
    edges = _edges(races, effort)
    return {
        "workloads": [_workload(one, target) for one, target in pairs],
        "methods": [{"name": one.name, "edits": [list(edit) for edit in one.edits]} for one in methods],
        "times": {
            method: {name: _time(found, slower[name][method]) for name, found in of_method.items()}
            for method, of_method in races.items()
        },
        "reference": _reference(times),
        "scores": scores,
        "profile": _profile(slower, counted),
        "missed_variants": dict(missed),
        "at_the_edge": edges,
        "effort": effort.to_json(),
        "text": _text(scores, missed, edges, counted=len(counted)),
    }


def _ratios(times: Mapping[str, Mapping[str, float]], workload: str) -> dict[str, float]:
    """Returns method -> its time over the fastest one's on a workload; inf beyond 4."""
    found = ratios({method: [of_method[workload]] for method, of_method in times.items()})
    return {method: float(values[0]) for method, values in found.items()}


def _scores(
    races: Races, times: Mapping[str, Mapping[str, float]], counted: Sequence[str], effort: Effort
) -> dict[str, JSON]:
    """Returns each method's score, its interval over studies, and its speed-up against the reference."""
    intervals = _intervals(races, counted, effort)
    exact = ratios({method: [of[name] for name in counted] for method, of in times.items()})
    reference = [times[_reference(times)][name] for name in counted]
    found: dict[str, JSON] = {}
    for method, values in exact.items():
        low, high = intervals[method]
        speed_up = geometric_speed_up([times[method][name] for name in counted], reference)
        found[method] = {"score": score(values), "low": low, "high": high, "speed_up": speed_up}
    return found


def _intervals(
    races: Races, counted: Sequence[str], effort: Effort
) -> dict[str, tuple[float, float] | tuple[None, None]]:
    """Returns method -> percentile bootstrap interval of its score over studies, drawn anew for each workload."""
    if effort.studies < 2:
        return dict.fromkeys(races, (None, None))
    drawn: dict[str, list[float]] = {method: [] for method in races}
    rng = child(effort.seed, "compare", "scores")
    for _ in range(RESAMPLES):
        chosen = {name: rng.integers(effort.studies, size=effort.studies) for name in counted}
        medians = {
            method: [median_time([of_method[name][study].steps for study in chosen[name]]) for name in counted]
            for method, of_method in races.items()
        }
        for method, values in ratios(medians).items():
            drawn[method].append(score(values))
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    ends = {method: np.quantile(scores, tails) for method, scores in drawn.items()}
    return {method: (float(low), float(high)) for method, (low, high) in ends.items()}


def _reference(times: Mapping[str, Any]) -> str:
    """Returns what speed-ups are relative to: the baseline where it takes part, else the first method."""
    return "baseline" if "baseline" in times else next(iter(times))


def _profile(slower: Mapping[str, Mapping[str, float]], counted: Sequence[str]) -> dict[str, JSON]:
    methods = slower[counted[0]]
    factors = np.array(FACTORS)
    shares = {m: profile(np.array([slower[name][m] for name in counted]), factors).tolist() for m in methods}
    return {"factors": list(FACTORS), "shares": shares}


def _missed(method: str, workloads: Sequence[Workload], slower: Mapping[str, Mapping[str, float]]) -> list[JSON]:
    """Returns the variants that a method misses, or is more than 4 times slower on, of workloads that it reaches."""
    return [
        workload.name
        for workload in workloads
        if workload.held_out_of is not None
        and math.isfinite(slower[workload.held_out_of][method])
        and math.isinf(slower[workload.name][method])
    ]


def _edges(races: Races, effort: Effort) -> list[JSON]:
    """Returns where every study chose the same end of the grid, so that a better learning rate may lie beyond it."""
    ends = {min(effort.learning_rates), max(effort.learning_rates)} if len(effort.learning_rates) > 1 else set()
    found: list[JSON] = []
    for method, of_method in races.items():
        for workload, studies in of_method.items():
            chosen = {race.factor for race in studies}
            if len(chosen) == 1 and chosen <= ends:
                found.append({"method": method, "workload": workload, "learning_rate": studies[0].factor})
    return found


def _workload(workload: Workload, target: Target) -> dict[str, JSON]:
    return {
        "workload": workload.name,
        "task": workload.task,
        "variant": workload.variant,
        "held_out_of": workload.held_out_of,
        "objective": workload.objective.name,
        "direction": workload.objective.direction,
        "target": target.value,
        "target_values": list(target.values),
        "target_learning_rate": target.factor,
        "learning_rate": workload.learning_rate,
        "steps": workload.steps,
        "budget": workload.budget,
        "measured_every_steps": workload.measure_every_steps,
    }


def _time(studies: Sequence[Race], ratio: float) -> dict[str, JSON]:
    failures: list[JSON] = [text for race in studies for text in race.failures]
    return {
        "steps": finite(median_time([race.steps for race in studies])),
        "ratio": finite(ratio),
        "seconds": finite(median_time([race.seconds for race in studies])),
        "by_study": [finite(race.steps) for race in studies],
        "learning_rates": [race.factor for race in studies],
        "failures": failures,
    }


def _text(scores: Mapping[str, Any], missed: Mapping[str, list[JSON]], edges: Sequence[Any], *, counted: int) -> str:
    order = sorted(scores, key=lambda method: -scores[method]["score"])
    if not any(one["score"] for one in scores.values()):
        parts = ["No method reached a target within its budget."]
    else:
        on = f"{counted} workload{'s' if counted > 1 else ''}"
        parts = [f"Score over {on}: " + ", ".join(f"{method} {_shown(scores[method])}" for method in order) + "."]
    never = [method for method in order if not scores[method]["score"]]
    if never and len(never) < len(scores):
        parts.append(f"Never within 4 times the fastest, perhaps for want of other learning rates: {', '.join(never)}.")
    marked = [f"{method} ({', '.join(map(str, names))})" for method, names in missed.items() if names]
    if marked:
        parts.append(f"Reached the target but missed a held-out variant: {'; '.join(marked)}.")
    if edges:
        where = ", ".join(f"{one['method']} on {one['workload']} (x{one['learning_rate']:g})" for one in edges)
        parts.append(f"Fastest at an end of the learning rates, so a wider grid may help: {where}.")
    return " ".join(parts)


def _shown(one: Mapping[str, Any]) -> str:
    between = "" if one["low"] is None else f" ({one['low']:.2f} to {one['high']:.2f})"
    return f"{one['score']:.2f}{between}"
