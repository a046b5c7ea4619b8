"""The second look: fresh seeds, gate and test kept apart, a winner only beyond noise."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest

from automl.contracts import Curve, Leg, RungJob, RungResult
from automl.errors import EngineError, InvalidSetting
from automl.flows.plan import Plan
from automl.flows.rerank import rerank
from automl.flows.retraining import FIRST_REPLICATE
from automl.searchers.random_search import RandomSearch
from automl.testing.simulated import SimulatedExecutor
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask

SPACE = ToySpace()
PLAN = Plan(
    space=SPACE,
    space_locator="toy",
    task=ToyTask(),
    task_locator="toy",
    searcher=RandomSearch(space=SPACE),
)
GENOTYPES = dict(enumerate(SPACE.zoo().values()))

Scores = Callable[[RungJob, str, float], float]


def scored(scores: Scores, jobs: list[RungJob] | None = None) -> SimulatedExecutor:
    """Returns an executor whose jobs end with scores(job, split, noise of the seed)."""

    def run(job: RungJob) -> RungResult:
        if jobs is not None:
            jobs.append(job)
        noise = (job.leg.replicate * 7919 % 11) / 1000
        metrics = {
            "accuracy" if split == "gate" else f"{split}.accuracy": (scores(job, split, noise),) for split in job.splits
        }
        return RungResult(
            curves=(Curve(steps=(job.steps[1],), metrics=metrics),),
            measurements=({},),
            snapshots=(f"kept-{job.leg.replicate}",),
            diverged=(False,),
            steps=job.steps[1],
            seconds=0.0,
        )

    return SimulatedExecutor(run, workers=2, duration=lambda job: 1.0)


def number_of(job: RungJob) -> int | None:
    """Returns which of GENOTYPES a job trains, None = the baseline."""
    if not job.refs[0].edits:
        return None
    return next(n for n, genotype in GENOTYPES.items() if genotype == job.refs[0].edits[0][1])


def gains(per_split: Mapping[str, Mapping[int, float]]) -> Scores:
    """Returns scores of 0.5 plus the seed's noise plus the genotype's gain on that split."""

    def score(job: RungJob, split: str, noise: float) -> float:
        number = number_of(job)
        wobble = 0.0 if number is None else (job.leg.replicate % 3) * 0.001
        return 0.5 + noise + wobble + (0.0 if number is None else per_split[split].get(number, 0.0))

    return score


def look(scores: Scores, *, seeds: int = 5, jobs: list[RungJob] | None = None, steps: int | None = None) -> dict[str,
Any]:
    return dict(rerank(PLAN, GENOTYPES, seeds=seeds, steps=steps, executor=scored(scores, jobs)))


def test_a_clear_gain_is_a_winner_with_its_interval() -> None:
    report = look(gains({"gate": {1: 0.1}, "test": {1: 0.1}}))
    assert (report["verdict"], report["winner"], report["chosen"]) == ("winner", 1, 1)
    test = report["finalists"][0]["test"]["score"]
    assert test["low"] > 0.09 and test["high"] < 0.11
    assert "beats the baseline beyond noise" in report["text"]


def test_equal_scores_are_a_tie_and_nobody_wins() -> None:
    report = look(lambda job, split, noise: 0.5 + noise)
    assert (report["verdict"], report["winner"]) == ("tie", None)


def test_a_finalist_that_is_good_on_the_gate_only_is_not_a_winner() -> None:
    report = look(gains({"gate": {1: 0.2}, "test": {1: -0.1}}))
    assert (report["chosen"], report["verdict"], report["winner"]) == (1, "worse", None)


def test_the_test_split_is_shown_for_the_chosen_finalist_only() -> None:
    report = look(gains({"gate": {2: 0.1}, "test": {0: 0.3}}))
    assert report["chosen"] == 2
    others = [row for row in report["finalists"] if row["trial"] != 2]
    assert others and not any(name.startswith("test") for row in others for name in row)


def test_everyone_is_trained_with_the_same_fresh_seeds() -> None:
    jobs: list[RungJob] = []
    look(gains({"gate": {}, "test": {}}), seeds=3, jobs=jobs)
    by_candidate: dict[int | None, set[tuple[int, int]]] = {}
    for job in jobs:
        by_candidate.setdefault(number_of(job), set()).add((job.leg.replicate, job.seed))
    assert len(by_candidate) == 4 and len(set(map(frozenset, by_candidate.values()))) == 1
    replicates = {replicate for replicate, _ in by_candidate[None]}
    assert replicates == {FIRST_REPLICATE, FIRST_REPLICATE + 1, FIRST_REPLICATE + 2}
    assert all(seed != PLAN.seed for _, seed in by_candidate[None])


def test_steps_reach_the_job_and_the_recipe() -> None:
    jobs: list[RungJob] = []
    look(gains({"gate": {}, "test": {}}), steps=77, jobs=jobs)
    seen = {(job.steps, job.leg.overrides["steps"], job.refs[0].overrides["steps"]) for job in jobs}
    assert seen == {((0, 77), 77, 77)}


def test_a_finalist_that_fails_drops_out_and_a_failing_baseline_is_an_error() -> None:
    def broken(which: int | None) -> Scores:
        def score(job: RungJob, split: str, noise: float) -> float:
            if number_of(job) == which:
                raise RuntimeError("no luck")
            return 0.5 + noise

        return score

    report = look(broken(1))
    assert report["failed"] == [1] and [row["trial"] for row in report["finalists"]] == [0, 2]
    with pytest.raises(EngineError, match="baseline"):
        look(broken(None))


def test_fewer_than_five_seeds_name_no_winner() -> None:
    report = look(gains({"gate": {1: 0.1}, "test": {1: 0.1}}), seeds=4)
    assert (report["verdict"], report["winner"]) == ("tie", None)
    assert "Fewer than 5 seeds" in report["text"]


def test_one_seed_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="no noise to compare with"):
        look(lambda job, split, noise: 0.5, seeds=1)


def test_the_chosen_models_snapshot_is_of_the_first_seed() -> None:
    report = look(gains({"gate": {1: 0.1}, "test": {1: 0.1}}))
    assert list(report["snapshots"].values()) == [f"kept-{FIRST_REPLICATE}"]


class TunedTask(ToyTask):
    """The toy task with two learning rates to choose from."""

    def legs(self, purpose: Literal["search", "rerank"]) -> tuple[Leg, ...]:
        return tuple(Leg(variant="only", overrides={"learning_rate": rate}) for rate in (0.1, 0.3))


def tuned(scores: Scores) -> dict[str, Any]:
    plan = replace(PLAN, task=TunedTask())
    return dict(rerank(plan, {0: GENOTYPES[0]}, seeds=5, steps=None, executor=scored(scores)))


def test_each_candidate_is_judged_on_the_leg_that_the_gate_split_chooses() -> None:
    def score(job: RungJob, split: str, noise: float) -> float:
        small = job.leg.overrides["learning_rate"] == 0.1
        if number_of(job) is None:
            return noise + (0.5 if small else 0.4)
        on_gate = 0.6 if small else 0.7
        return noise + (on_gate if split == "gate" else 1.2 - on_gate)  # on test the other leg would look better

    report = tuned(score)
    assert [leg["overrides"] for leg in report["baseline"]["legs"]] == [{"learning_rate": 0.1}]
    assert [leg["overrides"] for leg in report["finalists"][0]["legs"]] == [{"learning_rate": 0.3}]
    assert report["finalists"][0]["test"]["score"]["mean"] == pytest.approx(0.0)
    assert report["alternatives"] == 2 and "best of 2 settings" in report["text"]


def test_a_leg_that_fails_leaves_its_alternative() -> None:
    def score(job: RungJob, split: str, noise: float) -> float:
        if job.leg.overrides["learning_rate"] == 0.3 and job.leg.replicate == FIRST_REPLICATE + 1:
            raise RuntimeError("diverges at the large rate, with one seed")
        return noise + job.leg.overrides["learning_rate"]

    report = tuned(score)
    assert report["failed"] == []
    assert [leg["overrides"] for leg in report["finalists"][0]["legs"]] == [{"learning_rate": 0.1}]
