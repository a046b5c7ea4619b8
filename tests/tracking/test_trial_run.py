"""A closed trial as a run, without MLflow."""

import json
from dataclasses import replace

import pytest

from automl.canonical import digest
from automl.contracts.trial import Curve, Objective, Verdict
from automl.tracking.run_record import MAX_PARAM, Portrayal
from automl.tracking.trial_run import StudyIdentity, trial_run, was_trained


@pytest.fixture
def identity(made):
    return StudyIdentity(name="toy", uuid="u1", objectives=(made.accuracy,), portrayal=made.portrayal)


def points(record):
    return {(point.key, point.step): point.value for point in record.points}


def test_a_completed_trial_has_curve_score_costs_and_files(made, identity):
    opened, closed = made.completed(3, 0.9)
    record = trial_run(opened, closed, study=identity)
    assert record.status == "FINISHED"
    assert points(record)[("accuracy", 30)] == 0.9
    assert (points(record)[("score", 0)], points(record)[("seconds", 0)]) == (0.9, 0.5)
    assert (points(record)[("parameters", 0)], points(record)[("flops", 0)]) == (100, 2_000)
    assert record.params["genotype_digest"] == digest(opened.genotype)
    assert record.params["parent"] == "0"
    assert set(record.files) == {"genotype.json", "candidate.py"}
    assert record.tags == {"automl.study_uuid": "u1", "trial": "3", "outcome": "completed"}


def test_zero_cost_scores_are_metrics_beside_the_costs(made, identity):
    opened, closed = made.completed(3, 0.9)
    (variant,) = opened.measurements
    scores = {**opened.measurements[variant], "synflow": 12.5, "naswot": None}
    found = points(trial_run(replace(opened, measurements={variant: scores}), closed, study=identity))
    assert found[("synflow", 0)] == 12.5 and ("naswot", 0) not in found


def test_time_stamps_come_from_the_history(made, identity):
    opened, closed = made.completed(3, 0.9)
    record = trial_run(opened, closed, study=identity)
    assert {point.at_ms for point in record.points} == {closed.closed_at_ms}
    assert (record.started_at_ms, record.ended_at_ms) == (opened.opened_at_ms, closed.closed_at_ms)


def test_several_legs_and_objectives_get_prefixes(made):
    objectives = tuple(Objective(name=n, direction="maximize", metric="accuracy", variant=n) for n in ("mlp", "cnn"))
    study = StudyIdentity(name="toy", uuid="u", objectives=objectives, portrayal=made.portrayal)
    opened, closed = made.completed(0, 0.9)
    curve = Curve(steps=(5,), metrics={"accuracy": (0.5,)})
    both = {'mlp{"learning_rate":0.1}': curve, "cnn#1": curve}
    found = points(trial_run(opened, replace(closed, curves=both, values=(0.1, 0.2)), study=study))
    assert found["mlp learning_rate 0.1/accuracy", 5] == found["cnn replicate 1/accuracy", 5] == 0.5
    assert (found["score/mlp", 0], found["score/cnn", 0]) == (0.1, 0.2)


def test_numbers_that_are_absent_become_a_tag_and_never_a_metric(made, identity):
    record = trial_run(*made.diverged(2), study=identity)
    assert record.tags["not_finite"] == "score@0, loss@10"
    assert set(points(record)) == {("seconds", 0)}
    assert (record.status, record.tags["reason"]) == ("FAILED", "diverged")
    assert json.loads(record.files["evidence.json"])["failure"] == {"step": 7}


def test_a_rejection_names_filter_measure_and_limit(made, identity):
    opened, closed = made.completed(0, 0.3)
    verdict = Verdict(filter="quality", keep=False, reason="below chance", measured=0.05, threshold=0.1)
    rejected = replace(closed, outcome="rejected", reason="quality", ledger=(verdict,), values=(None,))
    record = trial_run(opened, rejected, study=identity)
    assert (record.status, record.tags["rejected_by"]) == ("KILLED", "quality")
    assert record.tags["reason"] == "below chance (measured 0.05, limit 0.1)"


def test_derived_genotypes_are_a_file_of_completed_and_rejected_trials_alike(made, identity):
    opened, closed = made.completed(0, 0.9)
    entry = {"leg": "mlp", "step": 6, "genotype": {"cell": 1}, "skips": 1}
    for outcome in ("completed", "rejected"):
        record = trial_run(opened, replace(closed, outcome=outcome, derived=(entry,)), study=identity)
        assert json.loads(record.files["derived.json"]) == [entry]
    assert "derived.json" not in trial_run(opened, closed, study=identity).files


def test_a_long_description_is_cut_and_kept_whole_as_a_file(made):
    wordy = Portrayal(describe=lambda genotype: "x" * 9_000, draw=None, source=lambda genotype: None)
    study = StudyIdentity(name="toy", uuid="u", objectives=(made.accuracy,), portrayal=wordy)
    record = trial_run(*made.completed(0, 0.9), study=study)
    assert len(record.params["description"]) == MAX_PARAM
    assert record.files["description.txt"] == "x" * 9_000
    assert all(len(value) < 6_000 for value in record.params.values())


def test_screened_trials_have_no_run_unless_audited(made):
    opened, closed = made.screened(1)
    assert not was_trained(opened, closed)
    assert was_trained(opened, replace(closed, audit={"values": [0.2], "steps": 30}))
