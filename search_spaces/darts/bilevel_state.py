"""What a differentiable search holds and changes: a searchable model, its weights, its architecture weights.

Why: the architect and the trainer both step through it. The rule: a model is searchable if it tells its architecture
weights from the others and shows the weights that a genotype is derived from; a supernet of cells does, and so may any
module.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from automl.canonical import JSON
from automl.contracts import Batch, Recipe
from search_spaces.darts.flat_weights import FlatWeights, norm

Mixing: TypeAlias = Mapping[str, NDArray[np.float64]]
"""Name -> weights from which a genotype is derived, of DARTS [edges, operations]."""


@runtime_checkable
class Searchable(Protocol):
    """What a model must offer beside `forward`."""

    def architecture_parameters(self) -> Sequence[Parameter]:
        """Returns the architecture weights."""

    def weight_parameters(self) -> Sequence[Parameter]:
        """Returns all others."""

    def mixing(self) -> Mapping[str, Tensor]:
        """Returns the weights that a genotype is derived from, by name."""


@dataclass(slots=True, kw_only=True)
class BilevelState:
    """What one search changes as it goes; owned by its trainer.

    Attributes:
        recipe: what is trained.
        model: a `Searchable` module.
        weights: what the recipe's update rule moves.
        alphas: what the architect moves; of a search without one they are part of `weights`.
        rule: state of the update rule.
        schedule: state of the schedule.
        adam: state of the architect.
        signals: what the schedule saw last.
        previous: gradients of the last step by group; empty before the first.
        steps: steps done.
        valid: the architecture's half of the last batch; None before the first step.
        derived: since `init` or `restore`.
    """

    recipe: Recipe
    model: Any
    weights: FlatWeights
    alphas: tuple[Parameter, ...]
    rule: Any
    schedule: Any
    adam: Any
    signals: dict[str, float]
    previous: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    valid: "Batch | None" = None
    derived: list[JSON] = field(default_factory=list)


def loss_of(state: BilevelState, batch: Batch) -> Tensor:
    """Returns the recipe's loss at the weights as they stand."""
    inputs, targets = batch
    return state.recipe.loss(state.model(inputs), targets)


def moved(
    state: BilevelState, gradients: Mapping[str, Tensor], *, rate: float, step: int
) -> tuple[Mapping[str, Tensor], Any]:
    """Returns where the update rule takes the weights, and its state; commits nothing."""
    recipe, buffers = state.recipe, state.weights.buffers
    decay = {name: recipe.weight_decay if name == "decayed" else 0.0 for name in buffers}
    with torch.no_grad():
        return recipe.update_rule.step(
            buffers, gradients, state.rule, learning_rate=rate, weight_decay=decay, step=step
        )


def signals_of(loss: Tensor, gradients: Mapping[str, Tensor], previous: Mapping[str, Tensor]) -> dict[str, float]:
    """Returns what a schedule may see."""
    dots = [float(torch.dot(gradients[name], buffer)) for name, buffer in previous.items()]
    return {
        "loss": float(loss),
        "gradient_dot": math.fsum(dots) if all(map(math.isfinite, dots)) else math.nan,
        "gradient_l1": float(torch.stack([gradient.abs().sum() for gradient in gradients.values()]).sum()),
        "gradient_l2": float(norm(gradients)),
    }


def mixing_of(model: Searchable) -> Mixing:
    """Returns the weights that a genotype is derived from."""
    with torch.no_grad():
        return {name: weights.double().cpu().numpy() for name, weights in model.mixing().items()}
