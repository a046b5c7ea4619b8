"""From statements to values: factors are pulled out, sums become linear combinations, norms become inner products.

Why: a factor that travels along as a number until a kernel can take it costs nothing, whereas written as programs write
it (`update = update * lr`) it costs one pass over memory. The rule: only identities that hold for every finite number
are used, such as sqrt|c x| = sqrt|c| sqrt|x|; where a number overflows, NaN may stand for infinity.

Names of operations are those of the vocabulary, and: scale (c x), shift (x + c), affine (c x + d), linear
(c x + d y), lerp (x + a (y - x)), copy, spread (one number per leaf, repeated), clip_factor (length, limit).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from search_spaces.optimizer_program.program import LR, UPDATE, V1, V2, VARIABLES, G, Program, T, W
from search_spaces.optimizer_program.value_graph import HOST, ValueGraph
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, INDEX, LEAVES, SCALAR, TREE

Scaled: TypeAlias = tuple[int, int]
"""(factor, node): their product. Only trees have a factor other than the constant 1."""

STATES: Final = (V1, V2)
_MULTIPLICATIVE: Final = frozenset({"square", "sqrt", "abs", "cube", "cbrt", "sign", "reciprocal", "negative"})
"""f(c x) = f(c) f(x)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """A program as values.

    Attributes:
        graph: all values.
        inputs: W, G, V1, V2 -> node.
        update: factor and node of what w is moved by.
        states: V1, V2 -> node of the new state; without those that stay as they are.
    """

    graph: ValueGraph
    inputs: dict[int, int]
    update: Scaled
    states: dict[int, int]


def lower(program: Program) -> Values:
    """Returns the values of a valid program.

    What is known of the states holds by induction: they start at zero, and if neither is negative (infinite) before a
    step and a new one is not then, it never is.
    """
    nonnegative = finite = frozenset(STATES)
    while True:
        values = _Lowering(nonnegative, finite).run(program)
        made = {state: values.states.get(state, values.inputs[state]) for state in STATES}
        confirmed = (
            frozenset(state for state in nonnegative if made[state] in values.graph.nonnegative),
            frozenset(state for state in finite if made[state] in values.graph.finite),
        )
        if confirmed == (nonnegative, finite):
            return values
        nonnegative, finite = confirmed


class _Lowering:
    """One pass over a program, with the states that are taken to be never negative, and those to be finite."""

    def __init__(self, nonnegative: frozenset[int], finite: frozenset[int]) -> None:
        self.graph = ValueGraph()
        self.one = self.graph.constant(1.0)
        self.inputs = {variable: self.graph.source(VARIABLES[variable], TREE) for variable in (W, G, V1, V2)}
        self.graph.nonnegative |= {self.inputs[state] for state in nonnegative}
        self.graph.finite -= {self.inputs[state] for state in STATES if state not in finite}
        self.rules: dict[str, Callable[..., Scaled]] = {
            "mul": self._mul, "div": self._div, "add": self._add, "sub": self._sub, "interp": self._interp,
            "clip": self._clip, "cosine_sim": self._cosine,
            "dot": lambda x, y: self._inner("dot", SCALAR, x, y),
            "leaf_dot": lambda x, y: self._inner("leaf_dot", LEAVES, x, y),
            "global_norm": lambda x: self._apply("sqrt", self._inner("dot", SCALAR, x, x)),
            "norm": lambda x: self._apply("sqrt", self._inner("leaf_dot", LEAVES, x, x)),
            "row_mean": lambda x: (x[0], self.graph.add("row_mean", (x[1],), TREE)),
            "col_mean": lambda x: (x[0], self.graph.add("col_mean", (x[1],), TREE)),
            "randn": lambda: (self.one, self.graph.source("randn", TREE)),
        }  # fmt: skip

    def run(self, program: Program) -> Values:
        held: dict[int, Scaled] = {variable: (self.one, node) for variable, node in self.inputs.items()}
        held |= {LR: (self.one, self.graph.source("lr", HOST)), T: (self.one, self.graph.source("t", HOST))}
        for index, target, *arguments in program:
            read = [held[a] if isinstance(a, int) else (self.one, self.graph.constant(a)) for a in arguments]
            held[target] = self._call(FUNCTIONS[index].name, *read)
        states = {state: self._stored(held[state]) for state in STATES if held[state] != (self.one, self.inputs[state])}
        return Values(graph=self.graph, inputs=self.inputs, update=held[UPDATE], states=states)

    def _call(self, name: str, *read: Scaled) -> Scaled:
        if name in self.rules and (TREE in map(self._kind, read) or name == "randn"):
            return self.rules[name](*read)
        return self._apply(name, *read)

    def _apply(self, name: str, *read: Scaled) -> Scaled:
        """A function of numbers, entry by entry."""
        kind = max(map(self._kind, read), default=HOST)
        if kind == HOST:
            return self.one, self.graph.host(name, *(node for _, node in read))
        if kind == TREE and name in _MULTIPLICATIVE:
            return self._multiplicative(name, *read[0])
        nodes = tuple(self._operand(one, kind) for one in read)
        if FUNCTIONS[INDEX[name]].commutative:
            nodes = tuple(sorted(nodes))
        return self.one, self.graph.add(name, nodes, kind)

    def _multiplicative(self, name: str, factor: int, node: int) -> Scaled:
        outer = self.graph.host(name, factor)
        if name == "negative" or (name == "abs" and node in self.graph.nonnegative):
            return outer, node
        return outer, self.graph.add(name, (node,), TREE)

    def _mul(self, x: Scaled, y: Scaled) -> Scaled:
        if self._kind(x) != TREE:
            x, y = y, x
        if self._is_factor(y):
            return self.graph.host("mul", x[0], y[1]), x[1]
        if self._kind(y) == TREE:
            factor = self.graph.host("mul", x[0], y[0])
            if x[1] == y[1]:
                return factor, self.graph.add("square", (x[1],), TREE)
            return factor, self.graph.add("mul", tuple(sorted((x[1], y[1]))), TREE)
        return x[0], self.graph.add("mul", (x[1], self._operand(y, TREE)), TREE)

    def _div(self, x: Scaled, y: Scaled) -> Scaled:
        if self._is_factor(y):
            return self.graph.host("mul", x[0], self.graph.host("reciprocal", y[1])), x[1]
        if self._kind(y) != TREE and x[1] in self.graph.finite:
            return self._mul(x, self._apply("reciprocal", y))
        below = self.graph.host("reciprocal", y[0])
        if self._is_factor(x):
            return self.graph.host("mul", x[1], below), self.graph.add("reciprocal", (y[1],), TREE)
        nodes = tuple(one[1] if self._kind(one) == TREE else self._operand(one, TREE) for one in (x, y))
        return self.graph.host("mul", x[0], below), self.graph.add("div", nodes, TREE)

    def _add(self, x: Scaled, y: Scaled) -> Scaled:
        if self._kind(x) != TREE:
            x, y = y, x
        if self._kind(y) == TREE:
            return self._linear(x, y)
        if self._kind(y) != HOST:
            return self._apply("add", x, y)
        if x[0] == self.one:
            return self.one, self.graph.add("shift", (x[1], y[1]), TREE)
        return self.one, self.graph.add("affine", (x[1], x[0], y[1]), TREE)

    def _sub(self, x: Scaled, y: Scaled) -> Scaled:
        if self._kind(y) in (SCALAR, LEAVES):
            return self._apply("sub", x, y)
        if self._kind(y) == HOST:
            return self._add(x, (self.one, self.graph.host("negative", y[1])))
        if self._kind(x) in (SCALAR, LEAVES):
            return self._apply("sub", x, y)
        return self._add(x, (self.graph.host("negative", y[0]), y[1]))

    def _linear(self, x: Scaled, y: Scaled) -> Scaled:
        graph = self.graph
        if x[1] == y[1]:
            return graph.host("add", x[0], y[0]), x[1]
        if x[0] == y[0]:
            return x[0], graph.add("add", tuple(sorted((x[1], y[1]))), TREE)
        constants = graph.constants.get(x[0]), graph.constants.get(y[0])
        if None not in constants and constants[0] == -(constants[1] or 0.0):
            return x[0], graph.add("sub", (x[1], y[1]), TREE)
        return self.one, graph.add("linear", (x[1], x[0], y[1], y[0]), TREE)

    def _interp(self, x: Scaled, y: Scaled, share: Scaled) -> Scaled:
        # An infinite end would give NaN: infinity minus infinity times a share.
        finite = self._is_factor(share) and all(one[1] in self.graph.finite for one in (x, y))
        if finite and self._kind(x) == self._kind(y) == TREE and x[0] == y[0] and x[1] != y[1]:
            return x[0], self.graph.add("lerp", (x[1], y[1], share[1]), TREE)
        rest = self._call("sub", (self.one, self.one), share)
        return self._call("add", self._call("mul", y, share), self._call("mul", x, rest))

    def _inner(self, name: str, kind: int, x: Scaled, y: Scaled) -> Scaled:
        product = self.one, self.graph.add(name, tuple(sorted((x[1], y[1]))), kind)
        factor = self.graph.host("mul", x[0], y[0])
        return product if factor == self.one else self._apply("mul", product, (self.one, factor))

    def _cosine(self, x: Scaled, y: Scaled) -> Scaled:
        lengths = [self._apply("sqrt", self._inner("dot", SCALAR, one, one)) for one in (x, y)]
        return self._apply("div", self._inner("dot", SCALAR, x, y), self._apply("mul", *lengths))

    def _clip(self, x: Scaled, limit: Scaled) -> Scaled:
        length = self._apply("sqrt", self._inner("dot", SCALAR, x, x))
        factor = self.graph.add("clip_factor", (length[1], limit[1]), SCALAR)
        return x[0], self.graph.add("mul", (x[1], factor), TREE)

    def _is_factor(self, value: Scaled) -> bool:
        """Whether a value can be pulled out: an infinite factor of a quotient that is 0 by definition cannot."""
        return self._kind(value) == HOST and value[1] in self.graph.finite

    def _kind(self, value: Scaled) -> int:
        return self.graph.kinds[value[1]]

    def _operand(self, value: Scaled, kind: int) -> int:
        """The node that a kernel reads: with its factor, and with numbers per leaf repeated if it works on trees."""
        factor, node = value
        if kind == TREE and self.graph.kinds[node] == LEAVES:
            return self.graph.add("spread", (node,), TREE)
        return node if factor == self.one else self.graph.add("scale", (node, factor), TREE)

    def _stored(self, value: Scaled) -> int:
        """The node of a new state, which is none of the inputs."""
        node = self._operand(value, TREE)
        return node if self.graph.nodes[node][1] else self.graph.add("copy", (node,), TREE)
