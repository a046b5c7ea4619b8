"""The runs of methods towards the targets: who gets there in how many steps.

Why: a method is as fast as its best learning rate lets it be, and luck is levelled by tuning it anew in every study.
The rule: all methods see the same seeds, learning rates, budget and measuring points; seeds that set the targets are
not used again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from automl.contracts.rung import Answer, Executor, Failure
from automl.flows.targets import Target
from automl.flows.workloads import Effort, Method, Run, Workload, train_all
from automl.numerics.performance_profile import time_to_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """The fastest run of one study.

    Attributes:
        steps: to the target; inf where no run reached it.
        seconds: of the worker, measuring included, in proportion to the steps; inf likewise.
        factor: on the learning rate; None where no run reached the target.
        failures: why runs of the study gave nothing, by learning rate.
    """

    steps: float
    seconds: float
    factor: float | None
    failures: tuple[str, ...] = ()


Races: TypeAlias = Mapping[str, Mapping[str, Sequence[Race]]]
"""Method -> workload -> one race per study."""


def run_races(
    methods: Sequence[Method],
    workloads: Sequence[Workload],
    targets: Mapping[str, Target],
    effort: Effort,
    *,
    executor: Executor,
) -> dict[str, dict[str, list[Race]]]:
    """Trains every method in every study.

    Args:
        methods: with different names.
        workloads: with different names.
        targets: by workload.
        effort: studies and learning rates.
        executor: runs the jobs.
    """
    runs = {
        (method.name, workload.name, study, factor): Run(
            method=method, workload=workload, factor=factor, seed=study, steps=workload.budget, purpose="race"
        )
        for workload in workloads
        for method in methods
        for study in range(effort.studies)
        for factor in effort.learning_rates
    }
    answers = train_all(runs, effort, executor=executor)
    return {
        method.name: {
            workload.name: [
                _fastest(
                    {rate: answers[method.name, workload.name, study, rate] for rate in effort.learning_rates},
                    workload,
                    target=targets[workload.name].value,
                )
                for study in range(effort.studies)
            ]
            for workload in workloads
        }
        for method in methods
    }


def _fastest(answers: Mapping[float, Answer], workload: Workload, *, target: float) -> Race:
    """Returns the run of a study that reached the target first; of equals the one with the earlier factor."""
    best, failures = Race(steps=math.inf, seconds=math.inf, factor=None), []
    for factor, answer in answers.items():
        if answer.failure is not None:
            failures.append(f"learning rate x{factor:g}: {_said(answer.failure)}")
            continue
        assert answer.result is not None
        curve, goal = answer.result.curves[0], workload.objective
        values = curve.metrics.get(goal.metric, (None,) * len(curve.steps))
        steps = time_to_target(curve.steps, values, target=target, lower=goal.direction == "minimize")
        if steps < best.steps:
            best = Race(steps=steps, seconds=answer.result.seconds * steps / answer.result.steps, factor=factor)
    return replace(best, failures=tuple(failures))


def _said(failure: Failure) -> str:
    words = failure.evidence.get("text") or failure.evidence.get("exception")
    return f"{failure.reason}: {words}" if words else failure.reason
