"""Gradients of the architecture weights: how a validation loss pulls on alpha, with the weights following or not.

Why: min over alpha of L_val(w*(alpha), alpha) with w* = argmin L_train is bilevel; one unrolled step stands for w*.
Source: DARTS (Liu et al. 2019), equations (6) to (8), and the authors' code. With w' = w - xi (momentum + dL_train/dw +
decay), v = dL_val(w', alpha)/dw' and w+- = w +- eps v, eps = 0.01 / |v|:

    d alpha = dL_val(w', alpha)/d alpha - xi (dL_train(w+)/d alpha - dL_train(w-)/d alpha) / (2 eps)

The rule: whatever is moved on the way stands where it was afterwards, bit for bit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import Module, Parameter

from search_spaces.darts.flat_weights import FlatWeights, norm

Loss: TypeAlias = Callable[[], Tensor]
"""Computes a loss at the weights and architecture weights as they stand."""

SMALL = 0.01
"""Length of the finite difference in weight space, of the authors' code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrolled:
    """One imagined step of the weights.

    Attributes:
        weights: w, moved and put back.
        move: gradients of the train loss -> w'; does not commit anything.
        rate: xi, the learning rate of that step, >= 0.
    """

    weights: FlatWeights
    move: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
    rate: float


def first_order(alphas: Sequence[Parameter], *, valid: Loss) -> list[Tensor]:
    """Returns dL_val(w, alpha)/d alpha, one tensor per entry of `alphas`: xi = 0."""
    return _slopes(valid(), alphas)


def second_order(alphas: Sequence[Parameter], unrolled: Unrolled, *, train: Loss, valid: Loss) -> list[Tensor]:
    """Returns the gradient through one step of the weights; see the module.

    Args:
        alphas: architecture weights, no part of the flat weights.
        unrolled: the step.
        train: loss that the weights follow.
        valid: loss that the architecture follows.
    """
    weights, origin = unrolled.weights, unrolled.weights.copy()
    try:
        weights.load(unrolled.move(weights.gradients(train())))
        slopes = _slopes(valid(), [*alphas, *weights.parameters])
        direct, pull = slopes[: len(alphas)], weights.flat(slopes[len(alphas) :])
        length = float(norm(pull))
        if not length > 0 or unrolled.rate == 0:
            return direct
        small = SMALL / length
        ends = []
        for sign in (1, -1):
            weights.load({name: torch.add(w, pull[name], alpha=sign * small) for name, w in origin.items()})
            with weights_held(weights):
                loss = train()
            ends.append(_slopes(loss, alphas))
    finally:
        weights.load(origin)
    factor = unrolled.rate / (2 * small)
    return [torch.add(one, up - down, alpha=-factor) for one, up, down in zip(direct, *ends, strict=True)]


def zero_one_loss(alphas: Sequence[Tensor]) -> Tensor:
    """Returns -mean over all entries of (sigmoid(alpha) - 1/2)^2, which pushes each weight to 0 or 1.

    Source: FairDARTS (Chu et al. 2020, arXiv 1911.12126), equation (6); the paper adds it 10 times.
    """
    flat = torch.cat([alpha.reshape(-1) for alpha in alphas])
    return -torch.square(torch.sigmoid(flat) - 0.5).mean()


def statistics(model: Module) -> list[Tensor]:
    """Returns the running statistics of a model: its buffers, but for counters such as those of sampled noise.

    Only the batches that train the weights count towards what the model is measured with, while noise goes on.
    """
    return [buffer for buffer in model.buffers() if buffer.is_floating_point()]


@contextmanager
def kept(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Lets forward passes leave tensors as they were."""
    saved = [(tensor, tensor.clone()) for tensor in tensors]
    try:
        yield
    finally:
        for tensor, value in saved:
            tensor.copy_(value)


@contextmanager
def weights_held(weights: FlatWeights) -> Iterator[None]:
    """Lets a loss be computed of which only the architecture's gradient is wanted: less is kept, less computed."""
    for parameter in weights.parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in weights.parameters:
            parameter.requires_grad_(True)


def _slopes(loss: Tensor, parameters: Sequence[Parameter]) -> list[Tensor]:
    return list(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))
