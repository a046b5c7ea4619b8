import logging
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from torch import nn

from automl.contracts import Curve, Leg, Signature
from automl.errors import InvalidSetting, UnknownName
from automl.training.tasks.classification import ClassificationTask
from automl.training.tasks.digits import Digits
from automl.training.tasks.digits_archs import DigitsArchs


@dataclass(frozen=True, kw_only=True)
class Wine(ClassificationTask):
    """A custom task as a user writes it: arrays, and a plain network for inputs that are no images."""

    name: ClassVar[str] = "wine"
    steps: int = 40
    hidden: int = 16

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        wine = load_wine()
        return wine.data, wine.target

    def network(self, signature: Signature) -> nn.Module:
        (features,), (classes,) = signature.inputs, signature.outputs
        return nn.Sequential(nn.Linear(features, self.hidden), nn.ReLU(), nn.Linear(self.hidden, classes))


@dataclass(frozen=True, kw_only=True)
class Given(ClassificationTask):
    """Trains on the arrays it is given."""

    name: ClassVar[str] = "given"
    inputs: Any = None
    labels: Any = None
    net: Any = None

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.inputs, self.labels

    def network(self, signature: Signature) -> nn.Module | None:
        return self.net() if self.net else None


def curve(*accuracies: float | None) -> Curve:
    return Curve(steps=tuple(range(1, len(accuracies) + 1)), metrics={"accuracy": accuracies})


def test_custom_task_of_twenty_lines_trains() -> None:
    task = Wine()
    recipe, signature, data = task.baseline("network"), task.signature("network"), task.data("train", "network")
    state = recipe.trainer.init(recipe, signature, seed=0, device="cpu")
    for step in range(task.steps):
        recipe.trainer.step(state, (data.inputs, data.targets), step=step)
    assert task.measure(state.model, task.data("validation", "network"))["accuracy"] > 0.9


def test_digits_have_standardised_disjoint_splits_and_the_known_shapes() -> None:
    task = Digits()
    data = {split: task.data(split, "resnet") for split in ("train", "validation", "gate", "test")}
    assert [len(d.targets) for d in data.values()] == [898, 360, 270, 269]
    assert abs(float(data["train"].inputs.mean())) < 1e-5
    assert float(data["train"].inputs.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert task.signature("resnet") == Signature(inputs=(1, 8, 8), outputs=(10,))
    assert len({d.digest for d in data.values()}) == 4
    assert data["train"].digest == Digits(steps=5).data("train", "resnet").digest
    assert data["train"].digest != Digits(split_seed=1).data("train", "resnet").digest


def test_objectives_and_legs_follow_the_variants() -> None:
    assert [(o.name, o.variant, o.chance) for o in Digits().objectives] == [("accuracy", None, 0.1)]
    assert [(o.name, o.variant) for o in DigitsArchs().objectives] == [
        ("resnet", "resnet"),
        ("mobilenet", "mobilenet"),
        ("efficientnet", "efficientnet"),
    ]
    assert [leg.key for leg in DigitsArchs().legs("search")] == ["resnet", "mobilenet", "efficientnet"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ((0, 50), (50, 100), (100, 300))),
        ({"steps": 100}, ((0, 50), (50, 100))),
        ({"steps": 50}, ((0, 25), (25, 50))),
        ({"steps": 1}, ((0, 1),)),
        ({"steps": 60, "rung_ends": (20, 40)}, ((0, 20), (20, 40), (40, 60))),
        ({"steps": 50, "rung_every": 20}, ((0, 20), (20, 40), (40, 50))),
        ({"steps": 40, "rung_every": 20}, ((0, 20), (20, 40))),
        ({"steps": 40, "rung_every": 400}, ((0, 40),)),
    ],
)
def test_rungs_are_consecutive_up_to_the_horizon(settings: dict[str, Any], expected: object) -> None:
    assert Digits(**settings).rungs(Leg(variant="resnet")) == expected


def test_longer_final_training_moves_the_last_rung() -> None:
    assert Digits().rungs(Leg(variant="resnet", overrides={"steps": 900}))[-1] == (100, 900)


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"batch_size": 1.5},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -1.0},
        {"width": 0},
        {"rung_ends": (20, 10)},
        {"rung_every": 0},
        {"rung_every": 20, "rung_ends": (20,)},
        {"rung_ends": (300,)},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=f"task.{next(iter(settings))}"):
        Digits(**settings)


def test_values_take_the_best_alternative_and_the_mean_of_replicates() -> None:
    curves = {
        Leg(variant="resnet", overrides={"learning_rate": 0.1}): curve(0.9, 0.5),
        Leg(variant="resnet", overrides={"learning_rate": 0.2}): curve(0.1, 0.7),
        Leg(variant="resnet", replicate=1): curve(0.8),
    }
    assert Digits().values(curves) == (pytest.approx(0.75),)


def test_value_is_none_where_a_replicate_or_a_variant_has_none() -> None:
    lone = {Leg(variant="resnet"): curve(0.9), Leg(variant="resnet", replicate=1): curve(0.8, None)}
    assert Digits().values(lone) == (None,)
    assert DigitsArchs().values({Leg(variant="mobilenet"): curve(0.9)}) == (None, 0.9, None)
    assert Digits().values({}) == (None,)


def test_measure_counts_outputs_that_are_not_finite_as_wrong_and_keeps_the_mode() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.constant_(model[1].weight, float("nan"))
    metrics = Digits().measure(model, Digits().data("gate", "resnet"))
    assert metrics["accuracy"] == 0
    assert metrics["loss"] != metrics["loss"]
    assert model.training


def test_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="mobilenet"):
        DigitsArchs().baseline("mobilnet")


IMAGES = np.zeros((40, 1, 8, 8), dtype=np.float32)
LABELS = np.arange(40) % 2


@pytest.mark.parametrize(
    ("inputs", "labels", "words"),
    [
        (np.full_like(IMAGES, np.nan), LABELS, "40 examples with NaN"),
        (IMAGES, LABELS[:-1], "same n"),
        (IMAGES, LABELS.astype(float), "class numbers"),
        (IMAGES, LABELS - 1, "class numbers"),
        (IMAGES, np.zeros_like(LABELS), "two classes"),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused(inputs: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        Given(inputs=inputs, labels=labels).data("train", "resnet")


def build(task: ClassificationTask, norm_act: Any = None) -> nn.Module:
    recipe = task.baseline("network")
    signature = task.signature("network")
    return recipe.model(signature, norm_act or recipe.norm_act, torch.Generator().manual_seed(0))


def own() -> nn.Module:
    lone = nn.ModuleDict({"hidden": nn.BatchNorm2d(2)})
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.GELU(), lone, nn.Flatten(), nn.Linear(72, 2))


def test_own_network_is_its_own_baseline_and_takes_candidate_layers(caplog: pytest.LogCaptureFixture) -> None:
    task = Given(inputs=IMAGES, labels=LABELS, net=own)
    assert isinstance(build(task)[1], nn.GroupNorm)
    with caplog.at_level(logging.WARNING):
        changed = build(task, lambda channels, role: nn.Hardtanh())
    assert isinstance(changed[1], nn.Hardtanh)
    assert "3.hidden" in caplog.text


def test_own_network_without_a_pair_cannot_take_a_candidate_layer() -> None:
    task = Given(inputs=IMAGES, labels=LABELS, net=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 2)))
    build(task)
    with pytest.raises(InvalidSetting, match="at least one norm"):
        build(task, lambda channels, role: nn.Identity())
