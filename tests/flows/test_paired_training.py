"""Trainings that are compared: the same seeds for everyone, alternatives, steps."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from automl.contracts import Curve, Leg, Objective, RungJob, RungResult
from automl.flows.paired_training import Trained, difference_text, paired_differences, train_paired
from automl.flows.plan import Plan
from automl.flows.retraining import FIRST_REPLICATE
from automl.searchers.random_search import RandomSearch
from automl.testing.simulated import SimulatedExecutor
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask

SPACE = ToySpace()


class TwoRates(ToyTask):
    """Two architectures, each with two alternative legs."""

    def legs(self, purpose: Literal["search", "rerank"]) -> tuple[Leg, ...]:
        rates, variants = (0.25, 0.5), ("only", "other")
        return tuple(Leg(variant=one, overrides={"learning_rate": rate}) for one in variants for rate in rates)


PLAN = Plan(space=SPACE, space_locator="toy", task=TwoRates(), task_locator="toy", searcher=RandomSearch(space=SPACE))


def train(*, dead: Callable[[RungJob], bool], jobs: list[RungJob] | None = None, steps: int | None = None) -> Trained:
    """Returns what the baseline reaches with two seeds: its learning rate plus the number of the seed."""

    def result(job: RungJob) -> RungResult:
        if jobs is not None:
            jobs.append(job)
        value = job.leg.overrides["learning_rate"] + job.leg.replicate - FIRST_REPLICATE
        parts: dict[str, Any] = {"measurements": ({},), "snapshots": (None,), "steps": 1, "seconds": 0.0}
        curve = Curve(steps=(1,), metrics={"accuracy": (value,)})
        return RungResult(curves=(curve,), diverged=(dead(job),), **parts)

    executor = SimulatedExecutor(result, duration=lambda job: 1.0)
    return train_paired(PLAN, [None], purpose="here", seeds=2, steps=steps, executor=executor)[0]


def test_of_alternative_legs_the_best_that_lives_with_every_seed_counts() -> None:
    assert train(dead=lambda job: False) == ((0.5,), (1.5,))
    assert train(
        dead=lambda job: job.leg.overrides["learning_rate"] == 0.5 and job.leg.replicate == FIRST_REPLICATE
    ) == ((0.25,), (1.25,))
    assert train(dead=lambda job: job.leg.overrides["learning_rate"] == 0.5) == ((0.25,), (1.25,))


def test_a_seed_or_an_architecture_without_any_result_leaves_none() -> None:
    assert train(dead=lambda job: job.leg.replicate == FIRST_REPLICATE) is None
    assert train(dead=lambda job: job.leg.variant == "other") is None


def test_steps_reach_the_job_and_the_recipe() -> None:
    jobs: list[RungJob] = []
    train(dead=lambda job: False, jobs=jobs, steps=7)
    assert {(job.steps, job.leg.overrides["steps"], job.refs[0].overrides["steps"]) for job in jobs} == {((0, 7), 7, 7)}


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_a_difference_is_positive_where_it_is_better(direction: Literal["maximize", "minimize"], sign: int) -> None:
    goal = Objective(name="goal", direction=direction, metric="goal")
    found = paired_differences([(1.0,), (2.0,)], [(0.5,), (1.5,)], objectives=[goal], rng=np.random.default_rng(0))
    assert found == {"goal": {"mean": sign * 0.5, "low": sign * 0.5, "high": sign * 0.5}}
    ends = f"{sign * 0.5:+.4f} (95 % interval {sign * 0.5:+.4f} to {sign * 0.5:+.4f})"
    assert difference_text(found) == f"goal {ends}"
