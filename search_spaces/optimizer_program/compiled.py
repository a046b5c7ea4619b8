"""A program compiled for given tensors: a few passes of fused kernels that update w, v1 and v2 in place.

Why: the interpreter makes one tensor per statement and parameter; here numbers known to Python are folded into the
kernels, memory is taken once, and passes go block by block through the cache. The rule: v1 and v2 are zero before the
first step and afterwards what the last step left (signs are inferred from that); where the reference overflows to
infinity, NaN may stand instead.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from search_spaces.optimizer_program import kernels
from search_spaces.optimizer_program.host_numbers import evaluate
from search_spaces.optimizer_program.kernels import Kernel
from search_spaces.optimizer_program.layout import Layout, Parts, Shape, inner, leaf_inner, means, spread
from search_spaces.optimizer_program.lowering import STATES, Values, lower
from search_spaces.optimizer_program.placement import NOISE, Pass, Placement, place
from search_spaces.optimizer_program.program import V1, V2, G, Program, W
from search_spaces.optimizer_program.reference import ELEMENTWISE, divide, step_noise
from search_spaces.optimizer_program.selection import MOVE, Instruction, select
from search_spaces.optimizer_program.value_graph import HOST
from search_spaces.optimizer_program.workspace import take_memory

WholeKernel: TypeAlias = Callable[[], object]
"""Reads and writes small numbers and whole buffers of one workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _CompiledPass:
    before: tuple[WholeKernel, ...]
    blocks: tuple[Kernel, ...]
    undecayed: tuple[Kernel, ...]
    after: tuple[WholeKernel, ...]


class CompiledProgram:
    """One step of a program, in place, on tensors of one layout. Not to be shared between threads.

    Attributes:
        layout: leaves in parts.
        reads: those of V1 and V2 that the program reads or writes; the others may be any tensors.
        writes: those of V1 and V2 that it writes.
        uses_noise: whether it asks for `randn`.
    """

    def __init__(self, program: Program, layout: Layout, *, like: Tensor, seed: int) -> None:
        """Compiles a valid program for tensors of the dtype and device of `like`; see `compile_program`."""
        values = lower(program)
        chosen = select(values)
        placed = place(values, chosen)
        read = {operand for one in chosen for operand in one.operands}
        self.layout, self._seed, self._like = layout, seed, like
        self.writes = frozenset(values.states)
        self.reads = self.writes | {state for state in STATES if values.inputs[state] in read}
        self._kept: list[float] = []
        self._space = take_memory(placed, values, chosen, layout, like=like)
        self._noise = next((slot for node, slot in placed.slots.items() if _is_noise(values, node)), None)
        self.uses_noise = self._noise is not None
        self._host = _HostNumbers(values, chosen, placed, small=self._space.small, limit=torch.finfo(like.dtype).max)
        self._passes = [self._compiled(one, placed, last=one is placed.passes[-1]) for one in placed.passes]

    def step(self, w: Tensor, g: Tensor, v1: Tensor, v2: Tensor, *, lr: float, t: int) -> None:
        """Does one step in place.

        Args:
            w: parameters, [numbers], contiguous; changed.
            g: gradients, [numbers]; never changed.
            v1: first state, [numbers]; changed.
            v2: second state, [numbers]; changed.
            lr: as the program sees it.
            t: from 1.
        """
        for slot, flat in ((W, w), (G, g), (V1, v1), (V2, v2)):
            self.give(slot, self.layout.cut(flat))
        self.run(lr=lr, t=t)

    def give(self, slot: int, parts: Parts) -> None:
        """Says where w, g, v1 or v2 (W, G, V1, V2) lies, part by part, until the next such call."""
        self._space.give(slot, parts)

    def run(self, *, lr: float, t: int, keep: Sequence[float] = (), noise: Tensor | None = None) -> None:
        """Does one step on the tensors given before.

        Args:
            lr: as the program sees it.
            t: from 1.
            keep: factor on w of each part, for decoupled weight decay: w <- keep w - update; () = 1 everywhere.
            noise: [numbers], what `randn` gives in this step; None = drawn from the seed in the order of the leaves.
        """
        numbers = self._host.update(lr, t)
        decays = [number != 1 for number in keep] or [False] * len(self._space.keeps)
        if keep and keep != self._kept:
            self._kept = list(keep)
            for factor, number in zip(self._space.keeps, keep, strict=True):
                factor.fill_(number)
        if self._noise is not None:
            self._draw(self._noise, t, noise)
        for one in self._passes:
            for before in one.before:
                before()
            for slots, (part, _, _) in zip(self._space.blocks, self._space.bounds, strict=True):
                for kernel in one.blocks if decays[part] else one.undecayed:
                    kernel(slots, numbers)
            for after in one.after:
                after()

    def scratch(self) -> list[Tensor]:
        """Returns the memory that it keeps: temporaries of one block, and buffers that outlive a pass."""
        return self._space.scratch()

    def _draw(self, slot: int, t: int, noise: Tensor | None) -> None:
        if noise is None:
            leaves = step_noise(self.layout.shapes, seed=self._seed, step=t, like=self._like)
            noise = torch.cat([leaf.reshape(-1) for leaf in leaves])
        for target, given in zip(self._space.wholes[slot], self.layout.cut(noise), strict=True):
            target.copy_(given)

    def _compiled(self, one: Pass, placed: Placement, *, last: bool) -> _CompiledPass:
        blocks: list[Kernel] = []
        for instruction in one.blocks:
            if instruction.target == MOVE:
                blocks.append(kernels.decay)
            operands = [placed.slots[operand] for operand in instruction.operands]
            target = placed.slots[instruction.target]
            blocks.append(kernels.build(instruction.operation, target, operands, instruction.numbers))
        if last:
            blocks += [kernels.build("copy", state, [slot], ()) for state, slot in placed.stores]
        return _CompiledPass(
            before=tuple(self._whole_kernel(instruction, placed) for instruction in one.before),
            blocks=tuple(blocks),
            undecayed=tuple(kernel for kernel in blocks if kernel is not kernels.decay),
            after=tuple(self._whole_kernel(instruction, placed) for instruction in one.after),
        )

    def _whole_kernel(self, one: Instruction, placed: Placement) -> WholeKernel:
        """A kernel over whole buffers or small numbers; buffers are looked up when it runs, since they may move."""
        wholes, small, layout = self._space.wholes, self._space.small, self.layout
        target, first, *others = (placed.slots[node] for node in (one.target, *one.operands))
        second = others[0] if others else first
        match one.operation:
            case "dot":
                partial_sums = self._like.new_empty(len(layout.parts))
                return lambda: inner(wholes[first], wholes[second], partial_sums, small[target])
            case "leaf_dot":
                return lambda: leaf_inner(layout, wholes[first], wholes[second], small[target])
            case "row_mean" | "col_mean":
                dim = 1 if one.operation == "row_mean" else 0
                return lambda: means(layout, wholes[first], wholes[target], dim=dim)
            case "spread":
                return lambda: spread(layout, small[first], wholes[target])
        function = _clip_factor if one.operation == "clip_factor" else ELEMENTWISE[one.operation]
        read = [small[slot] for slot in (first, *others)]
        return lambda: small[target].copy_(function(*read))


def compile_program(
    program: Program, shapes: Sequence[Shape], *, dtype: torch.dtype, device: torch.device | str, seed: int = 0
) -> CompiledProgram:
    """Compiles a program for flat tensors.

    Args:
        program: valid; compiled as it stands, so simplify it first where dead states need not be computed.
        shapes: of the parameters, in the order in which they lie in the flat tensors; not all empty.
        dtype: floating type of all tensors.
        device: of all tensors.
        seed: of the noise, if the program asks for any.
    """
    layout = Layout(parts=(tuple(tuple(shape) for shape in shapes),))
    return CompiledProgram(program, layout, like=torch.empty(0, dtype=dtype, device=device), seed=seed)


class _HostNumbers:
    """The numbers that Python computes once per step, and their copies as tensors."""

    def __init__(
        self,
        values: Values,
        chosen: Sequence[Instruction],
        placed: Placement,
        *,
        small: dict[int, Tensor],
        limit: float,
    ) -> None:
        graph, self._limit = values.graph, limit
        self._numbers = [graph.constants.get(node, 0.0) for node in range(len(graph.nodes))]
        mirrored = [node for node in placed.small if graph.kinds[node] == HOST]
        taken = {node for one in chosen for node in one.numbers} | set(mirrored)
        self._steps = [(node, *graph.nodes[node]) for node in _needed(values, taken) if node not in graph.constants]
        self._given = sorted(taken)
        self._mirrors = [(node, small[placed.slots[node]]) for node in mirrored if node not in graph.constants]
        self._confine()
        for node in mirrored:
            small[placed.slots[node]].fill_(self._numbers[node])

    def update(self, lr: float, t: int) -> list[float]:
        """Returns all numbers, by node, for one step."""
        numbers = self._numbers
        for node, name, arguments in self._steps:
            if arguments:
                numbers[node] = evaluate(name, [numbers[one] for one in arguments])
            else:
                numbers[node] = lr if name == "lr" else float(t)
        self._confine()
        for node, mirror in self._mirrors:
            mirror.fill_(numbers[node])
        return numbers

    def _confine(self) -> None:
        """Makes infinite what the type of the tensors cannot hold: torch refuses such numbers."""
        for node in self._given:
            if abs(self._numbers[node]) > self._limit:
                self._numbers[node] = math.copysign(math.inf, self._numbers[node])


def _needed(values: Values, taken: set[int]) -> list[int]:
    needed, pending = set(taken), list(taken)
    while pending:
        for argument in values.graph.nodes[pending.pop()][1]:
            if argument not in needed:
                needed.add(argument)
                pending.append(argument)
    return sorted(needed)


def _is_noise(values: Values, node: int) -> bool:
    return node >= 0 and values.graph.nodes[node] == NOISE


def _clip_factor(length: Tensor, limit: Tensor) -> Tensor:
    """What shortens a length to a limit: their ratio where it is longer, 1 elsewhere."""
    return torch.where(length > limit, divide(limit, length), torch.ones_like(length))
