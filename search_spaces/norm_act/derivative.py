"""A norm-act graph and its derivative as expressions.

Why: automatic differentiation records every full-size value; written as expressions, the derivative shares sums and
statistics with the value, keeps small factors out of full-size work, and can be recomputed from the input alone. The
rule: the adjoint of a value varies at most on the value's axes; where it varies on fewer it is repeated there, so going
from a broadcast result to an argument sums (or multiplies by the length of) every axis the argument does not have.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from search_spaces.norm_act.expressions import Expressions
from search_spaces.norm_act.graph import FIRST, INPUT, V0, V1, Nodes
from search_spaces.norm_act.operators import TABLE, Moment, Operator, element_wise
from search_spaces.norm_act.reference import batch_moments

Pull: TypeAlias = Callable[[int], int]
"""Adjoint of a result -> what it adds to the adjoint of one argument."""

PARAMETERS = ("v0", "v1", "gamma", "beta")

_REDUCED = {"bwh": "pn", "whc": "pc", "wh": "p", "whcg": "p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Value and derivative of a layer.

    Attributes:
        expressions: the table that all numbers refer to.
        inputs: "x", "g" (adjoint of the output) and the parameters -> their numbers.
        output: the layer's output.
        moments: raw batch statistics, in the order of `reference.batch_moments`.
        gradients: of x, v0, v1, gamma, beta, in this order.
    """

    expressions: Expressions
    inputs: dict[str, int]
    output: int
    moments: tuple[int, ...]
    gradients: tuple[int, ...]


def derive(nodes: Nodes, *, sizes: dict[str, int], eps: float) -> Derived:
    """Returns gamma * graph(x) + beta and its gradients.

    Args:
        nodes: as returned by `reference.share`.
        sizes: of the axes n, c and p.
        eps: guard and variance offset, > 0.
    """
    return _Derivation(nodes, Expressions(sizes), eps).result()


class _Derivation:
    """One run of `derive`: values forward, adjoints backward over the nodes."""

    def __init__(self, nodes: Nodes, expressions: Expressions, eps: float) -> None:
        self.nodes, self.e, self.eps = nodes, expressions, eps
        given = self.e.given
        self.inputs = {"x": given("x", "ncp"), "g": given("g", "ncp")} | {name: given(name, "c") for name in PARAMETERS}
        self.values = [self.inputs["x"], self.e.zero, self.inputs["v0"], self.inputs["v1"]]
        self.pulls: list[tuple[Pull, ...]] = []
        self.raw: dict[int, int] = {}
        for index, (name, *arguments) in enumerate(nodes, FIRST):
            value, pulls = self._node(index, TABLE[name], [self.values[argument] for argument in arguments])
            self.values.append(value)
            self.pulls.append(pulls)

    def result(self) -> Derived:
        e, root, g = self.e, self.values[-1], self.inputs["g"]
        output = e.add(e.mul(root, self.inputs["gamma"]), self.inputs["beta"])
        everywhere = frozenset("ncp")
        adjoints = self._sweep(self._contract(g, self.inputs["gamma"], out=everywhere, target=e.axes(root)))
        beta = self._fit(g, out=everywhere, target=frozenset("c"))
        gamma = self._contract(g, root, out=everywhere, target=frozenset("c"))
        x, v0, v1 = (adjoints.get(given, e.zero) for given in (INPUT, V0, V1))
        moments = tuple(self.raw[moment.value] for moment in batch_moments(self.nodes))
        return Derived(
            expressions=e, inputs=self.inputs, output=output, moments=moments, gradients=(x, v0, v1, gamma, beta)
        )

    def _sweep(self, root_adjoint: int) -> dict[int, int]:
        adjoints = {len(self.nodes) + FIRST - 1: root_adjoint}
        for place in range(len(self.nodes) - 1, -1, -1):
            adjoint = adjoints.get(place + FIRST)
            if adjoint is None:
                continue
            for argument, pull in zip(self.nodes[place][1:], self.pulls[place], strict=True):
                if self.e.value(self.values[argument]) is None:
                    more = pull(adjoint)
                    adjoints[argument] = self.e.add(adjoints[argument], more) if argument in adjoints else more
        return adjoints

    def _node(self, index: int, operator: Operator, a: list[int]) -> tuple[int, tuple[Pull, ...]]:
        if operator.index_set is not None and operator.moment is not None:
            return self._aggregate(index, operator.moment, operator.index_set, a[0])
        constants = [self.e.value(argument) for argument in a]
        if all(constant is not None for constant in constants):
            operands = (torch.tensor(constant, dtype=torch.float64) for constant in constants)
            return self.e.constant(element_wise(operator.name, *operands, eps=self.eps).item()), (_none,) * len(a)
        return self._binary(operator.name, *a) if len(a) == 2 else self._unary(operator.name, a[0])

    def _unary(self, name: str, a: int) -> tuple[int, tuple[Pull, ...]]:
        e = self.e
        match name:
            case "neg":
                return e.neg(a), (e.neg,)
            case "square":
                return e.mul(a, a), (lambda d: e.mul(d, e.scale(a, 2.0)),)
            case "exp":
                exp = e.apply("exp", a)
                return exp, (lambda d: e.mul(d, exp),)
            case "abs":
                return e.apply("abs", a), (lambda d: e.mul(d, e.apply("sign", a)),)
            case "sigmoid" | "tanh":
                s = e.apply(name, a)
                return s, (lambda d: self._linear(name, d, s),)
        return e.apply(f"signed_{name}", a), (lambda d: e.mul(d, e.apply(f"signed_{name}_slope", a)),)

    def _binary(self, name: str, a: int, b: int) -> tuple[int, tuple[Pull, ...]]:
        e, axes_a, axes_b = self.e, self.e.axes(a), self.e.axes(b)
        out = axes_a | axes_b
        match name:
            case "add":
                return e.add(a, b), (
                    lambda d: self._fit(d, out=out, target=axes_a),
                    lambda d: self._fit(d, out=out, target=axes_b),
                )
            case "mul":
                return e.mul(a, b), (
                    lambda d: self._contract(d, b, out=out, target=axes_a),
                    lambda d: self._contract(d, a, out=out, target=axes_b),
                )
            case "div":
                return self._divide(a, b)
        if e.zero in (a, b):
            other = b if a == e.zero else a
            return e.apply("relu", other), (lambda d: self._linear("relu", d, other),) * 2
        return self._maximum(min(a, b), max(a, b), swapped=a > b)

    def _divide(self, a: int, b: int) -> tuple[int, tuple[Pull, ...]]:
        """a / b; d a = d / b, d b = -d * (a / b) / b, and nothing reaches b where the guard replaced it."""
        e, axes_a, axes_b = self.e, self.e.axes(a), self.e.axes(b)
        out, safe = axes_a | axes_b, e.floor(b) >= self.eps
        known = e.value(b)
        if known is not None:
            guarded = element_wise("div", *torch.tensor([1.0, known], dtype=torch.float64), eps=self.eps).item()
            return e.scale(a, guarded), (lambda d: e.scale(d, guarded), _none)
        r = e.rcp(b if safe else e.apply("guard", b))
        quotient = e.mul(a, r)

        def to_b(d: int) -> int:
            scaled = e.neg(r) if safe else e.mul(e.neg(r), e.apply("outside_guard", b))
            if e.full(b):
                return e.mul(e.mul(d, scaled), quotient)
            return e.mul(scaled, self._contract(d, quotient, out=out, target=axes_b))

        return quotient, (lambda d: self._contract(d, r, out=out, target=axes_a), to_b)

    def _maximum(self, a: int, b: int, *, swapped: bool) -> tuple[int, tuple[Pull, ...]]:
        """max(a, b); the adjoint goes to the larger, half to each at a tie.

        Two weights, not d minus the other's part: an argument that never wins must get exactly zero.
        """
        e, axes_a, axes_b = self.e, self.e.axes(a), self.e.axes(b)
        out = axes_a | axes_b
        if a == b:
            return a, (lambda d: e.scale(d, 0.5), lambda d: e.scale(d, 0.5))
        twice = e.apply("twice_won", a, b)

        def to_a(d: int) -> int:
            return e.scale(self._contract(d, twice, out=out, target=axes_a), 0.5)

        def to_b(d: int) -> int:
            return e.scale(self._contract(d, e.apply("twice_lost", twice), out=out, target=axes_b), 0.5)

        return e.apply("maximum", a, b), (to_b, to_a) if swapped else (to_a, to_b)

    def _aggregate(self, index: int, moment: Moment, index_set: str, a: int) -> tuple[int, tuple[Pull, ...]]:
        """mean, sqrt(mean of squares + eps), sqrt(variance + eps); their adjoints reach a through k = d / count.

        d a = k for the mean, a * k / value for rms, (a - mean) * k / value for std.
        """
        e = self.e
        over = "".join(axis for axis in _REDUCED[index_set] if axis in e.axes(a))
        grouped = index_set == "whcg" and "c" in e.axes(a)
        mean = self._mean(a, over, grouped=grouped)
        if moment == "mean":
            self.raw[index] = mean
            return mean, (lambda d: self._spread(d, over, grouped=grouped),)
        centred = a if moment == "rms" else e.add(a, e.neg(mean))
        second = self._second_moment if moment == "rms" else self._variance
        raw = second(a, over, grouped=grouped)
        self.raw[index] = raw
        value = e.sqrt(e.add(raw, e.constant(self.eps)))
        if e.value(value) is not None:
            return value, (lambda _: e.zero,)
        return value, (lambda d: e.mul(centred, self._spread(e.mul(d, e.rcp(value)), over, grouped=grouped)),)

    def _mean(self, a: int, over: str, *, grouped: bool) -> int:
        for axis in over:
            a = self.e.mean(a, axis)
        return self.e.group_mean(a) if grouped else a

    def _second_moment(self, a: int, over: str, *, grouped: bool) -> int:
        e = self.e
        squares = e.mean_square(a) if "p" in over else e.mul(a, a)
        return self._mean(squares, over.replace("p", ""), grouped=grouped)

    def _variance(self, a: int, over: str, *, grouped: bool) -> int:
        """Within-sample-and-channel variance plus the variance of those means: two passes, nothing cancels."""
        e = self.e
        rest = over.replace("p", "")
        within, means = e.zero, a
        if "p" in over:
            atom, k = e.split(a) if len(e.terms(a)[0]) > 1 else next(iter(e.terms(a)[0].items()))
            means = e.mean(a, "p")
            deviation = e.add(atom, e.neg(e.mean(atom, "p")))
            within = e.mul(e.mean_square(deviation), e.mul(k, k))
        if not rest and not grouped:
            return within
        deviation = e.add(means, e.neg(self._mean(means, rest, grouped=grouped)))
        between = self._mean(e.mul(deviation, deviation), rest, grouped=grouped)
        return e.add(self._mean(within, rest, grouped=grouped), between)

    def _spread(self, d: int, over: str, *, grouped: bool) -> int:
        """Adjoint of a mean; in a group the adjoints of its equal copies are averaged, then divided by p only."""
        count = 1
        for axis in over:
            count *= self.e.sizes[axis]
        return self.e.scale(self.e.group_mean(d) if grouped else d, 1.0 / count)

    def _linear(self, name: str, d: int, s: int) -> int:
        """Adjoint through an activation whose slope is read from `s`, with the small factor of `d` kept outside."""
        e = self.e
        if not e.full(d):
            return e.mul(d, e.apply(f"{name}_slope", s))
        atom, k = e.split(d)
        return e.mul(e.apply(f"{name}_backward", atom, s), k)

    def _contract(self, d: int, b: int, *, out: frozenset[str], target: frozenset[str]) -> int:
        e = self.e
        if "p" in out - target and e.full(d) and e.full(b):
            return self._fit(e.dot(d, b), out=out - {"p"}, target=target)
        return self._fit(e.mul(d, b), out=out, target=target)

    def _fit(self, value: int, *, out: frozenset[str], target: frozenset[str]) -> int:
        for axis in "pcn":
            if axis in out and axis not in target:
                value = self.e.sum(value, axis)
        return value


def _none(_: int) -> int:
    raise AssertionError("a constant has no adjoint")
