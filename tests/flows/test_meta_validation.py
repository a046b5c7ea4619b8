"""Whether what a search finds carries over to a larger task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from automl.contracts import Closed, Curve, Objective, Opened, RungJob, RungResult, StudyLog
from automl.errors import InvalidSetting
from automl.flows.meta_validation import falls, meta_validation, search_path
from automl.flows.plan import Plan
from automl.flows.retraining import FIRST_REPLICATE
from automl.numerics.intervals import difference_interval
from automl.searchers.random_search import RandomSearch
from automl.testing.simulated import SimulatedExecutor
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace
from automl.testing.toy_task import ToyTask

SPACE = ToySpace()
SCORE = TOY_OBJECTIVES[0]
LOSS = Objective(name="loss", direction="minimize", metric="accuracy")
PLAN = Plan(
    space=SPACE, space_locator="toy", task=ToyTask(name="large"), task_locator="toy", searcher=RandomSearch(space=SPACE)
)


def study(values: Sequence[float | None]) -> StudyLog:
    """Returns a study whose trial n reached values[n]; None = it was rejected. Genotypes are {"n": n}."""
    return StudyLog(
        name="study",
        header={},
        opened=tuple(Opened(number=n, genotype={"n": n}, fingerprint=str(n)) for n in range(len(values))),
        rungs={},
        closed=tuple(
            Closed(number=n, outcome="rejected" if v is None else "completed", reason="", values=(v,))
            for n, v in enumerate(values)
        ),
        notes={},
    )


def look(
    search: Sequence[float | None],
    larger: Mapping[int | None, float | None],
    *,
    seeds: int = 5,
    plan: Plan = PLAN,
    goal: Objective = SCORE,
) -> dict[str, Any]:
    """Returns the report where trial n reaches larger[n] on the larger task plus the seed's noise; None = it fails."""

    def result(job: RungJob) -> RungResult:
        edits: Any = job.refs[0].edits
        number: int | None = edits[0][1]["n"] if edits else None
        value = larger[number]
        if value is None:
            raise RuntimeError("no luck")
        noise = (job.leg.replicate - FIRST_REPLICATE) * 0.01
        wobble = 0.001 * ((job.leg.replicate + (0 if number is None else number)) % 3)
        return RungResult(
            curves=(Curve(steps=(1,), metrics={"accuracy": (value + noise + wobble,)}),),
            measurements=({},),
            snapshots=(None,),
            diverged=(False,),
            steps=1,
            seconds=0.0,
        )

    executor = SimulatedExecutor(result, duration=lambda job: 1.0)
    path = search_path(study(search), goal, most=8)
    return dict(meta_validation(plan, path, seeds=seeds, executor=executor))


def test_the_path_holds_each_new_best_in_order() -> None:
    path = search_path(study([0.3, None, 0.2, 0.5, 0.5, 0.9]), SCORE, most=8)
    assert [(one.trial, one.value) for one in path.incumbents] == [(0, 0.3), (3, 0.5), (5, 0.9)]
    path = search_path(study([0.3, None, 0.2, 0.5]), LOSS, most=8)
    assert [one.trial for one in path.incumbents] == [0, 2]
    assert search_path(study([None]), SCORE, most=8).incumbents == ()


@pytest.mark.parametrize(
    ("most", "trials"),
    [(2, [0, 9]), (4, [0, 3, 6, 9]), (5, [0, 2, 4, 7, 9]), (10, list(range(10))), (99, list(range(10)))],
)
def test_a_long_path_is_thinned_evenly_and_keeps_its_ends(most: int, trials: list[int]) -> None:
    path = search_path(study([float(n) for n in range(10)]), SCORE, most=most)
    assert [one.trial for one in path.incumbents] == trials


def test_a_path_of_one_point_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="curve_trials=1"):
        search_path(study([0.1]), SCORE, most=1)


def test_a_search_that_carries_over_is_said_to() -> None:
    report = look([0.1, 0.2, 0.3], {None: 0.5, 0: 0.5, 1: 0.6, 2: 0.7})
    assert (report["meta_overfitting"], report["spearman"]) == (False, 1.0)
    assert [row["trial"] for row in report["curve"]] == [0, 1, 2]
    first = report["curve"][0]
    assert first["search"] == 0.1 and first["values"] == pytest.approx([0.501, 0.512, 0.52, 0.531, 0.542])
    assert first["mean"] == pytest.approx(0.5212) and first["sd"] == pytest.approx(np.std(first["values"], ddof=1))
    assert report["baseline"]["mean"] == pytest.approx(0.5212)
    assert report["text"].startswith(
        "No meta-overfitting beyond noise: from trial 0 to trial 2 score of the search went"
    )


def test_a_peak_before_the_end_is_named_meta_overfitting() -> None:
    report = look([0.1, 0.2, 0.3, 0.4], {None: 0.5, 0: 0.5, 1: 0.8, 2: 0.7, 3: 0.6})
    assert report["meta_overfitting"] and report["fall"]["peak"] == 1
    assert report["fall"]["mean"] == pytest.approx(-0.2, abs=0.002) and report["fall"]["high"] < -0.19
    assert report["spearman"] == pytest.approx(0.2)
    words = "while in score of large the last one lies below trial 1 by -0.1998"
    assert report["text"].startswith("Meta-overfitting: ") and words in report["text"]


def test_both_directions_count_as_better_or_worse() -> None:
    plan = replace(PLAN, task=ToyTask(name="large", objectives=(LOSS,)))
    falling = {None: 2.0, 0: 2.0, 1: 1.5, 2: 1.0}
    assert look([0.1, 0.2, 0.3], falling, plan=plan) | {"meta_overfitting": False, "spearman": 1.0} == look(
        [0.1, 0.2, 0.3], falling, plan=plan
    )
    rising = look([0.3, 0.2, 0.1], {None: 2.0, 0: 1.0, 1: 1.5, 2: 2.0}, plan=plan, goal=LOSS)
    assert (rising["meta_overfitting"], rising["spearman"]) == (True, -1.0)


def test_fewer_than_five_seeds_say_nothing() -> None:
    report = look([0.1, 0.2], {None: 0.5, 0: 0.9, 1: 0.1}, seeds=4)
    assert report["meta_overfitting"] is None and report["fall"]["high"] < 0
    assert report["text"].startswith("Fewer than 5 seeds say nothing")


def test_what_fails_on_the_larger_task_is_data() -> None:
    report = look([0.1, 0.2, 0.3], {None: None, 0: 0.9, 1: None, 2: 0.5})
    assert report["baseline"] == {"mean": None, "sd": None, "values": []}
    assert [row["mean"] is None for row in report["curve"]] == [False, True, False]
    assert report["meta_overfitting"] and report["spearman"] == -1.0
    last = look([0.1, 0.2, 0.3], {None: 0.5, 0: 0.5, 1: 0.4, 2: None})
    assert (last["fall"], last["meta_overfitting"], last["spearman"]) == (None, None, -1.0)
    assert "could not be trained there" in last["text"]


def test_a_search_that_never_got_better_has_no_way_to_look_at() -> None:
    report = look([0.1], {None: 0.5, 0: 0.5})
    assert report["fall"] is None and "best from the beginning" in report["text"]


def test_each_seeds_peak_is_chosen_by_the_other_seeds() -> None:
    """By hand: without seed 0 row 1 leads (3 > 2), without seed 1 row 0 does (9 > 0)."""
    assert falls(np.array([[9.0, 2.0], [0.0, 3.0], [1.0, 1.0]])).tolist() == [1.0, -1.0]
    assert falls(np.array([[0.0, 0.0], [1.0, 1.0]])).tolist() == [0.0, 0.0], "the last is the peak"


@pytest.mark.parametrize("points", [2, 8])
def test_noise_alone_is_seldom_called_meta_overfitting(points: int) -> None:
    """Measured over 600: 0.05 and 0.08; with the best of all seeds as the peak, not left out, 0.14 of 8 points."""
    rng = np.random.default_rng(0)
    studies = [rng.normal(size=(points, 5)) for _ in range(300)]
    found = [difference_interval(falls(one).tolist(), rng=rng, resamples=1000)[1] < 0 for one in studies]
    assert np.mean(found) < 0.11
