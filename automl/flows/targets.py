"""The value that methods race to: what the task's own recipe reaches at its best learning rate.

Why: a target that a person chooses can be too easy or out of reach; a tuned baseline sets one that is neither. The
rule: the learning rate with the best median over seeds sets the target, which is that median of each run's best
validation value; half of the baseline's own runs miss it, which is why compared runs get a third more steps.

Source: Dahl et al. (AlgoPerf, arXiv 2306.07179), section 4.3: the median over seeds of the best validation value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from automl.contracts.rung import Answer, Executor
from automl.contracts.trial import Objective
from automl.errors import EngineError
from automl.flows.workloads import Effort, Method, Run, Workload, train_all
from automl.numerics.ranking import utility


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be reached on one workload.

    Attributes:
        value: of the objective.
        factor: on the workload's learning rate, of the runs that set it.
        values: best of each run at that factor, by seed.
    """

    value: float
    factor: float
    values: tuple[float, ...]


def set_targets(workloads: Sequence[Workload], effort: Effort, *, executor: Executor) -> dict[str, Target]:
    """Tunes the baseline of every workload and returns its target by name.

    Args:
        workloads: with different names.
        effort: learning rates and seeds.
        executor: runs the jobs.

    Raises:
        EngineError: on some workload the baseline has no learning rate that every seed trained with.
    """
    own = Method(name="baseline")
    runs = {
        (place, factor, seed): Run(
            method=own, workload=workload, factor=factor, seed=seed, steps=workload.steps, purpose="target"
        )
        for place, workload in enumerate(workloads)
        for factor in effort.learning_rates
        for seed in range(effort.target_seeds)
    }
    answers = train_all(runs, effort, executor=executor)
    seeds, factors = range(effort.target_seeds), effort.learning_rates
    return {
        workload.name: _target(
            workload, {factor: [answers[place, factor, seed] for seed in seeds] for factor in factors}
        )
        for place, workload in enumerate(workloads)
    }


def _target(workload: Workload, of_factor: Mapping[float, Sequence[Answer]]) -> Target:
    """Returns the target that the runs set; a factor counts only if every seed got somewhere with it."""
    whole: dict[float, tuple[float, ...]] = {}
    for factor, answers in of_factor.items():
        values = tuple(value for value in best_values(answers, workload.objective) if value is not None)
        if len(values) == len(answers):
            whole[factor] = values
    if not whole:
        raise EngineError(_no_target(workload, [one for answers in of_factor.values() for one in answers]))
    direction = workload.objective.direction
    chosen = max(whole, key=lambda factor: utility(median(whole[factor]), direction))
    return Target(value=median(whole[chosen]), factor=chosen, values=whole[chosen])


def best_values(answers: Sequence[Answer], objective: Objective) -> list[float | None]:
    """Returns the best value of the objective's metric along each run, None where there is none."""
    choose = max if objective.direction == "maximize" else min
    found: list[float | None] = []
    for answer in answers:
        values = () if answer.result is None else answer.result.curves[0].metrics.get(objective.metric, ())
        known = [value for value in values if value is not None]
        found.append(choose(known) if known else None)
    return found


def _no_target(workload: Workload, answers: Sequence[Answer]) -> str:
    failed = next((answer.failure for answer in answers if answer.failure is not None), None)
    why = f" The first failure: {failed.reason} ({dict(failed.evidence)})." if failed else " Every rate diverged."
    remedy = "Give smaller learning rates, or another task"
    return f"The baseline of {workload.name} could not be trained, so it sets no target.{why} {remedy}."
