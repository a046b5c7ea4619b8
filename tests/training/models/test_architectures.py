from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from automl.contracts import Signature
from automl.errors import InvalidSetting
from automl.training.models.baseline_norm_act import batch_norm_relu
from automl.training.models.efficientnet import efficientnet
from automl.training.models.layers import plan_stages
from automl.training.models.mobilenet import mobilenet
from automl.training.models.preact_resnet import preact_resnet

BUILDERS = [preact_resnet, mobilenet, efficientnet]
DIGITS = Signature(inputs=(1, 8, 8), outputs=(10,))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (3, 32, 32), (3, 70, 64), (1, 4, 4)])
def test_logits_come_out_for_any_resolution(build: Callable[..., nn.Module], shape: tuple[int, ...]) -> None:
    model = build(Signature(inputs=shape, outputs=(7,)), batch_norm_relu, generator(), width=4)
    assert model(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("build", BUILDERS)
def test_weights_come_from_the_generator_alone(build: Callable[..., nn.Module]) -> None:
    def weights(seed: int, own: int) -> torch.Tensor:
        torch.manual_seed(own)
        return nn.utils.parameters_to_vector(build(DIGITS, batch_norm_relu, generator(seed)).parameters())

    assert torch.equal(weights(0, 1), weights(0, 2))
    assert not torch.equal(weights(0, 1), weights(1, 1))


@pytest.mark.parametrize(
    ("build", "roles"),
    [
        (preact_resnet, ["norm+act"] * 5),
        (mobilenet, ["norm+act"] * 3 + ["norm"] + ["norm+act"] * 2 + ["norm"] + ["norm+act"]),
        (efficientnet, ["norm+act"] * 3 + ["norm"] + ["norm+act"] * 2 + ["norm"] + ["norm+act"]),
    ],
)
def test_layers_stand_where_the_evonorm_paper_puts_them(build: Callable[..., nn.Module], roles: list[str]) -> None:
    asked: list[str] = []

    def record(channels: int, role: Any) -> nn.Module:
        asked.append(role)
        return batch_norm_relu(channels, role)

    build(DIGITS, record, generator())
    assert asked == roles


def test_stages_double_their_width_and_grow_with_the_resolution() -> None:
    def stages(size: int) -> tuple[tuple[int, int], ...]:
        return plan_stages(Signature(inputs=(3, size, size), outputs=(10,)), width=16).stages

    assert stages(8) == ((16, 1), (32, 2))
    assert stages(32) == ((16, 1), (32, 2), (64, 2))
    assert plan_stages(Signature(inputs=(3, 224, 224), outputs=(10,)), width=16).pooling == 7


def test_inputs_that_are_no_images_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="its own network"):
        plan_stages(Signature(inputs=(20,), outputs=(2,)), width=16)


def test_baseline_layer_plays_each_role() -> None:
    kinds = {role: type(batch_norm_relu(3, role)) for role in ("norm+act", "norm", "act")}
    assert kinds == {"norm+act": nn.Sequential, "norm": nn.BatchNorm2d, "act": nn.ReLU}
