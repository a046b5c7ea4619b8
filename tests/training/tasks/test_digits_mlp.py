"""The cheapest real task: it learns, and refuses what it has no place for."""

from typing import Any

import pytest

from automl.contracts import Leg, RecipeRef, RungJob
from automl.errors import InvalidSetting
from automl.training.runner import Runner
from automl.training.snapshots import SnapshotStore
from automl.training.tasks.digits_mlp import DigitsMLP


def test_baseline_learns_within_a_hundred_steps(tmp_path: Any) -> None:
    task = DigitsMLP(steps=100)
    runner = Runner(
        resolve_task={"digits-mlp": task}.__getitem__,
        resolve_space={}.__getitem__,
        snapshots=SnapshotStore(directory=tmp_path),
    )
    ref = RecipeRef(task="digits-mlp", variant="mlp")
    job = RungJob(kind="train", refs=(ref, ref), leg=Leg(variant="mlp"), steps=(0, 100))
    alone = runner.run(job)
    assert alone.curves[0].last("accuracy") > 0.9  # measured: 0.97
    stacked = runner.run(
        RungJob(kind="train", refs=(ref, ref), leg=job.leg, steps=(0, 100), width=4, requests=("gradient_norms",))
    )
    assert stacked.curves[0] == stacked.curves[1]
    assert stacked.curves[0].last("loss") == pytest.approx(alone.curves[0].last("loss"), abs=1e-3)
    assert [len(norms) for norms in stacked.measurements[1]["gradient_norms"].values()] == [100, 100]


def test_the_network_has_the_width_of_the_task() -> None:
    task = DigitsMLP(width=8)
    recipe = task.baseline("mlp")
    state = recipe.trainer.init(recipe, task.signature("mlp"), seed=0, device="cpu")
    assert sum(parameter.numel() for parameter in state.parameters) == 65 * 8 + 9 * 8 + 9 * 10


def test_a_candidate_layer_has_no_place_here() -> None:
    task = DigitsMLP()
    recipe = task.baseline("mlp").replace(norm_act=lambda channels, role: None)
    with pytest.raises(InvalidSetting, match="normalization-activation"):
        recipe.trainer.init(recipe, task.signature("mlp"), seed=0, device="cpu")
