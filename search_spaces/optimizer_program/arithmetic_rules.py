"""Exact rewrites of sums, differences, products and quotients; `algebra` says what exact means."""

import math

from search_spaces.optimizer_program.value_facts import (
    ABS,
    ADD,
    CUBE,
    DIV,
    MUL,
    NEGATIVE,
    RECIPROCAL,
    SIGN,
    SQUARE,
    SUB,
    ZERO,
    Nodes,
    is_function,
    negated,
    widest,
)  # fmt: skip
from search_spaces.optimizer_program.vocabulary import LARGEST_CONSTANT


def negative(nodes: Nodes, x: int) -> int | None:
    """Takes signs out of pairs and into constants and differences: -(x - y) = y - x, -(x * c) = x * -c."""
    if x in ZERO or nodes.functions[x] == NEGATIVE:
        return x if x in ZERO else nodes.arguments[x][0]
    function = nodes.functions[x]
    if function not in (ADD, SUB, MUL, DIV):
        return None
    first, last = nodes.arguments[x]
    if function == SUB:
        return nodes.add(SUB, last, first)
    for place, (value, other) in enumerate(((first, last), (last, first))):
        known = nodes.constants.get(value)
        if known is None:
            continue
        opposite = nodes.constant(-known)
        if function == ADD:
            return nodes.add(SUB, opposite, other)
        return nodes.add(function, *((opposite, other) if place == 0 else (other, opposite)))
    return None


def add(nodes: Nodes, x: int, y: int) -> int | None:
    """Rewrites x + y: zeros, x + x = 2 x, signs."""
    for value, other in ((x, y), (y, x)):
        if value in ZERO:
            return widest(nodes, other, value)
    if x == y:
        return nodes.add(MUL, x, nodes.constant(2.0))
    for value, other in ((x, y), (y, x)):
        inner = negated(nodes, value)
        if inner is not None:
            return nodes.add(SUB, other, inner)
    return None


def sub(nodes: Nodes, x: int, y: int) -> int | None:
    """Rewrites x - y: x - x = 0, zeros, constants and signs into sums."""
    if x == y:
        return ZERO[nodes.kinds[x]]
    if y in ZERO:
        return widest(nodes, x, y)
    if x in ZERO:
        found = widest(nodes, y, x)
        return None if found is None else nodes.add(NEGATIVE, found)
    known = nodes.constants.get(y)
    if known is not None:
        return nodes.add(ADD, x, nodes.constant(-known))
    inner = negated(nodes, y)
    if inner is not None:
        return nodes.add(ADD, x, inner)
    inner = negated(nodes, x)
    return None if inner is None else nodes.add(NEGATIVE, nodes.add(ADD, inner, y))


def mul(nodes: Nodes, x: int, y: int) -> int | None:
    """Rewrites x * y: zeros, ones, squares and cubes, signs."""
    if x in ZERO or y in ZERO:
        return ZERO[max(nodes.kinds[x], nodes.kinds[y])]
    if x == y:
        return nodes.add(SQUARE, x)
    for value, other in ((x, y), (y, x)):
        known = nodes.constants.get(value)
        if known is not None and abs(known) == 1.0:
            return other if known > 0.0 else nodes.add(NEGATIVE, other)
    for value, other in ((x, y), (y, x)):
        inner, known = negated(nodes, value), nodes.constants.get(other)
        if inner is not None:
            if known is not None:
                return nodes.add(MUL, inner, nodes.constant(-known))
            return nodes.add(NEGATIVE, nodes.add(MUL, inner, other))
    for value, other in ((x, y), (y, x)):
        if is_function(nodes, value, SQUARE, other):
            return nodes.add(CUBE, other)
        if is_function(nodes, value, SIGN, other):
            return nodes.add(ABS, other)
        if nodes.functions[value] == SIGN and is_function(nodes, other, ABS, *nodes.arguments[value]):
            return nodes.arguments[value][0]
    return None


def div(nodes: Nodes, x: int, y: int) -> int | None:
    """Rewrites x / y: zeros, x / x and x / |x|, reciprocals, powers of two (exact as products), signs."""
    if x in ZERO or y in ZERO:  # x / 0 is 0 in this language
        return ZERO[max(nodes.kinds[x], nodes.kinds[y])]
    if x == y:
        return nodes.add(ABS, nodes.add(SIGN, x))
    if is_function(nodes, y, ABS, x) or is_function(nodes, x, ABS, y):
        return nodes.add(SIGN, x if nodes.functions[y] == ABS else y)
    top, bottom = nodes.constants.get(x), nodes.constants.get(y)
    if top is not None and abs(top) == 1.0:
        found = nodes.add(RECIPROCAL, y)
        return found if top > 0.0 else nodes.add(NEGATIVE, found)
    if bottom is not None and abs(math.frexp(bottom)[0]) == 0.5 and abs(bottom) * LARGEST_CONSTANT >= 1.0:
        return nodes.add(MUL, x, nodes.constant(1.0 / bottom))
    return _signs_out(nodes, x, y)


def _signs_out(nodes: Nodes, x: int, y: int) -> int | None:
    """(-x) / y = x / (-y) = -(x / y), the sign going into a constant if there is one."""
    above, below = negated(nodes, x), negated(nodes, y)
    if above is None and below is None:
        return None
    if above is not None and below is not None:
        return nodes.add(DIV, above, below)
    return nodes.add(NEGATIVE, nodes.add(DIV, x if above is None else above, y if below is None else below))
