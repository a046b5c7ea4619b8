"""Traced gradients against autograd, and each rewrite of the trace against what it replaces."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stripes_task import Stripes
from torch import nn
from torch.nn import functional

from automl.contracts import Batch
from automl.training.stacked_gradients import trace_gradients, untrained, whole_vectors
from automl.training.traced_operations import narrow_log_softmax, narrow_log_softmax_backward

WIDTH = 3


def network() -> nn.Module:
    layers = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5))
    return nn.Sequential(*layers).double()


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(6, 1, 8, 8, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(0, 5, (6,), generator=generator)


def test_gradients_and_statistics_are_those_of_autograd_for_each_row() -> None:
    recipe, models = Stripes().baseline("resnet"), [network() for _ in range(WIDTH)]
    for shared in (True, False):
        batches = [batch(0 if shared else row) for row in range(WIDTH)]
        traced = trace_gradients(recipe, models[0], width=WIDTH, batch=batches[0], shared=shared)
        given_batch = batches[0] if shared else tuple(map(torch.stack, zip(*batches, strict=True)))
        parameters = {
            name: torch.stack([dict(model.named_parameters())[name].detach() for model in models])
            for name, _ in models[0].named_parameters()
        }
        buffers = {name: torch.stack([untrained(model)[name] for model in models]) for name in untrained(models[0])}
        before = {name: tensor.clone() for name, tensor in buffers.items()}
        losses, gradients, after = traced(parameters, buffers, given_batch)  # type: ignore[arg-type]
        assert all(torch.equal(buffers[name], before[name]) for name in buffers)
        for row, model in enumerate(models):
            inputs, targets = batches[row]
            loss = recipe.loss(model(inputs), targets)
            slopes = torch.autograd.grad(loss, list(model.parameters()))
            torch.testing.assert_close(losses[row], loss.detach(), rtol=1e-12, atol=1e-12)
            for (name, _), slope in zip(model.named_parameters(), slopes, strict=True):
                torch.testing.assert_close(gradients[name][row], slope, rtol=1e-10, atol=1e-12)
            for name, buffer in untrained(model).items():
                torch.testing.assert_close(after[name][row], buffer, rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 5), classes=st.integers(1, 32), scale=st.sampled_from([1e-3, 1.0, 500.0]))
def test_narrow_softmax_is_torchs_own(rows: int, classes: int, scale: float) -> None:
    scores = (torch.randn(2, rows, classes, dtype=torch.float64) * scale).requires_grad_()
    logs = functional.log_softmax(scores, -1)
    torch.testing.assert_close(narrow_log_softmax(scores.detach()), logs.detach(), rtol=1e-12, atol=1e-12)
    slopes = torch.randn(2, rows, classes, dtype=torch.float64)
    (wanted,) = torch.autograd.grad(logs, scores, slopes)
    torch.testing.assert_close(narrow_log_softmax_backward(slopes, logs.detach()), wanted, rtol=1e-9, atol=1e-12)


def test_rows_end_in_whole_vectors() -> None:
    assert [whole_vectors(numbers) for numbers in (1, 64, 65)] == [64, 64, 128]
