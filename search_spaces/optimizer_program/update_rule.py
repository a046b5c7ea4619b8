"""A program as the update rule of a recipe: pure, on flat buffers by name.

Why: the engine trains every candidate through `UpdateRule`. The rule: learning rate and weight decay are the recipe's;
the program sees learning rate / LEARNING_RATE_UNIT, so published programs run as they are printed, and weight decay
stays outside of it: w <- w (1 - learning rate * weight decay) - update, in the order of lion_pytorch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.compiled import CompiledProgram
from search_spaces.optimizer_program.layout import Layout, Shape
from search_spaces.optimizer_program.program import V1, V2, VARIABLES, G, Program, W
from search_spaces.optimizer_program.step_module import StepModule

LEARNING_RATE_UNIT: Final = 1e-3
"""The recipe's learning rate at which a program sees 1."""

Buffers: TypeAlias = Mapping[str, Tensor]
Key: TypeAlias = tuple[tuple[tuple[Shape, ...], ...], torch.dtype, torch.device]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRule:
    """An update rule that runs a program, over all buffers together: a norm is that of all parameters.

    States that no update ever reads stay zero, because the program is simplified before it runs.

    Attributes:
        program: valid.
        seed: of the noise, where the program asks for any.
    """

    program: Program
    seed: int = 0
    _short: Program = field(init=False, repr=False, compare=False)
    _compiled: dict[Key, CompiledProgram] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_short", simplify(self.program))

    def init(self, parameters: Buffers, *, shapes: Mapping[str, Sequence[Shape]]) -> dict[str, Any]:
        """Returns zero states, and the shapes by buffer, which a step needs again."""
        zeros = {name: {key: torch.zeros_like(buffer) for key, buffer in parameters.items()} for name in ("v1", "v2")}
        return {**zeros, "shapes": {name: [tuple(shape) for shape in shapes[name]] for name in parameters}}

    def step(
        self,
        parameters: Buffers,
        gradients: Buffers,
        state: Mapping[str, Any],
        *,
        learning_rate: float,
        weight_decay: Mapping[str, float],
        step: int,
    ) -> tuple[Buffers, dict[str, Any]]:
        """Returns new parameters and states; see `UpdateRule`."""
        names = tuple(parameters)
        compiled = self._for(tuple(tuple(map(tuple, state["shapes"][name])) for name in names), parameters[names[0]])
        moved = {name: parameters[name].clone() for name in names}
        compiled.give(W, tuple(moved.values()))
        compiled.give(G, tuple(gradients[name].contiguous() for name in names))
        after: dict[str, Any] = dict(state)
        for slot in (V1, V2):
            old = state[VARIABLES[slot]]
            if slot in compiled.writes:
                old = after[VARIABLES[slot]] = {name: old[name].clone() for name in names}
            compiled.give(slot, tuple(old[name] for name in names))
        keep = [1 - learning_rate * weight_decay[name] for name in names]
        compiled.run(lr=learning_rate / LEARNING_RATE_UNIT, t=step + 1, keep=keep)
        return moved, after

    def step_module(self, shapes: Sequence[Shape]) -> StepModule:
        """Returns one step as a module for export; see `TraceableRule`."""
        return StepModule(self._short, shapes, unit=LEARNING_RATE_UNIT, seed=self.seed)

    def _for(self, shapes: tuple[tuple[Shape, ...], ...], like: Tensor) -> CompiledProgram:
        key = (shapes, like.dtype, like.device)
        if key not in self._compiled:
            self._compiled[key] = CompiledProgram(
                self._short, Layout(parts=shapes), like=like.new_empty(0), seed=self.seed
            )
        return self._compiled[key]
