"""The funnel: stage by stage, only who beats the baseline goes on."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from automl.contracts import Closed, Curve, Opened, RungJob, RungResult, StudyLog
from automl.errors import InvalidSetting
from automl.flows.funnel import funnel
from automl.flows.meta_validation import SearchPath, search_path
from automl.flows.plan import Plan
from automl.searchers.random_search import RandomSearch
from automl.testing.simulated import SimulatedExecutor
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace
from automl.testing.toy_task import ToyTask

SPACE = ToySpace()
SMALL = Plan(
    space=SPACE, space_locator="toy", task=ToyTask(name="small"), task_locator="s", searcher=RandomSearch(space=SPACE)
)
LARGE = replace(SMALL, task=ToyTask(name="large"), task_locator="l")
STAGES = (("small", SMALL), ("large", LARGE))
FINALISTS = {number: {"n": number} for number in (7, 3, 5)}

Gains = Mapping[str, Mapping[int, float]]
"""Task locator -> trial number -> gain over the baseline, on every split but those named as `locator:split`."""


def through(gains: Gains, *, path: SearchPath | None = None, jobs: list[RungJob] | None = None) -> dict[str, Any]:
    """Returns the report of the funnel with five seeds; a gain of NaN diverges."""

    def result(job: RungJob) -> RungResult:
        if jobs is not None:
            jobs.append(job)
        edits: Any = job.refs[0].edits
        task, noise = job.refs[0].task, 0.01 * (job.leg.replicate % 5)
        found = {split: gains.get(f"{task}:{split}", gains[task]) for split in job.splits}
        gain = {split: one[edits[0][1]["n"]] if edits else 0.0 for split, one in found.items()}
        wobble = 0.001 * (job.leg.replicate % 3) if edits else 0.0
        scores = {split: 0.5 + one + noise + wobble for split, one in gain.items()}
        names = {"accuracy" if split == "gate" else f"{split}.accuracy": (one,) for split, one in scores.items()}
        return RungResult(
            curves=(Curve(steps=(1,), metrics=names),),
            measurements=({},),
            snapshots=(None,),
            diverged=(math.isnan(gain["gate"]),),
            steps=1,
            seconds=0.0,
        )

    executor = SimulatedExecutor(result, workers=2, duration=lambda job: 1.0)
    return dict(funnel(STAGES, FINALISTS, path=path, seeds=5, executor=executor))


def test_only_who_beats_the_baseline_goes_on_and_the_last_stage_names_the_winner() -> None:
    jobs: list[RungJob] = []
    report = through({"s": {7: 0.2, 3: -0.1, 5: 0.1}, "l": {7: -0.1, 5: 0.1}}, jobs=jobs)
    assert [(one["stage"], one["entered"], one["survivors"]) for one in report["stages"]] == [
        ("small", [7, 3, 5], [7, 5]),
        ("large", [7, 5], [5]),
    ]
    assert (report["winner"], report["verdict"], report["survivors"]) == (5, "winner", [5])
    assert [one["task_locator"] for one in report["stages"]] == ["s", "l"]
    assert report["stages"][1]["report"]["chosen"] == 5 and report["meta_validation"] is None
    assert sum(job.refs[0].task == "l" for job in jobs) == 3 * 5, "two finalists and the baseline"
    counts = "small: 2 of 3 better than the baseline; large: 1 of 2 better than the baseline. Trial 5, chosen"
    assert report["text"].startswith(counts)


def test_where_nobody_goes_on_the_funnel_stops() -> None:
    jobs: list[RungJob] = []
    report = through({"s": {7: -0.2, 3: -0.1, 5: float("nan")}, "l": {}}, jobs=jobs)
    assert (report["winner"], report["verdict"], report["survivors"]) == (None, "stopped", [])
    assert len(report["stages"]) == 1 and all(job.refs[0].task == "s" for job in jobs)
    assert report["stages"][0]["report"]["failed"] == [5]
    assert report["text"].endswith("Nobody goes on from small, so there is no winner.")


def test_who_stops_early_is_no_winner_whatever_the_test_split_says() -> None:
    report = through({"s": {7: -0.1, 3: -0.2, 5: -0.2}, "s:test": {7: 0.3, 3: 0.0, 5: 0.0}, "l": {}})
    assert report["stages"][0]["report"]["winner"] == 7, "as a single second look it would be"
    assert (report["winner"], report["verdict"]) == (None, "stopped")


def test_a_loss_on_the_last_stage_is_no_win() -> None:
    report = through({"s": {7: 0.2, 3: 0.1, 5: 0.1}, "l": {7: -0.2, 3: -0.1, 5: -0.3}})
    assert (report["winner"], report["verdict"], report["survivors"]) == (None, "worse", [])


def test_the_way_of_the_search_is_trained_on_the_last_task_even_if_nobody_came_so_far() -> None:
    log = StudyLog(
        name="study",
        header={},
        opened=tuple(Opened(number=n, genotype={"n": n}, fingerprint=str(n)) for n in (0, 1)),
        rungs={},
        closed=tuple(Closed(number=n, outcome="completed", reason="", values=(0.1 * n,)) for n in (0, 1)),
        notes={},
    )
    path = search_path(log, TOY_OBJECTIVES[0], most=8)
    report = through({"s": {7: -1, 3: -1, 5: -1}, "l": {0: 0.3, 1: 0.1}}, path=path)
    curve = report["meta_validation"]
    assert report["verdict"] == "stopped" and curve["task"] == "large" and curve["meta_overfitting"]
    empty = replace(path, incumbents=())
    assert through({"s": {7: -1, 3: -1, 5: -1}, "l": {}}, path=empty)["meta_validation"] is None


@pytest.mark.parametrize("stages", [(), (("small", SMALL), ("small", LARGE))])
def test_no_stage_and_a_stage_twice_are_refused(stages: tuple[tuple[str, Plan], ...]) -> None:
    executor = SimulatedExecutor(lambda job: pytest.fail("nothing is to train"), duration=lambda job: 1.0)
    with pytest.raises(InvalidSetting, match="one or more different stages"):
        funnel(stages, FINALISTS, path=None, seeds=5, executor=executor)
