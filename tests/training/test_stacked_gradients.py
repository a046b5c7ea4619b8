"""Traced gradients against autograd, for fixed and for random networks."""

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stripes_task import Stripes
from torch import nn

from automl.contracts import Batch
from automl.training.stacked_gradients import trace_gradients, untrained, whole_vectors

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


@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    width=st.integers(1, 4),
    act=st.sampled_from([nn.ReLU, nn.Tanh, nn.GELU]),
    bias=st.booleans(),
    shared=st.booleans(),
    ignored=st.booleans(),
)
def test_gradients_of_any_mlp_are_those_of_autograd(
    sizes: list[int], width: int, act: type[nn.Module], bias: bool, shared: bool, ignored: bool
) -> None:
    layers: list[nn.Module] = [nn.Flatten()]
    for features, outputs in pairwise([64, *sizes]):
        layers += [nn.Linear(features, outputs, bias=bias), act()]
    recipe = Stripes().baseline("resnet")
    models = [nn.Sequential(*layers, nn.Linear(sizes[-1], 5)).double() for _ in range(width)]
    batches = [batch(0 if shared else row) for row in range(width)]
    for _, targets in batches:
        targets[0] = -100 if ignored else targets[0]
    traced = trace_gradients(recipe, models[0], width=width, batch=batches[0], shared=shared)
    parameters = {
        name: torch.stack([dict(model.named_parameters())[name].detach() for model in models])
        for name, _ in models[0].named_parameters()
    }
    before = {name: tensor.clone() for name, tensor in parameters.items()}
    together = batches[0] if shared else (torch.stack([x for x, _ in batches]), torch.stack([y for _, y in batches]))
    step = traced.bind(parameters, {})
    for _ in range(2):  # again: nothing that was found once may have been written to
        losses, gradients, _ = step(together)
        for row, (model, (inputs, targets)) in enumerate(zip(models, batches, strict=True)):
            loss = recipe.loss(model(inputs), targets)
            torch.testing.assert_close(losses[row], loss.detach(), rtol=1e-12, atol=1e-12)
            slopes = torch.autograd.grad(loss, list(model.parameters()))
            for (name, _), slope in zip(model.named_parameters(), slopes, strict=True):
                torch.testing.assert_close(gradients[name][row], slope, rtol=1e-9, atol=1e-12)
    assert all(torch.equal(parameters[name], before[name]) for name in before)


def test_a_bound_step_follows_parameters_that_are_changed_in_place() -> None:
    recipe, model = Stripes().baseline("resnet"), nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).double()
    traced = trace_gradients(recipe, model, width=1, batch=batch(0), shared=True)
    parameters = {name: one.detach()[None].clone() for name, one in model.named_parameters()}
    step = traced.bind(parameters, {})
    step(batch(0))
    with torch.no_grad():
        for name, one in model.named_parameters():
            one.mul_(3)
            parameters[name].copy_(one)
    torch.testing.assert_close(step(batch(1))[0][0], recipe.loss(model(batch(1)[0]), batch(1)[1]).detach())


def test_rows_end_in_whole_vectors() -> None:
    assert [whole_vectors(numbers) for numbers in (1, 64, 65)] == [64, 64, 128]
