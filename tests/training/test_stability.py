"""Oracles: the two closed forms of the project's notes on EvoNorm (its section on numeric oracles)."""

import math

import pytest
import torch
from torch import nn

from automl.training.stability import ascend_gradient_norm, probe_stability


def test_parabola_gains_the_rate_at_each_step() -> None:
    # f = theta^2 / 2 has gradient norm |theta|, whose slope is 1: 1 + 100 * 0.1 = 11
    end = ascend_gradient_norm(
        lambda p: 0.5 * p[0].square().sum(), [torch.tensor(1.0, dtype=torch.float64)], learning_rate=0.1
    )
    assert end.steps == 100
    assert end.gradient_norm == pytest.approx(11, abs=1e-9)


def test_exponential_blows_up_within_a_few_steps() -> None:
    end = ascend_gradient_norm(
        lambda p: p[0].square().exp().sum(), [torch.tensor(2.0, dtype=torch.float64)], learning_rate=0.1
    )
    assert end.steps <= 5
    assert not end.gradient_norm <= 1e8
    assert end.to_json()["gradient_norm"] is None or end.gradient_norm > 1e8


def test_linear_loss_has_a_constant_norm_and_ends_at_once() -> None:
    end = ascend_gradient_norm(
        lambda p: (3 * p[0]).sum() + (4 * p[1]).sum(), [torch.tensor(1.0), torch.tensor(1.0)], learning_rate=0.1
    )
    assert (end.gradient_norm, end.steps) == (5.0, 0)


def test_flat_loss_has_no_direction() -> None:
    end = ascend_gradient_norm(lambda p: 0 * p[0].square().sum(), [torch.tensor(1.0)], learning_rate=0.1)
    assert (end.gradient_norm, end.steps) == (0.0, 0)


def test_nan_loss_is_no_norm() -> None:
    end = ascend_gradient_norm(lambda p: p[0].log().square().sum(), [torch.tensor(-1.0)], learning_rate=0.1)
    assert end.to_json() == {"gradient_norm": None, "steps": 0}


def test_probe_leaves_weights_and_running_statistics_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    end = probe_stability(model, nn.functional.cross_entropy, batch=(torch.randn(8, 1, 8, 8), torch.arange(8) % 3))
    assert math.isfinite(end.gradient_norm)
    assert end.steps == 100
    assert not model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
