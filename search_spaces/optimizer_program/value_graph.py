"""The values of a program as a graph in which equal values are one node, and what is known of them: sign, finiteness.

Why: fusing, ordering and placing are decided on values, not on variables that are overwritten. The rule: nodes are
numbered so that arguments come first; a node is added once, whoever asks for it.
"""

import math
from typing import Final

from search_spaces.optimizer_program.host_numbers import evaluate

HOST: Final = -1
"""Kind of a number that depends on constants, the learning rate and the step only; computed in Python."""
SMALLEST_GUARD: Final = 1e-30
"""A smaller constant added to a divisor may vanish in float32, so it proves nothing."""
_NEVER_NEGATIVE: Final = frozenset({
    "square", "sqrt", "abs", "cosh", "exp", "exp2", "exp10", "arccosh", "arccos",
})  # fmt: skip
_KEEPS_SIGN: Final = frozenset({
    "mul", "add", "div", "minimum", "row_mean", "col_mean", "reciprocal", "cube", "cbrt", "sinh", "tanh", "sign",
    "arctan", "arcsinh", "expm1", "scale", "spread", "sdiv", "linear", "shift", "affine", "copy",
})  # fmt: skip
"""Not negative where no argument is."""
_MAY_LEAVE_NUMBERS: Final = frozenset({
    "log", "log10", "log2", "log1p", "exp", "exp2", "exp10", "expm1", "sinh", "cosh", "arcsin", "arccos", "arccosh",
    "arctanh", "power",
})  # fmt: skip
"""Give infinity or NaN for ordinary finite arguments."""


class ValueGraph:
    """Nodes (operation, arguments), their kinds and signs.

    Attributes:
        nodes: operation and argument nodes of each.
        kinds: HOST, SCALAR, LEAVES or TREE.
        constants: node -> value, for nodes that are constants.
        nonnegative: nodes that are never below 0.
        positive: nodes that are always above 0 by more than rounding can take away.
        finite: nodes that are finite unless something as large as the largest number overflows.
    """

    def __init__(self) -> None:
        self.nodes: list[tuple[str, tuple[int, ...]]] = []
        self.kinds: list[int] = []
        self.constants: dict[int, float] = {}
        self.nonnegative: set[int] = set()
        self.positive: set[int] = set()
        self.finite: set[int] = set()
        self._known: dict[tuple[str, tuple[int, ...]] | tuple[str, str], int] = {}

    def source(self, name: str, kind: int) -> int:
        """Adds an input; `t` counts from 1."""
        node = self._add((name, ()), kind)
        if name == "t":
            self.nonnegative.add(node)
            self.positive.add(node)
        return node

    def constant(self, value: float) -> int:
        """Adds a number."""
        key = ("constant", value.hex())
        if key not in self._known:
            node = self._known[key] = self._append("constant", (), HOST)
            self.constants[node] = value
            self._note_facts(node)
        return self._known[key]

    def host(self, name: str, *arguments: int) -> int:
        """Adds a function of HOST nodes; one of constants only is computed now."""
        if all(argument in self.constants for argument in arguments):
            return self.constant(evaluate(name, [self.constants[argument] for argument in arguments]))
        if name == "mul":
            first, second = arguments
            for one, other in ((first, second), (second, first)):
                if self.constants.get(one) == 1.0:
                    return other
        return self.add(name, arguments, HOST)

    def add(self, name: str, arguments: tuple[int, ...], kind: int) -> int:
        """Adds an operation on nodes that exist."""
        return self._add((name, arguments), kind)

    def is_one(self, node: int) -> bool:
        """Whether a node is the constant 1."""
        return self.constants.get(node) == 1.0

    def _add(self, key: tuple[str, tuple[int, ...]], kind: int) -> int:
        if key not in self._known:
            self._known[key] = self._append(*key, kind)
            self._note_facts(self._known[key])
        return self._known[key]

    def _append(self, name: str, arguments: tuple[int, ...], kind: int) -> int:
        self.nodes.append((name, arguments))
        self.kinds.append(kind)
        return len(self.nodes) - 1

    def _note_facts(self, node: int) -> None:
        if self._is_finite(node):
            self.finite.add(node)
        if self._is_positive(node):
            self.positive.add(node)
        if node in self.positive or self._is_nonnegative(node):
            self.nonnegative.add(node)

    def _is_finite(self, node: int) -> bool:
        name, arguments = self.nodes[node]
        if name == "constant":
            return math.isfinite(self.constants[node])
        if name == "power" and arguments[0] not in self.positive:
            return False
        ordinary = name == "power" or name not in _MAY_LEAVE_NUMBERS
        return ordinary and all(one in self.finite for one in arguments)

    def _is_nonnegative(self, node: int) -> bool:
        (name, arguments), fine = self.nodes[node], self.nonnegative
        if name == "constant":
            return self.constants[node] >= 0
        if name == "lerp":
            return all(one in fine for one in arguments[:2]) and 0 <= self.constants.get(arguments[2], -1.0) <= 1
        if name == "maximum":
            return any(one in fine for one in arguments)
        if name == "power":
            return arguments[0] in fine
        if name == "select":
            return all(one in fine for one in arguments[1:])
        if name in ("dot", "leaf_dot") and arguments[0] == arguments[1]:
            return True
        return name in _NEVER_NEGATIVE or (name in _KEEPS_SIGN and all(one in fine for one in arguments))

    def _is_positive(self, node: int) -> bool:
        (name, arguments), positive = self.nodes[node], self.positive
        if name == "constant":
            return self.constants[node] > SMALLEST_GUARD
        if name in ("add", "shift", "affine"):
            added = arguments[2:] if name == "affine" else arguments
            return all(one in self.nonnegative for one in arguments) and any(one in positive for one in added)
        if name == "sub" and self.is_one(arguments[0]):
            return self._is_decaying(arguments[1])
        if name == "reciprocal" or (name == "sqrt" and self.kinds[node] == HOST):
            return self.kinds[node] == HOST and arguments[0] in positive
        return name == "cosh"

    def _is_decaying(self, node: int) -> bool:
        """Whether a node is base ** t with a constant base in [0, 1), as in a bias correction."""
        name, arguments = self.nodes[node]
        if name != "power" or self.nodes[arguments[1]][0] != "t":
            return False
        return 0 <= self.constants.get(arguments[0], -1.0) < 1
