"""What a study says of itself: status, rows, ranking, audit, replay."""

from dataclasses import replace
from typing import Any

import pytest

from automl.contracts import Closed, Failure, Objective, Opened, RungRecord, StudyLog
from automl.errors import InvalidSetting, UsageError
from automl.flows.audit import false_rejections
from automl.flows.plan import Budget, Plan
from automl.flows.replay import replay
from automl.flows.report import pareto, ranking, row, status, steps_saved, study_digest
from automl.flows.search import Search
from automl.searchers.random_search import RandomSearch
from automl.testing.memory_history import MemoryHistory
from automl.testing.simulated import SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask

UP = Objective(name="accuracy", direction="maximize", metric="accuracy")
DOWN = Objective(name="cost", direction="minimize", metric="cost")


def log(*ends: dict[str, Any], notes: dict[str, Any] | None = None) -> StudyLog:
    """Returns a log of closed trials given by what differs from a completed one."""
    plain: dict[str, Any] = {"outcome": "completed", "reason": "", "values": (0.5,), "steps": 100}
    closed = tuple(Closed(number=number, **{**plain, **end}) for number, end in enumerate(ends))
    opened = tuple(Opened(number=c.number, genotype={"a": c.number}, fingerprint=f"f{c.number}") for c in closed)
    notes = notes or {"baseline": {"steps": 100}}
    return StudyLog(name="s", header={}, opened=opened, rungs={}, closed=closed, notes=notes)


def rejected(by: str, **more: Any) -> dict[str, Any]:
    return {"outcome": "rejected", "reason": by, "values": (None,), "steps": 10, **more}


def test_ranking_knows_directions_and_leaves_out_what_did_not_complete() -> None:
    study = log({"values": (0.2,)}, {"values": (0.9,)}, rejected("quality"), {"values": (0.5,)})
    assert ranking(study, [UP]) == [1, 3, 0]
    assert ranking(study, [replace(UP, direction="minimize")]) == [0, 3, 1]


def test_with_two_objectives_the_front_comes_first() -> None:
    study = log({"values": (0.9, 5.0)}, {"values": (0.8, 6.0)}, {"values": (0.5, 1.0)})
    assert pareto(study, [UP, DOWN]) == [0, 2]
    assert set(ranking(study, [UP, DOWN])[:2]) == {0, 2}


def test_status_counts_outcomes_filters_and_steps() -> None:
    study = log(
        {},
        rejected("quality"),
        rejected("quality"),
        rejected("cost", steps=0),
        {"outcome": "duplicate", "reason": "of 0", "steps": 0},
        {"outcome": "failed", "reason": "crashed", "values": (None,), "steps": 40},
    )
    found = status(study, [UP])
    counts = [found[name] for name in ("trials", "completed", "rejected", "duplicate", "failed")]
    assert counts == [6, 1, 3, 1, 1]
    assert found["rejected_by"] == {"quality": 2, "cost": 1}
    assert found["failures"] == {"crashed": 1}
    assert found["steps_trained"] == 160
    assert found["steps_saved"] == {"quality": 180, "cost": 100, "duplicates": 100}
    assert found["best"] == {"trial": 0, "values": {"accuracy": 0.5}}


def test_nothing_is_saved_against_a_baseline_that_is_unknown() -> None:
    assert steps_saved(log(rejected("quality"), notes={"other": 1})) == {"quality": 0}


def test_false_rejections_are_those_at_least_as_good_as_the_median_completed_trial() -> None:
    study = log(
        {"values": (0.4,)},
        {"values": (0.6,)},
        {"values": (0.8,)},
        rejected("quality", audit={"values": [0.6], "steps": 90}),
        rejected("quality", audit={"values": [0.59], "steps": 90}),
        rejected("quality", audit={"values": [None], "steps": 3}),
        rejected("stability", audit={"values": [0.9], "steps": 90}),
        rejected("stability"),
    )
    found = false_rejections(study, [UP])
    assert (found["quality"].audited, found["quality"].false) == (3, 1)
    assert (found["stability"].audited, found["stability"].false, found["stability"].rate) == (1, 1, 1.0)
    # Clopper-Pearson, one of one: [0.025, 1]
    assert found["stability"].low == pytest.approx(0.025) and found["stability"].high == 1.0


def test_an_unknown_trial_is_named_with_the_range_of_those_that_exist() -> None:
    with pytest.raises(InvalidSetting, match=r"trial=7 is not allowed: an int in \[0, 0\]"):
        row(log({}), 7, objectives=[UP])


def test_the_digest_sees_results_and_no_times() -> None:
    study = log({"seconds": 1.0, "closed_at_ms": 5})
    same, other = log({"seconds": 9.0, "closed_at_ms": 7}), log({"values": (0.51,)})
    assert study_digest(study) == study_digest(same) != study_digest(other)


SPACE = ToySpace()
PLAN = Plan(
    space=SPACE, space_locator="toy", task=ToyTask(), task_locator="toy", searcher=RandomSearch(space=SPACE), depth=4
)


def simulated() -> SimulatedExecutor:
    return SimulatedExecutor(run_toy, duration=toy_seconds)


def searched() -> StudyLog:
    history = MemoryHistory()
    Search(PLAN, budget=Budget(trials=3), history=history, executor=simulated(), now_ms=lambda: 0).run()
    return history.all()


def test_replay_of_a_record_is_equal() -> None:
    study = searched()
    assert replay(PLAN, study.opened[1], study.rungs[1], executor=simulated()) == {
        "equal": True,
        "differences": [],
        "rungs": 3,
    }


def test_replay_names_leg_step_and_metric_of_a_difference() -> None:
    study = searched()
    first, *rest = study.rungs[1]
    assert first.result is not None
    curve = first.result.curves[0]
    forged = replace(curve, metrics={**curve.metrics, "accuracy": (*curve.metrics["accuracy"][:-1], 0.123)})
    records = (replace(first, result=replace(first.result, curves=(forged,))), *rest)
    found = replay(PLAN, study.opened[1], records, executor=simulated())
    assert not found["equal"]
    (difference,) = found["differences"]
    assert (difference["leg"], difference["step"], difference["metric"]) == ("only", 5, "accuracy")
    assert difference["recorded"] == 0.123


def test_replay_of_a_failure_is_equal_when_it_fails_again_the_same_way() -> None:
    study = searched()
    crashed = RungRecord(leg="only", index=0, failure=Failure(reason="crashed", evidence={}))
    prints = {study.opened[1].fingerprint: "raise"}
    executor = SimulatedExecutor(lambda job: run_toy(job, faults=prints), duration=toy_seconds)  # type: ignore[arg-type]
    assert replay(PLAN, study.opened[1], (crashed,), executor=executor)["equal"]


def test_replay_of_a_trial_without_training_is_refused() -> None:
    study = searched()
    with pytest.raises(UsageError, match="settled without training"):
        replay(PLAN, study.opened[0], (), executor=simulated())


def test_the_digest_of_a_study_covers_what_its_trials_derived() -> None:
    cell = {"leg": "a", "step": 5, "genotype": {"cell": 1}}
    digests = {study_digest(log({"derived": derived})) for derived in ((), (cell,), ({**cell, "step": 6},))}
    assert len(digests) == 3
