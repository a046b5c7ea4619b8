from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from automl.canonical import digest
from automl.contracts import RungJob, RungResult
from automl.errors import InvalidGenotype, InvalidSetting, UnknownName
from automl.training.runner import Runner

MakeJob = Callable[..., RungJob]


def without_times(result: RungResult) -> str:
    return digest({**result.to_json(), "seconds": 0})


def in_slices(runner: Runner, job: RungJob, ends: tuple[int, ...]) -> list[RungResult]:
    results: list[RungResult] = []
    for first, last in zip((0, *ends), ends, strict=False):
        snapshots = results[-1].snapshots if results else ()
        results.append(runner.run(replace(job, steps=(first, last), snapshots=snapshots)))
    return results


def test_same_job_twice_has_the_same_digest(runner: Runner, job: MakeJob) -> None:
    assert without_times(runner.run(job())) == without_times(runner.run(job()))


def test_result_is_canonical_json_that_reads_back(runner: Runner, job: MakeJob) -> None:
    result = runner.run(job(requests=("stability",)))
    assert RungResult.from_json(result.to_json()) == result
    assert result.measurements[0]["stability"]["steps"] == 100


@pytest.mark.parametrize("task", ["stripes", "own-network"])
def test_slices_give_exactly_what_the_whole_gives(runner: Runner, job: MakeJob, task: str) -> None:
    whole = runner.run(job(task))
    first, second, third = in_slices(runner, job(task), (4, 12, 24))
    assert first.curves[0].then(second.curves[0]).then(third.curves[0]) == whole.curves[0]
    assert third.snapshots == whole.snapshots
    assert [first.steps, second.steps, third.steps] == [4, 8, 12]


def test_lost_snapshot_is_trained_again_to_the_same_result(runner: Runner, job: MakeJob) -> None:
    first, second = in_slices(runner, job(), (8, 24))
    runner.snapshots.discard(first.snapshots[0])
    again = runner.run(job(steps=(8, 24), snapshots=first.snapshots))
    assert (again.curves, again.snapshots) == (second.curves, second.snapshots)
    assert (second.steps, again.steps) == (16, 24)


def test_snapshot_of_a_later_step_is_not_continued_from(runner: Runner, job: MakeJob) -> None:
    whole = runner.run(job())
    assert runner.run(job(steps=(0, 8), snapshots=whole.snapshots)).snapshots == runner.run(job(steps=(0, 8))).snapshots


def test_baseline_learns_and_curve_names_follow_the_splits(runner: Runner, job: MakeJob) -> None:
    curve = runner.run(job(splits=("validation", "gate"))).curves[0]
    assert curve.steps == (4, 8, 12, 16, 20, 24)
    assert set(curve.metrics) == {"train_loss", "accuracy", "loss", "gate.accuracy", "gate.loss"}
    assert curve.last("accuracy") >= 0.6  # chance is a third
    assert curve.last("train_loss") < curve.at(4, "train_loss")


def test_candidates_share_data_order_and_weights_but_replicates_do_not(runner: Runner, job: MakeJob) -> None:
    one = runner.run(job(factor=1.0))
    assert one.curves == runner.run(job(factor=1.0)).curves
    other = job(factor=1.0)
    assert one.curves != runner.run(replace(other, leg=replace(other.leg, replicate=1))).curves
    assert one.curves != runner.run(job(factor=2.0)).curves


def test_batch_of_candidates_equals_each_alone(runner: Runner, job: MakeJob) -> None:
    jobs = [job(factor=1.0), job(factor=2.0)]
    both = runner.run(replace(jobs[0], refs=(jobs[0].refs[0], jobs[1].refs[0])))
    assert both.curves == tuple(runner.run(alone).curves[0] for alone in jobs)
    assert both.steps == 48


def test_absurd_learning_rate_diverges_and_stops(runner: Runner, job: MakeJob) -> None:
    result = runner.run(job(factor=1.0, overrides={"learning_rate": 1e9}, requests=("stability",)))
    curve = result.curves[0]
    assert result.diverged == (True,)
    assert result.snapshots == (None,)
    assert result.steps == curve.steps[-1] < 24
    assert all(values[-1] is None and len(values) == len(curve.steps) for values in curve.metrics.values())
    assert result.measurements[0]["stability"] == {"gradient_norm": None, "steps": 0}


def test_stability_request_leaves_the_training_state_alone(runner: Runner, job: MakeJob) -> None:
    assert runner.run(job()).snapshots == runner.run(job(requests=("stability",))).snapshots


def test_probe_of_the_baseline_reaches_every_convolution(runner: Runner, job: MakeJob) -> None:
    result = runner.run(job(kind="probe", steps=(0, 0), requests=("onnx",)))
    (found,) = result.measurements
    assert found["finite"] is True
    assert found["input_dependence"] > 0
    assert found["gradient_reach"] == {"convs": 6, "reached": 6}
    assert found["milliseconds"] > 0
    assert (found["exportable"], found["export_error"]) == (True, None)
    assert (result.steps, result.snapshots) == (0, (None,))


def test_probe_of_a_layer_that_forgets_its_input_shows_it(runner: Runner, job: MakeJob) -> None:
    (found,) = runner.run(job(kind="probe", factor=0.0, steps=(0, 0))).measurements
    assert found["input_dependence"] == 0
    assert found["gradient_reach"]["reached"] == 0
    assert "exportable" not in found


def test_probe_of_a_layer_that_overflows_is_not_finite(runner: Runner, job: MakeJob) -> None:
    (found,) = runner.run(job(kind="probe", factor=1e38, steps=(0, 0))).measurements
    assert found["finite"] is False
    assert found["input_dependence"] is None


def test_memory_error_of_a_candidate_comes_through(runner: Runner, job: MakeJob) -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        runner.run(job(kind="probe", factor=13.0, steps=(0, 0)))


def test_genotype_that_its_space_refuses_trains_nothing(runner: Runner, job: MakeJob) -> None:
    bad: Any = "x"
    with pytest.raises(InvalidGenotype, match="factor"):
        runner.run(job(factor=bad))


def test_unknown_override_is_refused(runner: Runner, job: MakeJob) -> None:
    with pytest.raises(UnknownName, match="learning_rate"):
        runner.run(job(overrides={"learning_rat": 0.1}))
    with pytest.raises(InvalidSetting, match="whole number"):
        runner.run(job(overrides={"batch_size": 1.5}))


@pytest.mark.parametrize("kept", [True, False])
def test_model_is_rebuilt_from_its_snapshot_or_trained_again(runner: Runner, job: MakeJob, kept: bool) -> None:
    result = runner.run(job())
    if not kept:
        runner.snapshots.discard(result.snapshots[0])
    model = runner.model(job(), snapshot=result.snapshots[0])
    task = runner.task("stripes")
    assert not model.training
    assert task.measure(model, task.data("validation", "resnet"))["accuracy"] == result.curves[0].last("accuracy")


def test_model_of_a_diverged_run_is_refused(runner: Runner, job: MakeJob) -> None:
    with pytest.raises(InvalidSetting, match="diverge"):
        runner.model(job(factor=1.0, overrides={"learning_rate": 1e9}), snapshot=None)


def test_job_leaves_torchs_own_generator_and_threads_alone(runner: Runner, job: MakeJob) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    runner.run(job("own-network", steps=(0, 4)))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
