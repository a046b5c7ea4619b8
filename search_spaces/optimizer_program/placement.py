"""In which pass over memory each instruction runs, and in which buffer each value lies.

Why: a pass goes block by block, so that what lies between two instructions stays in the cache and needs one block of
memory, not one buffer; only a reduction (a norm, a mean) ends a pass. The rule: instructions run as late as their
readers allow, so that few values have to outlive a pass; w, g and a state that is still needed are never written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from search_spaces.optimizer_program.kernels import FIRST_FREE, rewritable
from search_spaces.optimizer_program.lowering import Values
from search_spaces.optimizer_program.program import W
from search_spaces.optimizer_program.selection import MOVE, WHOLE, Instruction
from search_spaces.optimizer_program.vocabulary import TREE

SMALL, SPREAD, BLOCK, REDUCE = range(4)
"""What instructions are, in the order in which a pass runs them; only BLOCK goes block by block."""

NOISE: Final = ("randn", ())
"""The node of the noise, which is there from the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass over memory: what runs before, per block, and after."""

    before: tuple[Instruction, ...]
    blocks: tuple[Instruction, ...]
    after: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A program with passes and buffers.

    Attributes:
        passes: in order.
        slots: node -> slot of its tensor.
        block_slots: slots that hold one block at a time.
        whole_slots: slots that hold a number per parameter.
        small: nodes that are numbers, one or one per leaf, each with a slot of its own.
        stores: (slot of a state, slot of its new value) to be copied at the end.
        slot_count: slots in all.
    """

    passes: tuple[Pass, ...]
    slots: dict[int, int]
    block_slots: tuple[int, ...]
    whole_slots: tuple[int, ...]
    small: tuple[int, ...]
    stores: tuple[tuple[int, int], ...]
    slot_count: int


def place(values: Values, chosen: Sequence[Instruction]) -> Placement:
    """Returns passes and buffers for instructions in an order that computes arguments first."""
    kinds = [_kind(values, one) for one in chosen]
    numbers = _pass_numbers(chosen, kinds)
    order = sorted(range(len(chosen)), key=lambda one: (numbers[one], kinds[one], one))
    ordered = [(chosen[one], kinds[one], numbers[one]) for one in order]
    buffers = _Buffers(values, ordered)
    buffers.assign()
    passes = []
    for number in range(ordered[-1][2] + 1):
        inside = [(one, kind) for one, kind, where in ordered if where == number]
        passes.append(
            Pass(
                before=tuple(one for one, kind in inside if kind < BLOCK),
                blocks=tuple(one for one, kind in inside if kind == BLOCK),
                after=tuple(one for one, kind in inside if kind == REDUCE),
            )
        )
    return Placement(
        passes=tuple(passes),
        slots=buffers.slots,
        block_slots=tuple(buffers.block_slots),
        whole_slots=tuple(buffers.whole_slots),
        small=tuple(buffers.small),
        stores=tuple(buffers.stores()),
        slot_count=buffers.next_slot,
    )


def _kind(values: Values, instruction: Instruction) -> int:
    if instruction.operation in WHOLE:
        return REDUCE
    if instruction.operation == "spread":
        return SPREAD
    tree = instruction.target == MOVE or values.graph.kinds[instruction.target] == TREE
    return BLOCK if tree else SMALL


def _pass_numbers(chosen: Sequence[Instruction], kinds: Sequence[int]) -> list[int]:
    """The pass of each instruction: reductions and numbers as early as can be, blocks as late as can be."""
    ready: dict[int, int] = {}
    numbers = []
    for one, kind in zip(chosen, kinds, strict=True):
        numbers.append(max((ready.get(operand, 0) for operand in one.operands), default=0))
        ready[one.target] = numbers[-1] + (kind == REDUCE)
    last = max(ready.values())
    needed: dict[int, int] = {}
    for index in reversed(range(len(chosen))):
        if kinds[index] == BLOCK:
            numbers[index] = needed.get(chosen[index].target, last)
        for operand in chosen[index].operands:
            needed[operand] = min(needed.get(operand, last), numbers[index])
    return numbers


@dataclass(slots=True)
class _Buffers:
    """Gives slots to nodes, one instruction after the other, and takes them back after the last reader."""

    values: Values
    ordered: Sequence[tuple[Instruction, int, int]]
    slots: dict[int, int] = field(init=False)
    block_slots: list[int] = field(default_factory=list, init=False)
    whole_slots: list[int] = field(default_factory=list, init=False)
    small: list[int] = field(default_factory=list, init=False)
    next_slot: int = field(default=FIRST_FREE, init=False)
    _free: dict[bool, list[int]] = field(init=False)
    _last: dict[int, int] = field(default_factory=dict, init=False)
    _whole: set[int] = field(default_factory=set, init=False)
    _direct: dict[int, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.slots = {node: variable for variable, node in self.values.inputs.items()}
        self._free = {False: [], True: []}
        self._read()
        for node in self._last:
            if node not in self.slots and self.values.graph.nodes[node] == NOISE:
                self.slots[node] = self._take(whole=True)

    def _read(self) -> None:
        """Notes the last reader of each node, and which nodes outlive a pass or are made or read as a whole."""
        made: dict[int, tuple[int, int]] = {}
        kinds = self.values.graph.kinds
        for position, (one, kind, number) in enumerate(self.ordered):
            for operand in one.operands:
                self._last[operand] = position
                if kinds[operand] == TREE and (kind != BLOCK or made.get(operand, (-1, BLOCK)) != (number, BLOCK)):
                    self._whole.add(operand)
            made[one.target] = (number, kind)
            if kind != BLOCK:
                self._whole.add(one.target)
        for node in self.values.states.values():
            self._last[node] = len(self.ordered)
            self._whole.add(node)

    def assign(self) -> None:
        """Gives every node a slot."""
        for position, (one, kind, _) in enumerate(self.ordered):
            self._give_small(one)
            gone = {operand for operand in one.operands if self._last[operand] == position}
            reusable = gone - _untouchable(one) if kind == BLOCK else set()
            self._release(reusable)
            if one.target == MOVE:
                self.slots[MOVE] = W
            elif self.values.graph.kinds[one.target] == TREE:
                self.slots[one.target] = self._state_slot(one.target, position, reusable)
            self._release(gone - reusable)

    def stores(self) -> list[tuple[int, int]]:
        """What is left to copy: new states that could not be written where they belong."""
        wanted = [(state, self.slots[node]) for state, node in self.values.states.items()]
        return [(state, slot) for state, slot in wanted if state != slot]

    def _give_small(self, one: Instruction) -> None:
        kinds = self.values.graph.kinds
        for node in (*one.operands, *(() if one.target == MOVE else (one.target,))):
            if kinds[node] != TREE and node not in self.slots:
                self.small.append(node)
                self.slots[node] = self._new()

    def _state_slot(self, node: int, position: int, reusable: set[int]) -> int:
        for state, wanted in self.values.states.items():
            old = self.values.inputs[state]
            last = self._last.get(old, -1)
            if wanted == node and (last < position or (last == position and old in reusable)):
                return state
        return self._take(whole=node in self._whole)

    def _take(self, *, whole: bool) -> int:
        if self._free[whole]:
            return self._free[whole].pop()
        slot = self._new()
        (self.whole_slots if whole else self.block_slots).append(slot)
        return slot

    def _release(self, nodes: set[int]) -> None:
        for node in sorted(nodes):
            slot = self.slots[node]
            for whole, owned in ((False, self.block_slots), (True, self.whole_slots)):
                if slot in owned:
                    self._free[whole].append(slot)

    def _new(self) -> int:
        self.next_slot += 1
        return self.next_slot - 1


def _untouchable(one: Instruction) -> set[int]:
    """The operands whose memory the result must not take; one may stand in several places."""
    allowed = rewritable(one.operation, len(one.operands))
    return {operand for index, operand in enumerate(one.operands) if index not in allowed}
