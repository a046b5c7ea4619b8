"""Exact rewrites of single nodes: x * 1 is x, x / |x| is sign(x), sqrt(x * x) is |x|, f of constants is a constant.

Why: mutations write the same rule in many ways; what the algebra merges is trained once and read in its short form.
The rule: a rewrite gives the same number in every floating-point format wherever the values on the way are finite, with
-0 taken for 0 (no function of the language tells them apart except `power` with a negative exponent, which is infinite
at both). Two rewrites hold less widely, and are worth it:

* sqrt(x * x) = |x|, hence m / sqrt(m * m) = sign(m), the step from the discovered program to Lion. Exact (Boldo 2015)
  as long as x * x is a normal number, |x| from 1.1e-19 to 1.8e19 in float32: below, the written program stands still
  where the short one moves on. It takes a correctly rounded root; torch's float32 root on CPUs with MKL is off by one
  unit in the last place for 2 of 100,000 numbers.
* Constants are folded in float64, so that a float32 run rounds them once instead of at each step.

What is not here is left to the fingerprint: reassociation, distribution, sign(2 * x) and power(x, 2)
are exact on paper only.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import torch

from search_spaces.optimizer_program import arithmetic_rules
from search_spaces.optimizer_program.reference import CONSTANTS, ELEMENTWISE
from search_spaces.optimizer_program.value_facts import (
    ABS,
    ADD,
    CLIP,
    COSINE,
    DIV,
    DOT,
    EVEN,
    GLOBAL_NORM,
    INTERP,
    KEEPS_SIGNS,
    KEEPS_ZERO,
    LEAF_DOT,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEGATIVE,
    NORM,
    ODD,
    SDIV,
    SELECT,
    SIGN,
    SQRT,
    SQUARE,
    SUB,
    ZERO,
    Nodes,
    negated,
    result_kind,
    widest,
)  # fmt: skip
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, LARGEST_CONSTANT


def rewrite(nodes: Nodes, function: int, arguments: tuple[int, ...]) -> int | None:
    """Returns the number of an equal, simpler node, or None where no rule applies."""
    constants = nodes.constants
    for argument in arguments:
        if argument not in constants:
            break
    else:
        folded = fold(function, [constants[argument] for argument in arguments])
        if folded is not None:
            return nodes.constant(folded)
    rule = _RULES.get(function)
    if rule is not None:
        return rule(nodes, *arguments)
    return _unary(nodes, function, arguments[0]) if len(arguments) == 1 else None


def fold(function: int, values: Sequence[float]) -> float | None:
    """Returns a function of constants as the interpreter gives it in float64; None where that is no legal constant."""
    name = FUNCTIONS[function].name
    if name in CONSTANTS:
        return CONSTANTS[name]
    if name not in ELEMENTWISE:
        return None
    result = float(ELEMENTWISE[name](*(torch.tensor(value, dtype=torch.float64) for value in values)))
    return result if abs(result) <= LARGEST_CONSTANT else None


def _unary(nodes: Nodes, function: int, x: int) -> int | None:
    if x in ZERO and function in KEEPS_ZERO:
        return ZERO[result_kind(nodes, function, (x,))]
    inner = negated(nodes, x)
    if inner is not None and function in ODD:
        return nodes.add(NEGATIVE, nodes.add(function, inner))
    if function in EVEN and (inner is not None or (nodes.functions[x] == ABS)):
        return nodes.add(function, nodes.arguments[x][0])
    if nodes.functions[x] == SIGN:
        if function in KEEPS_SIGNS:
            return x
        return nodes.add(ABS, x) if function in (SQUARE, SQRT) else None
    if function == ABS:
        return x if nodes.is_nonnegative(x) else None
    return _root(nodes, x) if function == SQRT else None


def _root(nodes: Nodes, x: int) -> int | None:
    """sqrt(x * x) = |x|; roots of sums of squares are what norms are."""
    if nodes.functions[x] == SQUARE:
        return nodes.add(ABS, nodes.arguments[x][0])
    for product, length in ((DOT, GLOBAL_NORM), (LEAF_DOT, NORM)):
        if nodes.functions[x] == product and len(set(nodes.arguments[x])) == 1:
            return nodes.add(length, nodes.arguments[x][0])
    return None


def _extreme(function: int, opposite: int) -> Callable[..., int | None]:
    """Returns the rules of maximum or minimum."""

    def rule(nodes: Nodes, x: int, y: int) -> int | None:
        if x == y:
            return x
        one, other = negated(nodes, x), negated(nodes, y)
        if one == y or other == x:
            size = nodes.add(ABS, x)
            return size if function == MAXIMUM else nodes.add(NEGATIVE, size)
        if one is not None and other is not None:
            return nodes.add(NEGATIVE, nodes.add(opposite, one, other))
        for value, bound in ((x, y), (y, x)):
            if bound in ZERO and nodes.is_nonnegative(value):
                kind = max(nodes.kinds[value], nodes.kinds[bound])
                return widest(nodes, value, bound) if function == MAXIMUM else ZERO[kind]
        for value, bound in ((x, y), (y, x)):
            if nodes.functions[bound] == function and value in nodes.arguments[bound]:
                return bound
            if nodes.functions[bound] == opposite and value in nodes.arguments[bound]:
                return widest(nodes, value, bound)
        return None

    return rule


def _interp(nodes: Nodes, x: int, y: int, weight: int) -> int | None:
    known = nodes.constants.get(weight)
    if known == 0.0:
        return widest(nodes, x, y)
    if known == 1.0:
        return widest(nodes, y, x)
    if x in ZERO and widest(nodes, y, x) is not None:
        return nodes.add(MUL, y, weight)
    one, other = negated(nodes, x), negated(nodes, y)
    if one is None or other is None:
        return None
    return nodes.add(NEGATIVE, nodes.add(INTERP, one, other, weight))


def _select(nodes: Nodes, condition: int, x: int, y: int) -> int | None:
    if x == y:
        return widest(nodes, x, condition)
    known = 0.0 if condition in ZERO else nodes.constants.get(condition)
    if known is None:
        return None
    return widest(nodes, x, y, condition) if known > 0.0 else widest(nodes, y, x, condition)


def _product(function: int) -> Callable[..., int | None]:
    """Returns the rules of dot, leaf_dot and cosine_sim: linear in their signs."""

    def rule(nodes: Nodes, x: int, y: int) -> int | None:
        if x in ZERO or y in ZERO:
            return ZERO[result_kind(nodes, function, (x, y))]
        for value, other in ((x, y), (y, x)):
            inner = negated(nodes, value)
            if inner is not None:
                return nodes.add(NEGATIVE, nodes.add(function, inner, other))
        return None

    return rule


def _sign_of_first(function: int) -> Callable[..., int | None]:
    """Returns the rules of clip and sdiv: odd in the first argument."""

    def rule(nodes: Nodes, x: int, y: int) -> int | None:
        if x in ZERO:
            return ZERO[result_kind(nodes, function, (x, y))]
        inner = negated(nodes, x)
        return None if inner is None else nodes.add(NEGATIVE, nodes.add(function, inner, y))

    return rule


Rule: TypeAlias = Callable[..., int | None]
_RULES: Final[dict[int, Rule]] = {
    NEGATIVE: arithmetic_rules.negative, ADD: arithmetic_rules.add, SUB: arithmetic_rules.sub,
    MUL: arithmetic_rules.mul, DIV: arithmetic_rules.div, INTERP: _interp, SELECT: _select,
    MAXIMUM: _extreme(MAXIMUM, MINIMUM), MINIMUM: _extreme(MINIMUM, MAXIMUM),
    DOT: _product(DOT), LEAF_DOT: _product(LEAF_DOT), COSINE: _product(COSINE),
    CLIP: _sign_of_first(CLIP), SDIV: _sign_of_first(SDIV),
}  # fmt: skip
