"""AdamP, SGDP, Adafactor and OrthoGrad as torch optimizers, for comparison with what programs say of them.

Why: their branches over views and shapes do not fit into one program; the zoo's forms of them are held against these.
The rule: the arithmetic of the originals in their order, one parameter after the other, nothing fused. Weight decay is
decoupled: p <- p (1 - lr weight_decay).

Sources: Heo et al. 2021, arXiv 2006.08217 (AdamP, SGDP; code of clovaai); Shazeer and Stern 2018 with a given learning
rate, as in timm; Prieto et al. 2025, arXiv 2501.04697 (OrthoGrad; code of the authors, which keeps the length of the
gradient).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from automl.errors import InvalidSetting

SMALLEST_FACTORED: Final = 16
"""Adafactor keeps one number per entry unless both axes are longer than this (timm)."""
_TINY: Final = 1e-30


class _OneByOne(Optimizer, ABC):
    """Steps through the parameters that have a gradient."""

    def __init__(self, parameters: ParamsT, settings: dict[str, Any]) -> None:
        if not settings["lr"] > 0:
            raise InvalidSetting("lr", settings["lr"], "a number > 0")
        if not settings["weight_decay"] >= 0:
            raise InvalidSetting("weight_decay", settings["weight_decay"], "a number >= 0")
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Moves every parameter that has a gradient; returns the loss of `closure`."""
        loss = _loss(closure)
        for parameter, gradient, settings in _slopes(self.param_groups):
            self._move(parameter, gradient, self.state[parameter], settings)
        return loss

    @abstractmethod
    def _move(self, p: Tensor, g: Tensor, state: dict[str, Any], settings: Mapping[str, Any]) -> None:
        """Moves p in place and updates its state."""


def _loss(closure: Callable[[], float] | None) -> float | None:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def _slopes(groups: Sequence[dict[str, Any]]) -> Iterator[tuple[Tensor, Tensor, dict[str, Any]]]:
    """Yields (parameter, gradient, settings of its group) where there is a gradient."""
    for group in groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield parameter, parameter.grad, group


class AdamP(_OneByOne):
    """Adam whose update loses its radial part on weights that act scale-invariant, with less decay on these."""

    def __init__(
        self,
        parameters: ParamsT,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        delta: float = 0.1,
        decay_ratio: float = 0.1,
    ) -> None:
        """Args as in torch's AdamW; `delta` and `decay_ratio` as in `without_radial_part`."""
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, {**settings, "delta": delta, "decay_ratio": decay_ratio})

    def _move(self, p: Tensor, g: Tensor, state: dict[str, Any], settings: Mapping[str, Any]) -> None:
        if not state:
            state.update(step=0, mean=torch.zeros_like(p), squares=torch.zeros_like(p))
        (beta1, beta2), lr = settings["betas"], settings["lr"]
        state["step"] += 1
        state["mean"].mul_(beta1).add_(g, alpha=1 - beta1)
        state["squares"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        root = state["squares"].sqrt() / math.sqrt(1 - beta2 ** state["step"]) + settings["eps"]
        delta, ratio, eps = settings["delta"], settings["decay_ratio"], settings["eps"]
        direction, ratio = without_radial_part(state["mean"] / root, p, g, delta=delta, decay_ratio=ratio, eps=eps)
        p.mul_(1 - lr * settings["weight_decay"] * ratio)
        p.add_(direction, alpha=-lr / (1 - beta1 ** state["step"]))


class SGDP(_OneByOne):
    """SGD with momentum whose update loses its radial part on weights that act scale-invariant."""

    def __init__(
        self,
        parameters: ParamsT,
        *,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        delta: float = 0.1,
        decay_ratio: float = 0.1,
        eps: float = 1e-8,
    ) -> None:
        """Args as in torch's SGD; `delta` and `decay_ratio` as in `without_radial_part`."""
        if not 0 <= momentum < 1:
            raise InvalidSetting("momentum", momentum, "a number in [0, 1)")
        settings = {"lr": lr, "momentum": momentum, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, {**settings, "delta": delta, "decay_ratio": decay_ratio})

    def _move(self, p: Tensor, g: Tensor, state: dict[str, Any], settings: Mapping[str, Any]) -> None:
        momentum, lr = settings["momentum"], settings["lr"]
        state["velocity"] = g.clone() if not state else momentum * state["velocity"] + g
        # The original projects its momentum buffer in place and so corrupts it; this leaves it alone, as timm does.
        delta, ratio, eps = settings["delta"], settings["decay_ratio"], settings["eps"]
        direction, ratio = without_radial_part(state["velocity"], p, g, delta=delta, decay_ratio=ratio, eps=eps)
        p.mul_(1 - lr * settings["weight_decay"] * ratio / (1 - momentum))
        p.add_(direction, alpha=-lr)


def without_radial_part(
    direction: Tensor, p: Tensor, g: Tensor, *, delta: float, decay_ratio: float, eps: float
) -> tuple[Tensor, float]:
    """Returns (direction, factor on the weight decay) after the projection of AdamP.

    Looked at are the rows of the weight, then the weight as one row. Where the gradient of every row is nearly
    orthogonal to the row, max |cos(g, p)| < delta / sqrt(row length), the direction loses its part along each row.
    The cosine is that of the gradient, the projection that of the direction. Vectors are left alone.

    Args:
        direction: of the step, shape of p; not changed.
        p: weight.
        g: its gradient.
        delta: how orthogonal is enough, > 0; the paper's 0.1.
        decay_ratio: factor on the weight decay where the direction was projected, in [0, 1]; the paper's 0.1.
        eps: added to lengths.
    """
    if p.ndim < 2:
        return direction, 1.0
    for rows in (p.shape[0], 1):
        weight, slope = p.reshape(rows, -1), g.reshape(rows, -1)
        length = weight.norm(dim=1, keepdim=True) + eps
        cosine = (weight * slope).sum(1, keepdim=True).abs() / length / (slope.norm(dim=1, keepdim=True) + eps)
        if float(cosine.max()) < delta / math.sqrt(weight.shape[1]):
            unit, flat = weight / length, direction.reshape(rows, -1)
            return (flat - unit * (unit * flat).sum(1, keepdim=True)).reshape(p.shape), decay_ratio
    return direction, 1.0


class Adafactor(_OneByOne):
    """Adam without the first moment, with the second moment of a matrix as an outer product of row and column means."""

    def __init__(
        self, parameters: ParamsT, *, lr: float = 1e-3, weight_decay: float = 0.0, longest_step: float = 1.0
    ) -> None:
        """Args: lr: given, not relative to the step; longest_step: largest root mean square of a step before `lr`."""
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "longest_step": longest_step})

    def _move(self, p: Tensor, g: Tensor, state: dict[str, Any], settings: Mapping[str, Any]) -> None:
        state["step"] = state.get("step", 0) + 1
        kept = 1 - state["step"] ** -0.8
        axes, squares = factored_axes(tuple(p.shape)), g * g + _TINY
        for name, axis in (("whole", None),) if axes is None else (("rows", axes[1]), ("columns", axes[0])):
            new = squares if axis is None else squares.mean(axis, keepdim=True)
            state[name] = kept * state.get(name, torch.zeros_like(new)) + (1 - kept) * new
        if axes is None:
            direction = g * state["whole"].rsqrt()
        else:
            rows = state["rows"] / state["rows"].mean(axes[0], keepdim=True)
            direction = g * rows.rsqrt() * state["columns"].rsqrt()
        size = float(direction.norm()) / math.sqrt(direction.numel())
        p.mul_(1 - settings["lr"] * settings["weight_decay"])
        p.add_(direction, alpha=-settings["lr"] / max(1.0, size / settings["longest_step"]))


def factored_axes(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Returns the (row, column) axes over which Adafactor factors, None where it keeps one number per entry.

    Those of a convolution are its channels, the first two; failing that, the last two.
    """
    candidates = [(0, 1)] if len(shape) > 2 else []
    if len(shape) >= 2:
        candidates.append((len(shape) - 2, len(shape) - 1))
    fitting = [axes for axes in candidates if min(shape[axes[0]], shape[axes[1]]) > SMALLEST_FACTORED]
    return fitting[0] if fitting else None


class OrthoGrad(Optimizer):
    """Any optimizer, given gradients without their part along the weight, tensor by tensor, of the old length.

    State, parameter groups and their settings are those of the optimizer within.
    """

    def __init__(self, within: Optimizer) -> None:
        """Wraps an optimizer, which must not be stepped on its own from then on."""
        super().__init__(within.param_groups, within.defaults)
        self._within = within
        self.param_groups, self.state = within.param_groups, within.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Projects the gradients in place, then steps; returns the loss of `closure`."""
        loss = _loss(closure)
        for parameter, gradient, _ in _slopes(self.param_groups):
            gradient.copy_(orthogonal_to(parameter, gradient))
        self._within.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads what `state_dict` of this or of the optimizer within gave."""
        self._within.load_state_dict(state_dict)
        self.param_groups, self.state = self._within.param_groups, self._within.state


def orthogonal_to(w: Tensor, g: Tensor) -> Tensor:
    """Returns g minus its part along w, scaled to the length of g; all entries of a tensor are one vector."""
    rest = g - (w * g).sum() / ((w * w).sum() + _TINY) * w
    share: Tensor = g.norm() / (rest.norm() + _TINY)
    return rest * share
