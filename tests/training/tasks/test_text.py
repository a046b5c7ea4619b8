import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from automl.config.fields import check
from automl.contracts import Leg, Recipe, RecipeRef, RungJob, RungResult, Signature
from automl.errors import InvalidSetting, UnknownName
from automl.export.onnx_model import probe_export
from automl.training.runner import Runner
from automl.training.snapshots import SnapshotStore
from automl.training.tasks.digits import Digits
from automl.training.tasks.text import Text
from automl.training.tasks.text_files import python_topics
from automl.training.update_rules import AdamW, NesterovSGD

MLP = Text(steps=12, measured_windows=16)
TRANSFORMER = Text(model="transformer", context=8, width=16, batch_size=4, steps=6, learning_rate=3e-3)


class LayerSpace:
    """Changes the normalization-activation layer, which these models do not have."""

    def encode(self, genotype: Any) -> Any:
        return genotype

    def decode(self, answers: Any) -> Any:
        return answers

    def apply(self, genotype: Any, recipe: Recipe) -> Recipe:
        return recipe.replace(norm_act=lambda channels, role: nn.ReLU())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(
        resolve_task={"mlp": MLP, "transformer": TRANSFORMER}.__getitem__,
        resolve_space={"layer": LayerSpace()}.__getitem__,  # type: ignore[dict-item]
        snapshots=SnapshotStore(directory=tmp_path / "snapshots"),
        export_probe=probe_export,
    )


@pytest.fixture
def job() -> Callable[..., RungJob]:
    def make(task: str, edits: Any = (), overrides: Any = None, **changes: Any) -> RungJob:
        overrides = overrides or {}
        ref = RecipeRef(task=task, variant=task, edits=edits, overrides=overrides)
        given: Any = {"kind": "train", "measure_every_steps": 3, "keep": True, **changes}
        return RungJob(refs=(ref,), leg=Leg(variant=task, overrides=overrides), **given)

    return make


def losses(result: RungResult) -> tuple[float | None, ...]:
    return result.curves[0].metrics["loss"]


def test_a_short_training_beats_every_constant_answer() -> None:
    task = Text(steps=60)
    recipe, signature, data = task.baseline("mlp"), task.signature("mlp"), task.data("train", "mlp")
    state = recipe.trainer.init(recipe, signature, seed=0, device="cpu")
    for step in range(task.steps):
        batch = slice(16 * step, 16 * step + 16)
        recipe.trainer.step(state, (data.inputs[batch], data.targets[batch]), step=step)
    found = task.measure(state.model, task.data("validation", "mlp"))
    (objective,) = task.objectives
    assert objective.chance is not None and found["loss"] < 0.9 * objective.chance
    assert found["accuracy"] > 0.25


@pytest.mark.parametrize(("task", "steps"), [("mlp", 12), ("transformer", 6)])
def test_slices_give_exactly_what_the_whole_gives(
    runner: Runner, job: Callable[..., RungJob], task: str, steps: int
) -> None:
    whole = runner.run(job(task, steps=(0, steps), requests=("stability",)))
    first = runner.run(job(task, steps=(0, 3)))
    second = runner.run(job(task, steps=(3, steps), snapshots=first.snapshots))
    assert first.curves[0].then(second.curves[0]) == whole.curves[0]
    assert second.snapshots == whole.snapshots
    assert set(whole.curves[0].metrics) == {"train_loss", "loss", "accuracy"}
    assert losses(whole)[-1] < 5  # type: ignore[operator]


@pytest.mark.parametrize("task", ["mlp", "transformer"])
def test_probe_measures_and_exports_a_model_of_characters(
    runner: Runner, job: Callable[..., RungJob], task: str
) -> None:
    (found,) = runner.run(job(task, kind="probe", requests=("onnx",))).measurements
    assert found["finite"] is True
    assert found["input_dependence"] > 5e-4  # type: ignore[operator]  # what the validity screen asks for
    assert found["gradient_reach"] == {"convs": 0, "reached": 0}
    assert (found["exportable"], found["export_error"]) == (True, None)
    assert found["flops"] > found["parameters"] > 0  # type: ignore[operator]


def test_overrides_of_a_tuning_leg_reach_the_training(runner: Runner, job: Callable[..., RungJob]) -> None:
    task = replace(MLP, learning_rates=(0.01, 0.03))
    low, high = (leg.overrides for leg in task.legs("search"))
    plain, low_end, high_end = (runner.run(job("mlp", overrides=each, steps=(0, 6))) for each in ({}, low, high))
    assert losses(plain) == losses(high_end) != losses(low_end)


def test_space_that_changes_a_layer_is_refused(runner: Runner, job: Callable[..., RungJob]) -> None:
    with pytest.raises(InvalidSetting, match="normalization-activation layers, such as digits"):
        runner.run(job("mlp", edits=(("layer", {}),), steps=(0, 3)))


def test_shapes_and_splits_of_the_default_text() -> None:
    task = Text()
    vocabulary = task.signature("mlp").outputs[1]
    assert 80 <= vocabulary <= 110  # 93 in Python 3.11
    assert task.signature("mlp") == Signature(inputs=(32,), outputs=(32, vocabulary), input_dtype="int64")
    data = {split: task.data(split, "mlp") for split in ("train", "validation", "gate", "test")}
    assert [len(data[split].inputs) for split in ("validation", "gate", "test")] == [128] * 3
    assert len(data["train"].inputs) > 5000
    for part in data.values():
        assert part.inputs.dtype == part.targets.dtype == torch.int64
        assert torch.equal(part.inputs[:, 1:], part.targets[:, :-1])
    assert len({part.digest for part in data.values()}) == 4
    assert data["train"].digest == Text(steps=5).data("train", "mlp").digest
    for other in (Text(split_seed=1), Text(context=31), Text(measured_windows=5)):
        assert other.data("test", "mlp").digest != data["test"].digest


def test_objective_is_the_loss_against_the_best_constant_answer() -> None:
    task = Text()
    (objective,) = task.objectives
    assert (objective.name, objective.direction, objective.metric) == ("loss", "minimize", "loss")
    shares = task.data("train", "mlp").targets.flatten().bincount().double()
    shares = shares[shares > 0] / shares.sum()
    assert objective.chance == pytest.approx(float(-(shares * shares.log()).sum()))


def test_measure_is_the_mean_over_characters() -> None:
    class Fixed(nn.Module):
        def forward(self, characters: Tensor) -> Tensor:
            logits = torch.zeros(*characters.shape, MLP.signature("mlp").outputs[1])
            logits[..., 3] = 1.0
            logits[0, 0] = torch.nan
            return logits

    data = MLP.data("gate", "mlp")
    found = MLP.measure(Fixed(), data)
    hits = data.targets == 3
    hits[0, 0] = False
    assert found["accuracy"] == pytest.approx(float(hits.float().mean()))
    assert math.isnan(found["loss"])


def test_users_text_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(python_topics()[:60_000])
    assert Text(path=str(path)).data("validation", "mlp").inputs.shape == (128, 32)
    with pytest.raises(InvalidSetting, match="nothing is there"):
        Text(path=str(tmp_path / "absent.txt")).data("train", "mlp")
    path.write_text("ab" * 500)
    with pytest.raises(InvalidSetting, match=r"=1000 is not allowed: at least 1,320"):
        Text(path=str(path)).signature("mlp")


@pytest.mark.parametrize(
    ("scale", "width", "steps"),
    [(1, 96, 200), (10, 192, 502), (100, 384, 1262)],  # 96 * 10^0.3 = 191.5, 200 * 10^0.4 = 502.4
)
def test_scale_multiplies_the_compute(scale: int, width: int, steps: int) -> None:
    task = Text(scale=scale)
    recipe = task.baseline("mlp")
    built = recipe.model(task.signature("mlp"), recipe.norm_act, torch.Generator())
    assert (built.get_submodule("hidden").out_features, recipe.steps) == (width, steps)
    assert task.rungs(Leg(variant="mlp"))[-1] == (100, steps)


def test_rungs_may_be_set_up_to_the_scaled_horizon() -> None:
    assert Text(scale=10, rung_ends=(400,)).rungs(Leg(variant="mlp")) == ((0, 400), (400, 502))
    with pytest.raises(InvalidSetting, match="between 1 and 199"):
        Text(rung_ends=(400,))


@pytest.mark.parametrize(
    "settings",
    [
        {"context": 1},
        {"context": 1.5},
        {"model": "rnn"},
        {"measured_windows": 0},
        {"scale": 0},
        {"scale": 1.5},
        {"steps": 0},
        {"width": 40, "model": "transformer"},
        {"update_rule": "lion"},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=f"task.{next(iter(settings))}"):
        Text(**settings)


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(UnknownName, match="transformer"):
        Text().baseline("transformer")


def test_baseline_optimizer_is_a_setting() -> None:
    assert isinstance(Text().baseline("mlp").update_rule, AdamW)
    assert isinstance(Digits().baseline("resnet").update_rule, NesterovSGD)
    assert isinstance(Digits(update_rule="adamw", learning_rate=3e-3).baseline("resnet").update_rule, AdamW)


def test_settings_are_read_from_the_command_line() -> None:
    given = {"learning_rates": "0.01,0.03", "weight_decays": "0", "model": "transformer", "scale": "10"}
    assert check("task", Text, given) == {
        "learning_rates": (0.01, 0.03),
        "weight_decays": (0.0,),
        "model": "transformer",
        "scale": 10,
    }
