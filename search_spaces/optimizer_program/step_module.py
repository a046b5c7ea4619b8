"""One step of a program as a torch module on flat tensors, for tracing and export.

Why: an exported graph is the update rule for people who do not run Python; traced from the interpreter, it says what
the program means, not what the compiled form makes of it. The rule: learning rate and step are inputs, never baked in;
noise is an input too, because no two runtimes draw the same numbers.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import Module

from search_spaces.optimizer_program.program import Program
from search_spaces.optimizer_program.reference import Leaves, run, step_noise
from search_spaces.optimizer_program.vocabulary import FUNCTIONS

BY_TENSOR: Final = ("norm", "leaf_dot", "row_mean", "col_mean")
"""Functions that see where a tensor ends."""


class StepModule(Module):
    """(w, g, v1, v2, lr, t) -> (new w, new v1, new v2), without weight decay; see `TraceableRule`.

    Attributes:
        state_names: names of the states, in the order of arguments and results.
        noise_names: ("noise",) where the program asks for `randn`: then a last argument, standard normal, [numbers];
            () elsewhere.
    """

    state_names: Final = ("v1", "v2")

    def __init__(self, program: Program, shapes: Sequence[tuple[int, ...]], *, unit: float, seed: int = 0) -> None:
        """Keeps what a step needs.

        Args:
            program: valid.
            shapes: of the parameters; flat tensors hold them one after another.
            unit: the recipe's learning rate at which the program sees 1, > 0.
            seed: of the noise that `noise_at` gives.
        """
        super().__init__()
        self.program = program
        self.shapes = tuple(tuple(shape) for shape in shapes)
        self.unit, self.seed = unit, seed
        names = {FUNCTIONS[statement[0]].name for statement in program}
        self.noise_names = ("noise",) if "randn" in names else ()
        self._whole = names.isdisjoint(BY_TENSOR)

    def forward(
        self, w: Tensor, g: Tensor, v1: Tensor, v2: Tensor, lr: Tensor, t: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Does one step.

        Args:
            w: parameters, [numbers].
            g: gradients, [numbers].
            v1: first state, [numbers].
            v2: second state, [numbers].
            lr: the recipe's learning rate, 0-d.
            t: step from 1, 0-d, of the type of w.
            noise: [numbers], where `noise_names` asks for it.
        """
        update, first, second = run(
            self.program,
            w=self._leaves(w),
            g=self._leaves(g),
            v1=self._leaves(v1),
            v2=self._leaves(v2),
            lr=lr / self.unit,
            t=t,
            noise=None if noise is None else self._leaves(noise),
        )
        return w - _flat(update), _flat(first), _flat(second)

    def noise_at(self, step: int, *, like: Tensor) -> Tensor:
        """Returns the noise that training sees at `step` (from 1), [numbers], with dtype and device of `like`."""
        return _flat(step_noise(self.shapes, seed=self.seed, step=step, like=like))

    def _leaves(self, flat: Tensor) -> Leaves:
        """Cuts a flat tensor into leaves, only where a function sees them: else the graph has a node per leaf."""
        if self._whole:
            return (flat,)
        sizes = [torch.Size(shape).numel() for shape in self.shapes]
        parts = torch.split(flat, sizes)
        return tuple(part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True))


def _flat(leaves: Leaves) -> Tensor:
    return torch.cat([leaf.reshape(-1) for leaf in leaves])
