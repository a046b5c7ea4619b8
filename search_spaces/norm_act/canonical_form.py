"""Canonical form of norm-act graphs: equal forms are equal functions, whatever the numbering, order or dead weight.

Why: most random graphs are another graph in disguise; a form costs microseconds where a training costs minutes, and the
short graph it gives is what is built, drawn and printed. The technique is hash-consing: every distinct node is stored
once, so common subexpressions merge by themselves and a graph's form is one table look-up per node.
The rule: a rewrite is used only if it is exact for every finite float32 input with |x| <= 1e6 and |v0|, |v1| <= 1e3
(a product with zero is zero only where the other factor cannot overflow).
"""

import hashlib
import math

from search_spaces.norm_act.graph import FIRST, INPUT, V0, V1, ZERO, Node, Nodes, live, node
from search_spaces.norm_act.operators import COMMUTATIVE

BATCH, GROUP, CHANNEL, POSITION = 1, 2, 4, 8
"""Axes along which a value varies, as bits; channels are split into (group, channel within the group)."""

EVERYWHERE = BATCH | GROUP | CHANNEL | POSITION

REDUCED = {"wh": POSITION, "whcg": CHANNEL | POSITION, "whc": GROUP | CHANNEL | POSITION, "bwh": BATCH | POSITION}
"""Index set -> the axes that its moments remove; the first of equals is the canonical one."""

FLOAT32_MAX = 3e38
_DIVISION_GAIN = 1e5
_SUM_HEADROOM = 1e8
_ODD = frozenset({"tanh", "log", "sqrt"})
_EVEN = frozenset({"abs", "square"})
_KEEPS_ZERO = frozenset({"neg", "tanh", "log", "abs", "square", "sqrt"})


class FormTable:
    """Hash-consed nodes; equal ids are equal forms within the life of one table.

    Ids depend on what the table has seen before, digests do not: what leaves this class is a digest or a tuple form.

    Attributes:
        operators: of each stored node; "" for the four given values.
        arguments: ids that each stored node reads.
        axes: bits of the axes along which each value varies.
        digests: of each node's structure, the same in every process.
    """

    def __init__(self) -> None:
        self.operators = [""] * FIRST
        self.arguments: list[tuple[int, ...]] = [()] * FIRST
        self.axes = [EVERYWHERE, 0, GROUP | CHANNEL, GROUP | CHANNEL]
        self.digests = [hashlib.blake2b(bytes([given]), digest_size=16).digest() for given in range(FIRST)]
        self._table: dict[tuple[str, int] | tuple[str, int, int], int] = {}
        self._bounds = [1e6, 0.0, 1e3, 1e3]
        self._nonnegative = [False, True, False, False]
        self._one = FIRST
        self._one = self.add("exp", ZERO)

    def __len__(self) -> int:
        return len(self._table)

    def root(self, nodes: Nodes) -> int:
        """Returns the id of a graph's output."""
        alive, ids = live(nodes), [INPUT, ZERO, V0, V1]
        get = self._table.get
        for place, part in enumerate(nodes, FIRST):
            if not alive[place]:
                ids.append(-1)
                continue
            if len(part) == 3:
                key: tuple[str, int] | tuple[str, int, int] = (part[0], ids[part[1]], ids[part[2]])
            else:
                key = (part[0], ids[part[1]])
            found = get(key)
            ids.append(self.add(*key) if found is None else found)
        return ids[-1]

    def add(self, operator: str, *arguments: int) -> int:
        """Returns the id of a node, storing it if it is new and no rewrite applies."""
        key = node(operator, *arguments)
        found = self._table.get(key)
        if found is None:
            if operator in COMMUTATIVE and self.digests[arguments[1]] < self.digests[arguments[0]]:
                found = self.add(operator, arguments[1], arguments[0])
            else:
                found = self._rewrite(operator, arguments)
            self._table[key] = found = self._store(operator, arguments) if found is None else found
        return found

    def nodes(self, root: int) -> Nodes:
        """Returns the tuple form of a stored node; a given value v is written as v + 0."""
        if root < FIRST:
            return (("add", root, ZERO),)
        place: dict[int, int] = {given: given for given in range(FIRST)}
        listed: list[Node] = []
        for stored in self.order(root):
            place[stored] = FIRST + len(listed)
            listed.append(node(self.operators[stored], *(place[argument] for argument in self.arguments[stored])))
        return tuple(listed)

    def order(self, root: int) -> list[int]:
        """Returns the stored nodes that `root` needs, each after its arguments, `root` last."""
        ordered: dict[int, None] = {}
        waiting = [(root, False)]
        while waiting:
            stored, ready = waiting.pop()
            if stored < FIRST or stored in ordered:
                continue
            if ready:
                ordered[stored] = None
            else:
                waiting.append((stored, True))
                waiting.extend((argument, False) for argument in reversed(self.arguments[stored]))
        return list(ordered)

    def _store(self, operator: str, arguments: tuple[int, ...]) -> int:
        text = operator.encode() + b"".join(self.digests[argument] for argument in arguments)
        self.digests.append(hashlib.blake2b(text, digest_size=16).digest())
        self.axes.append(self._axes_of(operator, arguments))
        self._bounds.append(_bound(operator, [self._bounds[argument] for argument in arguments]))
        self._nonnegative.append(self._is_nonnegative(operator, arguments))
        self.operators.append(operator)
        self.arguments.append(arguments)
        return len(self.operators) - 1

    def _axes_of(self, operator: str, arguments: tuple[int, ...]) -> int:
        axes = 0
        for argument in arguments:
            axes |= self.axes[argument]
        _, _, index_set = operator.partition("_")
        return axes & ~REDUCED[index_set] if index_set else axes

    def _is_nonnegative(self, operator: str, arguments: tuple[int, ...]) -> bool:
        known = [self._nonnegative[argument] for argument in arguments]
        if operator in ("abs", "square", "exp", "sigmoid") or operator.startswith(("rms", "std")):
            return True
        if operator == "max":
            return any(known)
        return operator not in ("neg", "log") and all(known)

    def _tame(self, value: int) -> bool:
        return self._bounds[value] < FLOAT32_MAX

    def _negated(self, value: int) -> int | None:
        return self.arguments[value][0] if self.operators[value] == "neg" else None

    def _rewrite(self, operator: str, arguments: tuple[int, ...]) -> int | None:
        """Returns the id of an exactly equal, simpler node, or None."""
        if "_" in operator:
            return self._rewrite_moment(operator, arguments[0])
        if len(arguments) == 1:
            return self._rewrite_unary(operator, arguments[0])
        match operator:
            case "add":
                return self._rewrite_add(*arguments)
            case "mul":
                return self._rewrite_mul(*arguments)
            case "div":
                return self._rewrite_div(*arguments)
            case _:
                return self._rewrite_max(*arguments)

    def _rewrite_unary(self, operator: str, value: int) -> int | None:
        if value == ZERO and operator in _KEEPS_ZERO:
            return ZERO
        if operator == "abs" and self._nonnegative[value]:
            return value
        if value == self._one and operator in ("square", "sqrt"):
            return value
        if operator == "square" and self.operators[value] == "abs":
            return self.add("square", *self.arguments[value])
        inner = self._negated(value)
        if inner is None:
            return None
        if operator == "neg":
            return inner
        if operator in _EVEN:
            return self.add(operator, inner)
        return self.add("neg", self.add(operator, inner)) if operator in _ODD else None

    def _rewrite_add(self, first: int, second: int) -> int | None:
        if ZERO in (first, second):
            return second if first == ZERO else first
        one, other = self._negated(first), self._negated(second)
        if (one == second or other == first) and self._tame(first):
            return ZERO
        if one is not None and other is not None:
            return self.add("neg", self.add("add", one, other))
        return None

    def _rewrite_mul(self, first: int, second: int) -> int | None:
        for value, factor in ((first, second), (second, first)):
            if factor == ZERO and self._tame(value):
                return ZERO
            if factor == self._one:
                return value
            inner = self._negated(factor)
            if inner is not None:
                return self.add("neg", self.add("mul", value, inner))
        return self.add("square", first) if first == second else None

    def _rewrite_div(self, first: int, second: int) -> int | None:
        if first == ZERO and self._tame(second):
            return ZERO
        if second == self._one:
            return first
        inner = self._negated(first)
        return None if inner is None else self.add("neg", self.add("div", inner, second))

    def _rewrite_max(self, first: int, second: int) -> int | None:
        if first == second:
            return first
        if self._negated(first) == second or self._negated(second) == first:
            return self.add("abs", first)
        for value, other in ((first, second), (second, first)):
            if other == ZERO and self._nonnegative[value]:
                return value
            if self.operators[other] == "max" and value in self.arguments[other]:
                return other
        return None

    def _rewrite_moment(self, operator: str, value: int) -> int | None:
        kind, _, index_set = operator.partition("_")
        removed = self.axes[value] & REDUCED[index_set]
        if kind == "mean" and not removed:
            return value
        if value != ZERO and (kind == "std" and not removed):
            return self.add("std_wh", ZERO)
        if value == ZERO and operator != "std_wh":
            return self.add("std_wh", ZERO)
        canonical = next(name for name, axes in REDUCED.items() if self.axes[value] & axes == removed)
        if canonical != index_set:
            return self.add(f"{kind}_{canonical}", value)
        inner = self._negated(value)
        if inner is not None:
            return self.add("neg", self.add(operator, inner)) if kind == "mean" else self.add(operator, inner)
        if kind == "rms" and self.operators[value] == "abs":
            return self.add(operator, *self.arguments[value])
        return None


def simplify(nodes: Nodes) -> Nodes:
    """Returns the canonical short graph: live nodes only, each once, exact rewrites applied.

    Args:
        nodes: at least one node.

    Returns:
        A graph of the same function, equal for all graphs of the same form; `simplify` of it is itself.
    """
    table = FormTable()
    return table.nodes(table.root(nodes))


def _bound(operator: str, bounds: list[float]) -> float:
    """Returns an upper bound of a node's magnitude, infinity where it may overflow on the way."""
    first, last = bounds[0], bounds[-1]
    kind, _, index_set = operator.partition("_")
    if index_set:
        grows = first * _SUM_HEADROOM if kind == "mean" else first * first * _SUM_HEADROOM
        return 2.0 * first + 1.0 if grows < FLOAT32_MAX else math.inf
    match operator:
        case "sigmoid" | "tanh":
            return 1.0
        case "add":
            return first + last
        case "mul" | "square":
            product = first * last
            return math.inf if math.isnan(product) else product
        case "div":
            return first * _DIVISION_GAIN
        case "exp":
            return math.exp(first) if first < 80.0 else math.inf
        case "log":
            return max(12.0, math.log(max(first, 1.0)))
        case "sqrt":
            return math.sqrt(first) + 1.0
        case _:
            return max(first, last)
