"""Companions of a second look: who they are, that they are trained alike, and what is said about them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from automl.contracts import Curve, RungJob, RungResult
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.flows.companions import Companion, companions_of
from automl.flows.plan import Plan
from automl.flows.rerank import rerank
from automl.searchers.random_search import RandomSearch
from automl.seeding import child_seed
from automl.testing.simulated import SimulatedExecutor
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask

SPACE = ToySpace()
PLAN = Plan(
    space=SPACE, space_locator="toy", task=ToyTask(), task_locator="toy", searcher=RandomSearch(space=SPACE), seed=3
)
FINALISTS = {7: SPACE.zoo()["square"], 9: SPACE.zoo()["ramp"]}

Score = Callable[[str | None, str, int], float]
"""(fingerprint or None = baseline, split, replicate) -> accuracy."""


class Tiny(ToySpace):
    """The toy space with three functions only."""

    def sample(self, rng: np.random.Generator) -> Any:
        zoo = list(self.zoo().values())
        return replace(super().sample(rng), genotype=zoo[int(rng.integers(len(zoo)))])


def scored(score: Score, jobs: list[RungJob] | None = None) -> SimulatedExecutor:
    def run(job: RungJob) -> RungResult:
        if jobs is not None:
            jobs.append(job)
        edits = job.refs[0].edits
        who = SPACE.fingerprint(edits[0][1]) if edits else None
        values = {split: score(who, split, job.leg.replicate) for split in job.splits}
        metrics = {"accuracy" if split == "gate" else f"{split}.accuracy": (v,) for split, v in values.items()}
        return RungResult(
            curves=(Curve(steps=(job.steps[1],), metrics=metrics),),
            measurements=({},),
            snapshots=("kept",) if job.keep else (None,),
            diverged=(values["gate"] < 0,),
            steps=job.steps[1],
            seconds=0.0,
        )

    return SimulatedExecutor(run, workers=2, duration=lambda job: 1.0)


def drawn(random: int = 8, designs: tuple[str, ...] = ()) -> tuple[Companion, ...]:
    return companions_of(PLAN, FINALISTS, random=random, designs=designs)


def look(score: Score, companions: tuple[Companion, ...], *, jobs: list[RungJob] | None = None) -> dict[str, Any]:
    executor = scored(score, jobs)
    return dict(rerank(PLAN, FINALISTS, seeds=5, steps=None, executor=executor, companions=companions))


def first_finalist_gains(amount: float) -> Score:
    first = SPACE.fingerprint(FINALISTS[7])
    return lambda who, split, replicate: 0.5 + replicate % 7 / 1000 + (amount if who == first else 0.0)


def test_random_companions_are_other_functions_than_finalists_and_each_other() -> None:
    prints = [one.fingerprint for one in drawn(20)]
    assert len({*prints, *map(SPACE.fingerprint, FINALISTS.values())}) == 22
    assert [one.name for one in drawn(3)] == ["random 0", "random 1", "random 2"]


def test_they_follow_from_the_seed_and_more_of_them_keep_the_first_ones() -> None:
    assert drawn(12)[:8] == drawn(8) == drawn(8)
    other = companions_of(replace(PLAN, seed=4), FINALISTS, random=8, designs=())
    assert {one.fingerprint for one in other} != {one.fingerprint for one in drawn(8)}


def test_a_design_is_named_once_and_an_unknown_one_is_refused() -> None:
    assert [(one.kind, one.name) for one in drawn(0, ("half", "half"))] == [("design", "half")]
    with pytest.raises(UnknownName, match="half"):
        drawn(0, ("hlaf",))


@pytest.mark.parametrize("random", [1, -2, True, 2.5])
def test_one_random_candidate_says_nothing_and_is_refused(random: Any) -> None:
    with pytest.raises(InvalidSetting, match="one candidate says nothing"):
        drawn(random)


def test_a_space_that_is_used_up_gives_fewer_and_one_without_others_is_refused() -> None:
    tiny = replace(PLAN, space=Tiny())
    assert len(companions_of(tiny, FINALISTS, random=8, designs=())) == 1
    with pytest.raises(UsageError, match="nothing but the finalists"):
        companions_of(tiny, dict(enumerate(SPACE.zoo().values())), random=8, designs=())


def test_companions_have_the_seeds_and_the_budget_of_the_finalists_and_keep_no_model() -> None:
    jobs: list[RungJob] = []
    look(first_finalist_gains(0.1), drawn(2, ("half",)), jobs=jobs)
    runs: dict[str, set[Any]] = {}
    for job in jobs:
        who = str(job.refs[0].edits)
        runs.setdefault(who, set()).add((job.leg.replicate, job.seed, job.steps, job.splits))
    assert len(runs) == 6 and len(set(map(frozenset, runs.values()))) == 1
    assert sum(job.keep for job in jobs) == 3 * 5, "the baseline's and the finalists'"


def test_a_clear_gain_over_random_candidates_is_told_with_its_interval() -> None:
    report = look(first_finalist_gains(0.1), drawn(8, ("half",)))
    found = report["companions"]
    assert found["chosen"]["trial"] == report["chosen"] == 7
    over = found["chosen"]["random"]["score"]
    assert over == pytest.approx({"mean": 0.1, "low": 0.1, "high": 0.1})
    # nobody of 8 missed: the exact interval starts at 0.025 ** (1 / 8)
    beaten = found["chosen"]["beaten"]["score"]
    assert beaten == pytest.approx({"beaten": 8, "of": 8, "share": 1.0, "low": 0.025 ** (1 / 8), "high": 1.0})
    assert found["chosen"]["designs"]["half"]["score"] == pytest.approx({"mean": 0.1, "low": 0.1, "high": 0.1})
    assert "it beats 8 of them in score (63% to 100% of the space)" in found["text"]
    assert "against the design half" in found["text"] and "say little" not in found["text"]
    assert len(found["random"]) == 8 and all(len(one["test_values"]) == 5 for one in found["random"])
    json.dumps(report, allow_nan=False)


def test_other_finalists_are_compared_on_the_gate_split_only() -> None:
    def score(who: str | None, split: str, replicate: int) -> float:
        places = {SPACE.fingerprint(FINALISTS[7]): 0.2, SPACE.fingerprint(FINALISTS[9]): 0.1}
        return 0.5 + (places.get(who or "", 0.0) if split == "gate" else 0.0)

    found = look(score, drawn(8))["companions"]
    gains = {one["trial"]: one["random"]["score"]["mean"] for one in found["finalists"]}
    assert gains == pytest.approx({7: 0.2, 9: 0.1})
    assert found["chosen"]["random"]["score"]["mean"] == pytest.approx(0.0), "on test nothing is left of it"
    assert found["chosen"]["beaten"]["score"]["beaten"] == 0, "an equal one is not beaten"


def test_the_interval_is_wide_where_random_candidates_differ() -> None:
    companions = drawn(8)
    places = {one.fingerprint: 0.01 * index for index, one in enumerate(companions)}

    def score(who: str | None, split: str, replicate: int) -> float:
        return 0.5 + replicate % 7 / 1000 + places.get(who or "", 0.05)

    over = look(score, companions)["companions"]["chosen"]["random"]["score"]
    # mean of 0..7 hundredths is 0.035; sd of their mean 0.00866, Student's 2.36 of 7 degrees
    assert over["mean"] == pytest.approx(0.015)
    assert over["low"] == pytest.approx(0.015 - 0.0205, abs=0.002)
    assert over["high"] == pytest.approx(0.015 + 0.0205, abs=0.002)


def test_a_companion_that_fails_is_named_and_not_replaced() -> None:
    companions = drawn(8)
    diverges, crashes = companions[2].fingerprint, companions[5].fingerprint

    def score(who: str | None, split: str, replicate: int) -> float:
        if who == crashes and replicate == 1003:
            raise RuntimeError("no luck")
        return -1.0 if who == diverges else 0.5

    report = look(score, companions)
    found = report["companions"]
    assert [(one["name"], one["reason"]) for one in found["failed"]] == [
        ("random 2", "diverged"),
        ("random 5", "crashed"),
    ]
    assert len(found["random"]) == 6 and report["failed"] == []
    assert "2 could not be trained and are left out: random 2 (diverged), random 5 (crashed)" in found["text"]
    assert "Fewer than 8 random candidates say little" in found["text"]


def test_where_hardly_any_companion_lives_nothing_is_claimed() -> None:
    companions = drawn(3)
    lives = companions[0].fingerprint
    others = {one.fingerprint for one in companions[1:]}

    def score(who: str | None, split: str, replicate: int) -> float:
        return -1.0 if who in others else 0.4 if who == lives else 0.5

    found = look(score, companions)["companions"]
    assert found["chosen"]["random"] is None and found["chosen"]["beaten"] is None
    assert "cannot be compared with random candidates: 1 could be trained" in found["text"]


def test_finalists_that_all_fail_leave_the_companions_in_the_report() -> None:
    bad = {SPACE.fingerprint(genotype) for genotype in FINALISTS.values()}
    report = look(lambda who, split, replicate: -1.0 if who in bad else 0.5, drawn(8))
    assert report["chosen"] is None and report["companions"]["chosen"] is None
    assert "no finalist to compare with" in report["companions"]["text"]


def test_companions_change_nothing_for_the_finalists() -> None:
    def score(who: str | None, split: str, replicate: int) -> float:
        return 0.5 + child_seed(replicate, who or "") % 97 / 1000

    alone, beside = look(score, ()), look(score, drawn(8, ("half",)))
    beside.pop("companions")
    assert "companions" not in alone and alone == beside
    assert look(score, drawn(8)) == look(score, drawn(8)), "the same study, the same report"
