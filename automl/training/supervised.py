"""The ordinary training loop: forward, backward, schedule, update; parameters live in flat buffers.

Why: with parameters as views into one buffer per weight-decay group, an update rule runs one kernel per operation,
whatever the number of layers. The rule: no random choice is made after `init`, so a snapshot needs no generator.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Module, Parameter

from automl.authoring.plain_state import copy_into, copy_state
from automl.canonical import JSON, finite
from automl.contracts import Batch, Recipe, Signature
from automl.seeding import child_seed


@dataclass(slots=True, kw_only=True)
class SupervisedState:
    """What one run changes as it goes; owned by its `Supervised` trainer.

    Attributes:
        recipe: what is trained.
        model: its parameters are views into `buffers`.
        parameters: the trained ones, group after group.
        buffers: group ("decayed", "plain") -> [numbers in the group]; a group without parameters is absent.
        counts: group -> how many of `parameters` lie in it.
        weight_decay: group -> factor.
        rule: state of the update rule.
        schedule: state of the schedule.
        previous: gradients of the last step by group; empty before the first.
        norms: (l1, l2) of the gradient at every step so far.
    """

    recipe: Recipe
    model: Module
    parameters: tuple[Parameter, ...]
    buffers: dict[str, Tensor]
    counts: dict[str, int]
    weight_decay: dict[str, float]
    rule: Any
    schedule: Any
    previous: dict[str, Tensor] = field(default_factory=dict)
    norms: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """Trains a recipe's model on its loss; see `automl.contracts.Trainer`.

    It knows the request "gradient_norms": {"l1": [steps], "l2": [steps]} of the whole leg so far.
    """

    parts: ClassVar[int] = 1

    def init(self, recipe: Recipe, signature: Signature, *, seed: int, device: str) -> SupervisedState:
        """Builds the model on the CPU, so that equal seeds give equal weights on every device."""
        generator = torch.Generator().manual_seed(child_seed(seed, "model"))
        with torch.random.fork_rng(devices=[]):  # layers that draw from torch's own generator are seeded as well
            torch.default_generator.manual_seed(child_seed(seed, "layers"))
            model = recipe.model(signature, recipe.norm_act, generator).to(device).train()
        groups = _groups(model, recipe)
        buffers = {name: _flatten(parameters) for name, parameters in groups.items()}
        shapes = {name: [tuple(parameter.shape) for parameter in group] for name, group in groups.items()}
        return SupervisedState(
            recipe=recipe,
            model=model,
            parameters=tuple(parameter for group in groups.values() for parameter in group),
            buffers=buffers,
            counts={name: len(group) for name, group in groups.items()},
            weight_decay={name: recipe.weight_decay if name == "decayed" else 0.0 for name in groups},
            rule=recipe.update_rule.init(buffers, shapes=shapes),
            schedule=recipe.schedule.init(recipe.steps),
        )

    def step(self, state: SupervisedState, batch: Batch, *, step: int) -> float:
        """Trains on one batch and returns its loss."""
        recipe, (inputs, targets) = state.recipe, batch
        recipe.on_progress(state.model, step / recipe.steps)
        loss = recipe.loss(state.model(inputs), targets)
        slopes = torch.autograd.grad(loss, state.parameters, allow_unused=True, materialize_grads=True)
        gradients = _by_group(slopes, state.counts)
        signals = _signals(loss.detach(), gradients, state.previous)
        state.norms.append((signals["gradient_l1"], signals["gradient_l2"]))
        factor, state.schedule = recipe.schedule.multiplier(state.schedule, step, signals)
        with torch.no_grad():
            moved, state.rule = recipe.update_rule.step(
                state.buffers,
                gradients,
                state.rule,
                learning_rate=recipe.learning_rate * factor,
                weight_decay=state.weight_decay,
                step=step,
            )
            for name, buffer in state.buffers.items():
                buffer.copy_(moved[name])
        state.previous = gradients
        return signals["loss"]

    def model(self, state: SupervisedState) -> Module:
        """Returns the model as it stands."""
        return state.model

    def readings(self, state: SupervisedState) -> Mapping[str, float | None]:
        """Returns nothing: what it knows at every step is in the curve anyway."""
        return {}

    def report(self, state: SupervisedState, requests: Sequence[str]) -> Mapping[str, JSON]:
        """Returns the gradient norms, where they were asked for; a norm that is not finite is null."""
        if "gradient_norms" not in requests:
            return {}
        l1, l2 = ([finite(pair[index]) for pair in state.norms] for index in (0, 1))
        return {"gradient_norms": {"l1": l1, "l2": l2}}

    def snapshot(self, state: SupervisedState) -> Mapping[str, Any]:
        """Returns copies on the CPU of all parameters, buffers and states."""
        content = {
            "tensors": _tensors(state.model),
            "rule": state.rule,
            "schedule": state.schedule,
            "previous": state.previous,
            "norms": state.norms,
        }
        copied: Mapping[str, Any] = copy_state(content, device="cpu")
        return copied

    def restore(self, state: SupervisedState, snapshot: Mapping[str, Any]) -> SupervisedState:
        """Overwrites a freshly initialised state with `snapshot`."""
        tensors = _tensors(state.model)
        for name, saved in snapshot["tensors"].items():
            copy_into(tensors[name], saved)
        device = str(next(iter(tensors.values())).device)
        state.rule = copy_state(snapshot["rule"], device=device)
        state.schedule = copy_state(snapshot["schedule"], device=device)
        state.previous = copy_state(snapshot["previous"], device=device)
        state.norms = [(l1, l2) for l1, l2 in snapshot["norms"]]
        return state


def lay_out(parameters: Sequence[Parameter], flat: Tensor) -> None:
    """Makes parameters views of one flat tensor, one after the other; their values become those that stand there."""
    offset = 0
    for parameter in parameters:
        parameter.data = flat[offset : offset + parameter.numel()].view(parameter.shape)
        offset += parameter.numel()


def _groups(model: Module, recipe: Recipe) -> dict[str, list[Parameter]]:
    groups: dict[str, list[Parameter]] = {"decayed": [], "plain": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups["decayed" if recipe.decays(name, parameter) else "plain"].append(parameter)
    return {name: group for name, group in groups.items() if group}


def _flatten(parameters: Sequence[Parameter]) -> Tensor:
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    lay_out(parameters, flat)
    return flat


def _by_group(slopes: Sequence[Tensor], counts: Mapping[str, int]) -> dict[str, Tensor]:
    gradients, start = {}, 0
    for name, count in counts.items():
        gradients[name] = torch.cat([slope.reshape(-1) for slope in slopes[start : start + count]])
        start += count
    return gradients


def _signals(loss: Tensor, gradients: Mapping[str, Tensor], previous: Mapping[str, Tensor]) -> dict[str, float]:
    """Returns what a schedule may see; read from the device at once."""
    dots = [torch.dot(gradients[name], buffer) for name, buffer in previous.items()]
    l1 = sum(buffer.abs().sum() for buffer in gradients.values())
    squares = sum(torch.dot(buffer, buffer) for buffer in gradients.values())
    numbers = torch.stack([torch.as_tensor(one, device=loss.device) for one in (loss, sum(dots), l1, squares)]).tolist()
    return {
        "loss": numbers[0],
        "gradient_dot": numbers[1],
        "gradient_l1": numbers[2],
        "gradient_l2": math.sqrt(max(numbers[3], 0.0)),
    }


def _tensors(model: Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
