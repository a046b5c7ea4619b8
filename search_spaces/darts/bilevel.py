"""Differentiable search as a trainer: weights follow one half of the train split, the architecture the other.

Why: with a supernet as the model and this as the trainer, a whole differentiable search is an ordinary trial, cut into
rungs, recorded, interrupted and resumed like any other. Sources: DARTS (Liu et al. 2019), algorithm 1; sharpDARTS
(Hundt et al. 2019) for the search without an architect. The rule: each step moves the architecture first, then the
weights; no random choice is made after `init`, so a snapshot needs no generator.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Module

from automl.authoring.plain_state import copy_into, copy_state
from automl.canonical import JSON, finite
from automl.contracts import DERIVED, Batch, Genotype, Recipe, Signature
from automl.errors import InvalidSetting
from automl.seeding import child_seed
from search_spaces.darts.architect import (
    Unrolled,
    first_order,
    kept,
    second_order,
    statistics,
    weights_held,
    zero_one_loss,
)
from search_spaces.darts.architecture_adam import ArchitectureAdam
from search_spaces.darts.bilevel_state import (
    BilevelState,
    Mixing,
    Searchable,
    loss_of,
    mixing_of,
    moved,
    signals_of,
)
from search_spaces.darts.flat_weights import FlatWeights, clipped
from search_spaces.darts.hessian import EIGENVALUE, dominant_eigenvalue

DERIVATIONS = 50
"""Genotypes derived along a run where no interval is given: DARTS searches for 50 epochs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BilevelTrainer:
    """Trains a `Searchable` model and derives genotypes on the way; see `automl.contracts.Trainer`.

    Attributes:
        derive: mixing weights -> genotype of the derived space, None where they give none (yet).
        read: (mixing weights, derived genotype) -> numbers for the curve, always the same names.
        order: 1 = the architecture looks at the weights as they are, 2 = one step ahead (three times the cost), 0 = no
            architect: all parameters are trained on the whole train split as ordinary weights.
        architect: moves the architecture; unused for order 0.
        frozen: share of the run, at its start, in which the architecture stays, in [0, 1); PC-DARTS 15 of 50 epochs.
        zero_one: factor on the zero-one loss of the architecture, >= 0; FairDARTS 10.
        clip: largest norm of the weights' gradient, > 0; DARTS 5.
        derive_every: steps from one derived genotype to the next, >= 1; None = a fiftieth of the run.
        sharpness: whether the dominant eigenvalue of the Hessian of the validation loss with respect to the
            architecture is a reading; costs up to 20 backward passes per measurement.
        seed: tells searches of one study apart.
    """

    derive: Callable[[Mixing], Genotype | None]
    read: Callable[[Mixing, Genotype | None], Mapping[str, float | None]]
    order: Literal[0, 1, 2] = 1
    architect: ArchitectureAdam = field(default_factory=ArchitectureAdam)
    frozen: float = 0.0
    zero_one: float = 0.0
    clip: float = 5.0
    derive_every: int | None = None
    sharpness: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.order not in (0, 1, 2):
            raise InvalidSetting("order", self.order, "0, 1 or 2")
        if not 0 <= self.frozen < 1:
            raise InvalidSetting("frozen", self.frozen, "a share of the run in [0, 1), e.g. 0.3")
        if not self.zero_one >= 0:
            raise InvalidSetting("zero_one", self.zero_one, "a number >= 0, e.g. 10")
        if not self.clip > 0:
            raise InvalidSetting("clip", self.clip, "a number > 0, e.g. 5")
        if self.derive_every is not None and (type(self.derive_every) is not int or self.derive_every < 1):
            raise InvalidSetting("derive_every", self.derive_every, "an int >= 1, or nothing for a fiftieth of the run")
        if self.order == 0 and (self.frozen or self.zero_one or self.sharpness):
            allowed = "1 or 2 beside frozen, zero_one and sharpness: without an architect there is nothing to hold"
            raise InvalidSetting("order", self.order, allowed)

    @property
    def parts(self) -> int:
        """Two halves of the train split, or with no architect the whole."""
        return 2 if self.order else 1

    def init(self, recipe: Recipe, signature: Signature, *, seed: int, device: str) -> BilevelState:
        """Builds the model on the CPU, so that equal seeds give equal weights on every device.

        Raises:
            InvalidSetting: the recipe's model is not `Searchable`.
        """
        own = child_seed(seed, "search", self.seed)
        generator = torch.Generator().manual_seed(child_seed(own, "model"))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(child_seed(own, "layers"))
            model = recipe.model(signature, recipe.norm_act, generator).to(device).train()
        if not isinstance(model, Searchable):
            allowed = "a module with architecture_parameters(), weight_parameters() and mixing()"
            raise InvalidSetting("model", type(model).__name__, allowed)
        alphas = tuple(model.architecture_parameters())
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        trained = (*model.weight_parameters(), *(() if self.order else alphas))
        weights = FlatWeights.of([(names[id(one)], one) for one in trained], decays=recipe.decays)
        return BilevelState(
            recipe=recipe,
            model=model,
            weights=weights,
            alphas=alphas,
            rule=recipe.update_rule.init(weights.buffers, shapes=weights.shapes),
            schedule=recipe.schedule.init(recipe.steps),
            adam=self.architect.init(alphas),
            signals={"loss": 0.0, "gradient_dot": 0.0, "gradient_l1": 0.0, "gradient_l2": 0.0},
        )

    def step(self, state: BilevelState, batch: Batch, *, step: int) -> float:
        """Moves the architecture on the second half of the batch, then the weights on the first; returns their loss."""
        recipe = state.recipe
        recipe.on_progress(state.model, step / recipe.steps)
        train = batch
        if self.order:
            train, state.valid = _halves(batch)
            if step >= round(self.frozen * recipe.steps):
                self._move_architecture(state, train, state.valid, step=step)
        loss = self._move_weights(state, train, step=step)
        state.steps = step + 1
        if state.steps % self._interval(recipe) == 0 or state.steps == recipe.steps:
            self._derive(state)
        return loss

    def model(self, state: BilevelState) -> Module:
        """Returns the supernet as it stands."""
        model: Module = state.model
        return model

    def readings(self, state: BilevelState) -> Mapping[str, float | None]:
        """Returns what `read` says, and the eigenvalue where it was asked for."""
        mixing = mixing_of(state.model)
        found = {name: finite(value) for name, value in self.read(mixing, self.derive(mixing)).items()}
        return {**found, EIGENVALUE: self._eigenvalue(state)} if self.sharpness else found

    def report(self, state: BilevelState, requests: Sequence[str]) -> Mapping[str, JSON]:
        """Returns what was derived since `init` or `restore`: step, share of the run, genotype and what `read` says."""
        return {DERIVED: list(state.derived)}

    def snapshot(self, state: BilevelState) -> Mapping[str, Any]:
        """Returns copies on the CPU of all parameters, buffers and states."""
        content = {
            "tensors": _tensors(state.model),
            "rule": state.rule,
            "schedule": state.schedule,
            "adam": dict(state.adam),
            "signals": state.signals,
            "previous": state.previous,
            "done": state.steps,  # a name of its own: a text that stands twice is written as one object, or not
        }
        copied: Mapping[str, Any] = copy_state(content, device="cpu")
        return copied

    def restore(self, state: BilevelState, snapshot: Mapping[str, Any]) -> BilevelState:
        """Overwrites a freshly initialised state with `snapshot`; what was derived before it is not derived again."""
        tensors = _tensors(state.model)
        for name, saved in snapshot["tensors"].items():
            copy_into(tensors[name], saved)
        device = str(state.alphas[0].device)
        for name in ("rule", "schedule", "adam", "signals", "previous"):
            setattr(state, name, copy_state(snapshot[name], device=device))
        state.steps = snapshot["done"]
        state.derived = []
        return state

    def _interval(self, recipe: Recipe) -> int:
        return self.derive_every or max(1, round(recipe.steps / DERIVATIONS))

    def _move_architecture(self, state: BilevelState, train: Batch, valid: Batch, *, step: int) -> None:
        with kept(statistics(state.model)):
            gradients = self._pull(state, train, valid, step=step)
        if self.zero_one:
            extra = torch.autograd.grad(self.zero_one * zero_one_loss(state.alphas), state.alphas)
            gradients = [one + other for one, other in zip(gradients, extra, strict=True)]
        with torch.no_grad():
            values, state.adam = self.architect.step(state.alphas, gradients, state.adam)
            for alpha, value in zip(state.alphas, values, strict=True):
                alpha.copy_(value)

    def _pull(self, state: BilevelState, train: Batch, valid: Batch, *, step: int) -> list[Tensor]:
        """Returns the gradient of the validation loss with respect to the architecture."""
        if self.order == 1:
            with weights_held(state.weights):
                return first_order(state.alphas, valid=lambda: loss_of(state, valid))
        factor, _ = state.recipe.schedule.multiplier(state.schedule, step, state.signals)
        rate = state.recipe.learning_rate * factor

        def move(gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
            return moved(state, gradients, rate=rate, step=step)[0]

        unrolled = Unrolled(weights=state.weights, move=move, rate=rate)
        return second_order(
            state.alphas, unrolled, train=lambda: loss_of(state, train), valid=lambda: loss_of(state, valid)
        )

    def _move_weights(self, state: BilevelState, train: Batch, *, step: int) -> float:
        loss = loss_of(state, train)
        gradients = state.weights.gradients(loss)
        state.signals = signals_of(loss.detach(), gradients, state.previous)
        state.previous = gradients
        factor, state.schedule = state.recipe.schedule.multiplier(state.schedule, step, state.signals)
        rate = state.recipe.learning_rate * factor
        following, state.rule = moved(state, clipped(gradients, most=self.clip), rate=rate, step=step)
        state.weights.load(following)
        return state.signals["loss"]

    def _derive(self, state: BilevelState) -> None:
        mixing = mixing_of(state.model)
        genotype = self.derive(mixing)
        if genotype is not None:
            numbers = {name: finite(value) for name, value in self.read(mixing, genotype).items()}
            share = state.steps / state.recipe.steps
            state.derived.append({"step": state.steps, "share": share, "genotype": dict(genotype), **numbers})

    def _eigenvalue(self, state: BilevelState) -> float | None:
        """Returns it on the architecture's half of the last batch, None before the first step and after a blow-up."""
        if state.valid is None:
            return None
        seed = child_seed(self.seed, "eigenvalue")
        with kept(state.model.buffers()):  # noise as well: whether this point is measured changes nothing
            loss = loss_of(state, state.valid)
            return dominant_eigenvalue(loss, state.alphas, seed=seed) if math.isfinite(float(loss.detach())) else None


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    inputs, targets = batch
    half = len(targets) // 2
    return (inputs[:half], targets[:half]), (inputs[half:], targets[half:])


def _tensors(model: Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
