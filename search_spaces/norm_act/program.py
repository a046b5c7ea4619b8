"""A plan bound to registers and buffers, and the loop that runs it.

Why: the cost of interpreting is one Python call per kernel, a few microseconds against tens or hundreds for the kernel,
so generated source would gain nothing and would need exec. The rule: full-size targets are written into a few reused
buffers of one block each, assigned here once by last use; small values simply live in their register.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from search_spaces.norm_act.expressions import Expressions
from search_spaces.norm_act.kernels import Kernel
from search_spaces.norm_act.schedule import Phase, Plan, Planner, Step

Registers: TypeAlias = list[Any]
Call: TypeAlias = Callable[[Registers], None]

_TENSOR_OPERANDS = frozenset({"maximum", "twice_won"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """One phase as calls.

    Attributes:
        once: calls on values without a sample axis.
        per_block: calls of the loop.
        loads: (value, register) taken block by block before each turn.
        stores: (register, value) kept from each turn.
    """

    once: tuple[Call, ...]
    per_block: tuple[Call, ...]
    loads: tuple[tuple[int, int], ...]
    stores: tuple[tuple[int, int], ...]


class Program:
    """Computes one full-size output and small results from given values.

    Attributes:
        buffers: number of block-size buffers it needs.
    """

    def __init__(
        self,
        expressions: Expressions,
        *,
        known: Iterable[int],
        output: int,
        results: Sequence[int],
        full: Mapping[str, Kernel],
        small: Mapping[str, Callable[..., Tensor]],
    ) -> None:
        self._e, self._full, self._small = expressions, full, small
        self._known, self._output, self._results = tuple(known), output, tuple(results)
        self._writes_output = expressions.full(output)
        planner = Planner(expressions, self._known, full)
        listed = self._results if self._writes_output else (*self._results, output)
        self._plan: Plan = planner.plan(output if self._writes_output else None, listed)
        self._count = len(expressions.table)
        self._registers: dict[object, int] = {}
        self._constants: dict[int, float] = {}
        self._tensors: dict[int, float] = {}
        self.buffers = 0
        self._phases = tuple(self._bind(phase) for phase in self._plan.phases)

    def run(self, given: Mapping[int, Tensor], like: Tensor, *, samples_per_block: int) -> tuple[Tensor, list[Tensor]]:
        """Runs the program.

        Args:
            given: number -> tensor of the known values; [samples or 1, channels or 1, positions or 1].
            like: [samples, channels, positions], gives shape, type and device of the output.
            samples_per_block: >= 1.

        Returns:
            The output, [samples, channels, positions] (or of size 1 along axes on which it does not vary), and the
            small results in order.
        """
        registers = self._fresh(given, like)
        varying = {n: tensor for n, tensor in given.items() if "n" in self._e.axes(n)}
        blocks: dict[int, Sequence[Tensor]] = {n: _split(t, samples_per_block) for n, t in varying.items()}
        whole = {n: torch.empty_like(like) for n in self._plan.kept}
        out = torch.empty_like(like) if self._writes_output else None
        if out is not None:
            whole[-1] = out
        blocks |= {n: _split(buffer, samples_per_block) for n, buffer in whole.items()}
        scratch = like.new_empty((self.buffers, min(samples_per_block, like.shape[0]), *like.shape[1:])).unbind(0)
        sizes = [block.shape[0] for block in _split(like, samples_per_block)]
        for phase in self._phases:
            for call in phase.once:
                call(registers)
            self._loop(phase, registers, blocks=blocks, scratch=scratch, sizes=sizes)
        output = out if out is not None else self._result(self._output, registers, given=given, like=like)
        return output, [self._result(number, registers, given=given, like=like) for number in self._results]

    def _loop(
        self,
        phase: _Bound,
        registers: Registers,
        *,
        blocks: dict[int, Sequence[Tensor]],
        scratch: Sequence[Tensor],
        sizes: list[int],
    ) -> None:
        if not phase.per_block:
            return
        stored: dict[int, list[Tensor]] = {number: [] for _, number in phase.stores}
        for turn, size in enumerate(sizes):
            for number, register in phase.loads:
                registers[register] = blocks[number][turn].contiguous()
            if turn == 0 or size != sizes[turn - 1]:
                for index, buffer in enumerate(scratch):
                    registers[self._register(("buffer", index))] = buffer[:size]
            for call in phase.per_block:
                call(registers)
            for register, number in phase.stores:
                stored[number].append(registers[register])
        blocks.update(stored)
        for number in self._plan.joined & stored.keys():
            pieces = stored[number]
            registers[self._register(("whole", number))] = pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _fresh(self, given: Mapping[int, Tensor], like: Tensor) -> Registers:
        registers: Registers = [None] * len(self._registers)
        for register, value in self._constants.items():
            registers[register] = value
        for register, value in self._tensors.items():
            registers[register] = like.new_full((1, 1, 1), value)
        for number, tensor in given.items():
            for key in (number, ("whole", number)):
                if key in self._registers:
                    registers[self._registers[key]] = tensor
        return registers

    def _result(self, number: int, registers: Registers, *, given: Mapping[int, Tensor], like: Tensor) -> Tensor:
        value = self._e.value(number)
        if value is not None:
            return like.new_full((1, 1, 1), value)
        if number in given:
            return given[number]
        key: object = ("whole", number) if "n" in self._e.axes(number) else number
        found: Tensor = registers[self._registers[key]]
        return found

    def _register(self, key: object) -> int:
        return self._registers.setdefault(key, len(self._registers))

    def _bind(self, phase: Phase) -> _Bound:
        once = tuple(self._small_call(step, joined=step.op == "sum_n") for step in phase.once)
        per_block = self._assign_buffers(phase)
        loads = [(number, self._register(number)) for number in sorted(phase.reads)]
        if phase.output:
            loads.append((-1, self._register("output")))
        made = {step.target for step in phase.per_block}
        loads += [(number, self._register(number)) for number in sorted(self._plan.kept & made)]
        keep = sorted((self._plan.joined | self._plan.passed) & made)
        for number in sorted(self._plan.joined & made):
            self._register(("whole", number))
        return _Bound(
            once=once,
            per_block=per_block,
            loads=tuple(loads),
            stores=tuple((self._register(number), number) for number in keep),
        )

    def _assign_buffers(self, phase: Phase) -> tuple[Call, ...]:
        """Gives every full-size target a buffer: the output, a kept value's own, one it reads last, or a free one."""
        steps = phase.per_block
        last = {argument: turn for turn, step in enumerate(steps) for argument in step.arguments}
        place: dict[int, int] = dict.fromkeys(phase.output, self._register("output"))
        free: list[int] = []
        used = 0
        calls: list[Call] = []
        owned: dict[int, int] = {}
        for turn, step in enumerate(steps):
            dying = [a for a in dict.fromkeys(step.arguments) if a in owned and last[a] == turn]
            if not step.full:
                calls.append(self._small_call(step, place=place))
                free += [owned.pop(a) for a in dying]
                continue
            released = [owned.pop(a) for a in dying]
            if step.target not in place and step.target not in self._plan.kept:
                if not released and not free:
                    released.append(self._register(("buffer", used)))
                    used += 1
                place[step.target] = owned[step.target] = released.pop() if released else free.pop()
            free += released
            calls.append(self._full_call(step, place))
        self.buffers = max(self.buffers, used)
        return tuple(calls)

    def _full_call(self, step: Step, place: Mapping[int, int]) -> Call:
        write, out = self._full[step.op].write, place.get(step.target, self._register(step.target))
        arguments = [self._operand(a, op=step.op, place=place) for a in step.arguments]
        match arguments:
            case [a]:
                return lambda r: write(r[out], r[a])
            case [a, b]:
                return lambda r: write(r[out], r[a], r[b])
        a, b, c = arguments
        return lambda r: write(r[out], r[a], r[b], r[c])

    def _small_call(self, step: Step, *, place: Mapping[int, int] | None = None, joined: bool = False) -> Call:
        make, target = self._small[step.op], self._register(step.target)
        arguments = [self._operand(a, op=step.op, place=place or {}) for a in step.arguments]
        if joined:
            arguments = [self._register(("whole", step.arguments[0]))]
        if len(arguments) == 1:
            only = arguments[0]

            def call_one(r: Registers) -> None:
                r[target] = make(r[only])

            return call_one
        first, second = arguments

        def call_two(r: Registers) -> None:
            r[target] = make(r[first], r[second])

        return call_two

    def _operand(self, number: int, *, op: str, place: Mapping[int, int]) -> int:
        value = self._e.value(number) if number >= 0 else None
        if value is None:
            return place[number] if number in place else self._register(number)
        key = ("tensor", number) if op in _TENSOR_OPERANDS else number
        register = self._register(key)
        (self._tensors if op in _TENSOR_OPERANDS else self._constants)[register] = value
        return register


def _split(tensor: Tensor, size: int) -> tuple[Tensor, ...]:
    blocks: tuple[Tensor, ...] = tensor.split(size)  # type: ignore[no-untyped-call]
    return blocks
