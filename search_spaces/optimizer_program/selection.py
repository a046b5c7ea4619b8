"""From values to instructions: which operations one kernel takes together, and which guards are not needed.

Why: a product that is only added to something needs no memory of its own (`addcmul`), nor does a quotient (`addcdiv`),
and the last factor of an update goes into the kernel that moves w. The rule: chosen by the shape of the algebra, never
by names; an operation is taken in only where nobody else reads it.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from search_spaces.optimizer_program.lowering import Values
from search_spaces.optimizer_program.program import W
from search_spaces.optimizer_program.value_graph import HOST
from search_spaces.optimizer_program.vocabulary import TREE

MOVE: Final = -1
"""Target of the last instruction, which moves w."""
WHOLE: Final = frozenset({"dot", "leaf_dot", "row_mean", "col_mean"})
"""Operations that need all of their argument before anything can read the result."""
_TAKEN: Final = {"mul": "addcmul", "square": "addcmul", "div": "addcdiv"}
_WITHOUT_MAGNITUDE: Final = {"sqrt": "root", "log": "ln", "log10": "lg", "log2": "lb"}
_WITHOUT_ZERO: Final = {"div": "quotient", "reciprocal": "inverse"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One kernel.

    Attributes:
        operation: its name.
        target: the node that it computes, or MOVE.
        operands: nodes that it reads as tensors, in the order of the kernel.
        numbers: HOST nodes that it takes as Python floats.
    """

    operation: str
    target: int
    operands: tuple[int, ...]
    numbers: tuple[int, ...] = ()


def select(values: Values) -> list[Instruction]:
    """Returns the instructions that compute new states and the update, in order; moving w is the last one."""
    return _Selection(values).run()


class _Selection:
    def __init__(self, values: Values) -> None:
        self.values, self.graph = values, values.graph
        self.one = self.graph.constant(1.0)
        self.uses = self._count()
        self.taken: set[int] = set()

    def _count(self) -> Counter[int]:
        """How often each live node is read."""
        uses: Counter[int] = Counter()
        pending = [self.values.update[1], *self.values.states.values()]
        while pending:
            node = pending.pop()
            uses[node] += 1
            if uses[node] == 1:
                pending += self.graph.nodes[node][1]
        return uses

    def run(self) -> list[Instruction]:
        last = self._move()
        chosen: list[Instruction] = []
        for node in sorted((*self.uses, *self._copied_update(last)), reverse=True):
            name, arguments = self.graph.nodes[node]
            if node not in self.taken and arguments and self.graph.kinds[node] != HOST:
                chosen.append(self._instruction(node, name, arguments))
        return [*reversed(chosen), last]

    def _move(self) -> Instruction:
        """w + (-factor) update; w itself must not be read by it, because decay comes first."""
        factor, node = self.values.update
        w, minus = self.values.inputs[W], self.graph.host("negative", factor)
        if node == w:
            return Instruction(
                operation="fma", target=MOVE, operands=(w, self.graph.add("copy", (w,), TREE)), numbers=(minus,)
            )
        if w in self.graph.nodes[node][1]:
            return Instruction(operation="fma", target=MOVE, operands=(w, node), numbers=(minus,))
        return self._sum(MOVE, (w, self.one), (node, minus))

    def _copied_update(self, last: Instruction) -> tuple[int, ...]:
        return tuple(node for node in last.operands if node not in self.uses and self.graph.nodes[node][1])

    def _instruction(self, node: int, name: str, arguments: tuple[int, ...]) -> Instruction:
        if name == "linear":
            a, first, b, second = arguments
            return self._sum(node, (a, first), (b, second))
        if name == "add" and any(map(self._may_take, arguments)):
            return self._sum(node, (arguments[0], self.one), (arguments[1], self.one))
        if name == "sub" and self._may_take(arguments[1]):
            return self._sum(node, (arguments[0], self.one), (arguments[1], self.graph.constant(-1.0)))
        if name == "lerp":
            start, end, share = arguments
            if self._may_take(start) or self._may_take(end):
                return self._sum(node, (start, self.graph.host("sub", self.one, share)), (end, share))
            return Instruction(operation=name, target=node, operands=(start, end), numbers=(share,))
        if name == "affine":
            a, factor, added = arguments
            return Instruction(operation=name, target=node, operands=(added, a), numbers=(factor,))
        if self.graph.kinds[node] == TREE:
            name = self._variant(name, arguments)
        return Instruction(operation=name, target=node, operands=arguments)

    def _variant(self, name: str, arguments: tuple[int, ...]) -> str:
        """The cheapest form of an operation for what is known of its arguments."""
        nonnegative = arguments[-1] in self.graph.nonnegative
        if name in _WITHOUT_MAGNITUDE and nonnegative:
            return _WITHOUT_MAGNITUDE[name]
        if name in _WITHOUT_ZERO and arguments[-1] in self.graph.positive:
            return _WITHOUT_ZERO[name]
        if name == "reciprocal" or (name == "div" and arguments[0] in self.graph.finite):
            finite = {"reciprocal": "reciprocal", "div": "div_finite"}[name]
            return f"{name}_nonnegative" if nonnegative else finite
        return name

    def _may_take(self, node: int) -> bool:
        """Whether a product or a safe quotient of two trees has one reader."""
        name, arguments = self.graph.nodes[node]
        if name not in _TAKEN or self.uses[node] != 1 or any(self.graph.kinds[one] != TREE for one in arguments):
            return False
        return name != "div" or arguments[1] in self.graph.positive

    def _sum(self, target: int, kept: tuple[int, int], added: tuple[int, int]) -> Instruction:
        """kept + added, each (node, factor): the kept one is multiplied first unless its factor is 1."""
        movable = target != MOVE
        if movable and not self._may_take(added[0]) and (self._may_take(kept[0]) or added[1] == self.one):
            kept, added = added, kept
        operation = "fma"
        operands: tuple[int, ...] = (added[0],)
        if self._may_take(added[0]):
            name, arguments = self.graph.nodes[added[0]]
            self.taken.add(added[0])
            operation, operands = _TAKEN[name], arguments if len(arguments) == 2 else (*arguments, *arguments)
        if kept[1] == self.one:
            return Instruction(operation=operation, target=target, operands=(kept[0], *operands), numbers=(added[1],))
        return Instruction(
            operation=f"scaled_{operation}", target=target, operands=(kept[0], kept[1], *operands), numbers=(added[1],)
        )
