"""What is known of values whatever the inputs are: kind, sign, symmetry; the ground on which the algebra stands.

Why: a rewrite is exact only under such facts, and each is stated once. The rule: a fact holds for every input, to the
last bit, in every floating-point format; -0 is taken for 0.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from search_spaces.optimizer_program.vocabulary import ANY, FUNCTIONS, INDEX, SCALAR


class Nodes(Protocol):
    """What the rules read of a table of nodes, each known by its number, and how they make new ones.

    Attributes:
        functions: index of each node's function; negative for inputs and constants.
        arguments: numbers of the nodes that each node reads.
        constants: value of each node that is a constant.
        kinds: SCALAR, LEAVES or TREE.
    """

    functions: list[int]
    arguments: list[tuple[int, ...]]
    constants: dict[int, float]
    kinds: list[int]

    def add(self, function: int, *arguments: int) -> int:
        """Returns the number of a node, rewritten."""
        ...

    def constant(self, value: float) -> int:
        """Returns the number of a constant."""
        ...

    def is_nonnegative(self, value: int) -> bool:
        """Whether the node is known to be at least 0."""
        ...


ZERO_SCALAR, ZERO_TREE, ZERO_LEAVES = 6, 7, 8
"""Numbers of the zeros in every table; 0 to 5 are the inputs."""
ZERO: Final = (ZERO_SCALAR, ZERO_LEAVES, ZERO_TREE)
"""The zero of each kind."""

ABS, SQUARE, CUBE, SQRT, SIGN, NEGATIVE, RECIPROCAL = (
    INDEX[name] for name in ("abs", "square", "cube", "sqrt", "sign", "negative", "reciprocal")
)
ADD, SUB, MUL, DIV, SDIV, MAXIMUM, MINIMUM, INTERP, CLIP, SELECT = (
    INDEX[name] for name in ("add", "sub", "mul", "div", "sdiv", "maximum", "minimum", "interp", "clip", "select")
)
DOT, LEAF_DOT, COSINE, NORM, GLOBAL_NORM = (
    INDEX[name] for name in ("dot", "leaf_dot", "cosine_sim", "norm", "global_norm")
)


def _named(*names: str) -> frozenset[int]:
    return frozenset(INDEX[name] for name in names)


ODD: Final = _named(
    "sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "cube", "cbrt", "sign", "reciprocal",
    "row_mean", "col_mean",
)  # fmt: skip
"""f(-x) = -f(x), to the last bit."""
EVEN: Final = _named("abs", "cos", "cosh", "square", "sqrt", "log", "log10", "log2", "norm", "global_norm")
"""f(-x) = f(x) = f(|x|); roots and logarithms take |x|."""
KEEPS_ZERO: Final = ODD | _named("abs", "square", "sqrt", "expm1", "log1p", "norm", "global_norm", "negative")
"""f(0) = 0."""
KEEPS_SIGNS: Final = _named("sign", "cube", "cbrt", "reciprocal")
"""Identities on -1, 0 and 1."""
_RESULTS: Final = tuple(function.result for function in FUNCTIONS)
_NEVER_NEGATIVE: Final = _named(
    "abs", "arccos", "cosh", "arccosh", "exp", "exp2", "exp10", "square", "sqrt", "norm", "global_norm"
)
_KEEPS_NONNEGATIVE: Final = _named("add", "mul", "div", "sdiv", "minimum", "cube", "cbrt", "reciprocal")
"""At least 0 where all arguments are."""


def result_kind(nodes: Nodes, function: int, arguments: Sequence[int]) -> int:
    """Returns the kind of what a function gives for these nodes."""
    kind = _RESULTS[function]
    if kind == ANY:
        kind = SCALAR
        for argument in arguments:
            if nodes.kinds[argument] > kind:
                kind = nodes.kinds[argument]
    return kind


def is_nonnegative(nodes: Nodes, value: int) -> bool:
    """Whether a node is at least 0 whatever the inputs are; asks `nodes` about its arguments."""
    function, known = nodes.functions[value], nodes.constants.get(value)
    if known is not None or function in _NEVER_NEGATIVE:
        return known is None or known >= 0.0
    if function == MAXIMUM:
        return any(map(nodes.is_nonnegative, nodes.arguments[value]))
    return function in _KEEPS_NONNEGATIVE and all(map(nodes.is_nonnegative, nodes.arguments[value]))


def negated(nodes: Nodes, value: int) -> int | None:
    """Returns x where the node is -x; constants are not taken apart."""
    return nodes.arguments[value][0] if nodes.functions[value] == NEGATIVE else None


def is_function(nodes: Nodes, value: int, function: int, *arguments: int) -> bool:
    """Whether the node is this function of these nodes."""
    return nodes.functions[value] == function and nodes.arguments[value] == arguments


def widest(nodes: Nodes, candidate: int, *others: int) -> int | None:
    """Returns the candidate if it has the largest kind, so that it needs no broadcast to take the result's place."""
    kinds = nodes.kinds
    return candidate if all(kinds[other] <= kinds[candidate] for other in others) else None
