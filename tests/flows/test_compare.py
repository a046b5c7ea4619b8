"""Methods compared by time to target: the published scoring oracles through the whole flow, by hand-set times."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.canonical import dumps
from automl.contracts import Curve, Objective, RungJob, RungResult
from automl.flows.compare import compare
from automl.flows.retraining import FIRST_REPLICATE
from automl.flows.workloads import Effort, Method, Workload
from automl.testing.simulated import SimulatedExecutor

GOAL = Objective(name="accuracy", direction="maximize", metric="accuracy")
STEPS, BUDGET = 45, 60
ONE = Effort(studies=1, target_seeds=1, learning_rates=(1.0,))

Times = Callable[[str, str, int, float], float]
"""(method, workload, study, factor) -> steps to the target; inf = never."""


def workload(name: str, *, held_out_of: str | None = None, steps: int = STEPS) -> Workload:
    return Workload(
        name=name, task=name, variant="only", objective=GOAL, learning_rate=0.1, steps=steps, held_out_of=held_out_of
    )


def method(name: str) -> Method:
    return Method(name=name, edits=(("toy", {"name": name}),))


def racing(times: Times, jobs: list[RungJob] | None = None) -> SimulatedExecutor:
    """Returns an executor on which targets are 0.5, and a race goes from 0 to 1 at its time; 0.1 s a step."""

    def run(job: RungJob) -> RungResult:
        if jobs is not None:
            jobs.append(job)
        ref, marks = job.refs[0], range(job.measure_every_steps, job.steps[1] + 1, job.measure_every_steps)
        values = tuple(0.5 for _ in marks)
        if ref.edits:
            factor = round(float(ref.overrides["learning_rate"]) / 0.1, 6)
            study = job.leg.replicate - FIRST_REPLICATE
            reached = times(str(ref.edits[0][1]["name"]), ref.task, study, factor)
            values = tuple(float(step >= reached) for step in marks)
        return RungResult(
            curves=(Curve(steps=tuple(marks), metrics={"accuracy": values}),),
            measurements=({},),
            snapshots=(None,),
            diverged=(False,),
            steps=job.steps[1],
            seconds=0.1 * job.steps[1],
        )

    return SimulatedExecutor(run, workers=3, duration=lambda job: float(job.steps[1]))


def from_table(table: Mapping[str, Sequence[float]], effort: Effort = ONE) -> dict[str, Any]:
    """Returns the report of methods with one time per workload, the same in every study."""
    names = [f"w{place}" for place in range(len(next(iter(table.values()))))]
    return compare(
        [method(name) for name in table],
        [workload(name) for name in names],
        effort,
        executor=racing(lambda name, task, study, factor: table[name][names.index(task)]),
    )


def scores(report: Mapping[str, Any]) -> dict[str, float]:
    return {name: one["score"] for name, one in report["scores"].items()}


def test_the_published_scoring_example() -> None:
    """Specs O7.1: C's 50 is more than 4 times the fastest 10, so it counts as missed."""
    report = from_table({"A": [10, 20, 30, math.inf], "B": [20, 20, 60, 50], "C": [50, 30, 31, 60]})
    found = {name: [of[f"w{place}"]["ratio"] for place in range(4)] for name, of in report["times"].items()}
    assert found["A"] == [1, 1, 1, None] and found["B"] == [2, 1, 2, 1]
    assert found["C"] == [None, 1.5, pytest.approx(31 / 30), 1.2]
    assert scores(report) == pytest.approx({"A": 0.75, "B": 0.8333333, "C": 0.6888889})
    assert report["times"]["C"]["w0"]["steps"] == 50 and report["times"]["A"]["w3"]["steps"] is None


def test_a_sole_method_has_score_1_and_one_that_never_arrives_0() -> None:
    """Specs O7.2."""
    assert scores(from_table({"A": [10, 60]})) == {"A": 1.0}
    report = from_table({"A": [math.inf], "B": [math.inf]})
    assert scores(report) == {"A": 0.0, "B": 0.0}
    assert "No method reached a target" in report["text"]


def test_a_tie_makes_both_the_fastest() -> None:
    """Specs O7.3: the profile at 1 is the share of workloads on which a method is the fastest."""
    report = from_table({"A": [10, 40], "B": [10, 20]})
    at_one = {name: shares[0] for name, shares in report["profile"]["shares"].items()}
    assert at_one == {"A": 0.5, "B": 1.0} and report["profile"]["factors"][0] == 1
    assert report["times"]["A"]["w0"]["ratio"] == report["times"]["B"]["w0"]["ratio"] == 1


@settings(max_examples=15)
@given(
    st.lists(st.tuples(*[st.sampled_from([5, 10, 15, 20, 30, math.inf])] * 3), min_size=2, max_size=3),
    st.integers(0, 1),
)
def test_the_scale_of_one_workload_does_not_matter(rows: list[tuple[float, ...]], place: int) -> None:
    table = {f"m{number}": list(row) for number, row in enumerate(rows)}
    doubled = {name: [t * 2 if at == place else t for at, t in enumerate(row)] for name, row in table.items()}
    assert scores(from_table(table)) == scores(from_table(doubled))


def test_time_is_the_median_over_studies_of_the_best_over_learning_rates() -> None:
    table = {0: {0.3: 30, 1.0: 12, 3.0: 40}, 1: {0.3: 20, 1.0: 50, 3.0: math.inf}, 2: {0.3: 60, 1.0: 31, 3.0: 32}}
    report = compare(
        [method("A")],
        [workload("w")],
        Effort(studies=3, target_seeds=1, learning_rates=(0.3, 1.0, 3.0)),
        executor=racing(lambda name, task, study, factor: table[study][factor]),
    )
    found = report["times"]["A"]["w"]
    assert (found["steps"], found["by_study"], found["learning_rates"]) == (20, [12, 20, 31], [1.0, 0.3, 1.0])
    assert found["seconds"] == pytest.approx(2.0)


def test_a_method_that_misses_in_half_of_the_studies_has_no_time() -> None:
    effort = Effort(studies=2, target_seeds=1, learning_rates=(1.0,))
    report = compare(
        [method("A")],
        [workload("w")],
        effort,
        executor=racing(lambda name, task, study, factor: 10 if study else math.inf),
    )
    assert report["times"]["A"]["w"]["steps"] is None and report["times"]["A"]["w"]["by_study"] == [None, 10]


def test_a_missed_variant_marks_the_method_and_changes_no_score() -> None:
    table = {"A": {"w": 10, "w width": math.inf}, "B": {"w": 20, "w width": 20}, "C": {"w": math.inf, "w width": 90}}
    report = compare(
        [method(name) for name in table],
        [workload("w"), workload("w width", held_out_of="w")],
        ONE,
        executor=racing(lambda name, task, study, factor: table[name][task]),
    )
    assert report["missed_variants"] == {"A": ["w width"], "B": [], "C": []}  # C did not reach w in the first place
    assert scores(report) == pytest.approx({"A": 1.0, "B": 2 / 3, "C": 0.0})
    assert "missed a held-out variant: A (w width)" in report["text"]


def test_more_than_four_times_the_fastest_is_missing_a_variant() -> None:
    table = {"A": {"w": 10, "v": 41}, "B": {"w": 10, "v": 10}}
    report = compare(
        [method(name) for name in table],
        [workload("w"), workload("v", held_out_of="w")],
        ONE,
        executor=racing(lambda name, task, study, factor: table[name][task]),
    )
    assert report["missed_variants"] == {"A": ["v"], "B": []}


def test_the_interval_over_studies_holds_the_score_and_is_absent_with_one_study() -> None:
    assert from_table({"A": [10]})["scores"]["A"]["low"] is None
    table = {"A": [10, 14, 12, 30, 11], "B": [20, 21, 12, 22, 60]}
    effort = Effort(studies=5, target_seeds=1, learning_rates=(1.0,))
    reports = [
        compare(
            [method(name) for name in table],
            [workload("w")],
            effort,
            executor=racing(lambda name, task, study, factor: table[name][study]),
        )
        for _ in range(2)
    ]
    one = reports[0]["scores"]["B"]
    assert 0 <= one["low"] <= one["score"] <= one["high"] <= 1 and one["low"] < one["high"]
    assert dumps(reports[0]) == dumps(reports[1])


def test_speed_up_is_the_geometric_mean_over_workloads_that_both_finished() -> None:
    report = from_table({"baseline": [20, 40, 10], "A": [10, 20, math.inf], "B": [40, 40, 20]})
    assert report["reference"] == "baseline"
    speed = {name: one["speed_up"] for name, one in report["scores"].items()}
    assert speed == pytest.approx({"baseline": 1.0, "A": 2.0, "B": (0.5 * 1.0 * 0.5) ** (1 / 3)})


def test_a_method_whose_best_rate_is_always_at_an_end_of_the_grid_is_named() -> None:
    def times(name: str, task: str, study: int, factor: float) -> float:
        return 10 * factor if name == "A" else 10 + abs(factor - 1)

    report = compare(
        [method("A"), method("B")],
        [workload("w")],
        Effort(studies=2, target_seeds=1, learning_rates=(0.3, 1.0, 3.0)),
        executor=racing(times),
    )
    assert report["at_the_edge"] == [{"method": "A", "workload": "w", "learning_rate": 0.3}]
    assert "A on w (x0.3)" in report["text"]


def test_a_run_that_crashes_has_no_time_and_says_why() -> None:
    def times(name: str, task: str, study: int, factor: float) -> float:
        if factor == 3.0:
            raise RuntimeError("no luck")
        return 10

    report = compare(
        [method("A")],
        [workload("w")],
        Effort(studies=1, target_seeds=1, learning_rates=(1.0, 3.0)),
        executor=racing(times),
    )
    found = report["times"]["A"]["w"]
    assert found["steps"] == 10 and found["failures"] == ["learning rate x3: crashed: no luck"]


def test_all_methods_see_the_same_seeds_and_none_of_those_that_set_the_target() -> None:
    jobs: list[RungJob] = []
    effort = Effort(studies=2, target_seeds=2, learning_rates=(1.0, 3.0))
    executor = racing(lambda *_: 10, jobs)
    report = compare([method("A"), method("B")], [workload("w")], effort, executor=executor)
    of_method: dict[Any, set[Any]] = {}
    for job in jobs:
        name = job.refs[0].edits[0][1]["name"] if job.refs[0].edits else None
        of_method.setdefault(name, set()).add((job.seed, job.leg.key))
    assert of_method["A"] == of_method["B"] and len(of_method["A"]) == 4
    assert not {seed for seed, _ in of_method["A"]} & {seed for seed, _ in of_method[None]}
    races = [job for job in jobs if job.refs[0].edits]
    assert {(job.steps, job.refs[0].overrides["steps"]) for job in races} == {((0, BUDGET), BUDGET)}
    assert {job.splits for job in jobs} == {("validation",)} and not any(job.keep for job in jobs)
    assert report["workloads"][0]["budget"] == BUDGET
    dumps(report)
