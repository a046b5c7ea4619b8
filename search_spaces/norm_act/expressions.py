"""Hash-consed expressions: what a norm-act graph and its derivative compute, before anything is scheduled.

Why: equal subexpressions become one number, so sharing is free; and every full-size value is kept as a linear
combination `a1*k1 + a2*k2 + ... + k0` of full-size atoms with small coefficients (per sample, per channel), so that
scales, shifts and means never cost a pass over the data of their own. The rule: an expression's `axes` are those on
which it varies (n sample, c channel, p position); it is full-size exactly when p is among them, because every
aggregate removes p and only the input has it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Terms = dict[int, int]
"""Full-size atom -> its small coefficient."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One value.

    Attributes:
        op: "given", "constant", "lin" (arguments a1, k1, a2, k2, ..., k0), or the name of a kernel.
        arguments: numbers of other expressions.
        axes: see the module.
        constant: of "constant", else None.
    """

    op: str
    arguments: tuple[int, ...]
    axes: frozenset[str]
    constant: float | None = None


class Expressions:
    """A growing table of distinct expressions; equal numbers are equal values.

    Attributes:
        sizes: axis -> length: n samples, c channels, p positions.
        table: the expressions by number.
        zero, one: the two constants everything starts with.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.table: list[Expression] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self._floors: dict[int, float] = {}
        self.zero, self.one = self.constant(0.0), self.constant(1.0)

    def __getitem__(self, number: int) -> Expression:
        return self.table[number]

    def given(self, name: str, axes: str) -> int:
        """Returns an input: the name is only its identity."""
        return self._intern(("given", name), Expression("given", (), frozenset(axes)))

    def constant(self, value: float) -> int:
        """Returns a constant; -0.0 is 0.0."""
        value = float(value) + 0.0
        return self._intern(("constant", repr(value)), Expression("constant", (), frozenset(), value))

    def apply(self, op: str, *arguments: int, without: str = "") -> int:
        """Returns a kernel's value, which varies wherever an argument does, `without` the axes it reduces."""
        axes = frozenset[str]().union(*(self.table[a].axes for a in arguments)) - frozenset(without)
        return self._intern((op, *arguments), Expression(op, arguments, axes))

    def exists(self, op: str, *arguments: int) -> bool:
        """Returns whether this value is in the table already."""
        return (op, *arguments) in self._numbers

    def axes(self, number: int) -> frozenset[str]:
        """Returns the axes on which a value varies."""
        return self.table[number].axes

    def full(self, number: int) -> bool:
        """Returns whether a value is as large as the input."""
        return "p" in self.table[number].axes

    def value(self, number: int) -> float | None:
        """Returns the number that a constant is, None for all others."""
        return self.table[number].constant

    def terms(self, number: int) -> tuple[Terms, int]:
        """Splits any value into full-size atoms with coefficients, and a small remainder."""
        expression = self.table[number]
        if expression.op == "lin":
            parts = expression.arguments
            return dict(zip(parts[:-1:2], parts[1:-1:2], strict=True)), parts[-1]
        return ({number: self.one}, self.zero) if self.full(number) else ({}, number)

    def combine(self, terms: Terms, rest: int) -> int:
        """Returns the value of `sum(atom * coefficient) + rest`; the inverse of `terms`."""
        kept = {atom: k for atom, k in terms.items() if k != self.zero}
        if not kept:
            return rest
        if rest == self.zero and list(kept.values()) == [self.one]:
            return next(iter(kept))
        return self.apply("lin", *(part for atom in sorted(kept) for part in (atom, kept[atom])), rest)

    def add(self, a: int, b: int) -> int:
        """Returns a + b."""
        if a == self.zero or b == self.zero:
            return b if a == self.zero else a
        if not self.full(a) and not self.full(b):
            return self._small_add(a, b)
        (terms, rest), (more, more_rest) = self.terms(a), self.terms(b)
        for atom, k in more.items():
            terms[atom] = self._small_add(terms[atom], k) if atom in terms else k
        return self.combine(terms, self._small_add(rest, more_rest))

    def mul(self, a: int, b: int) -> int:
        """Returns a * b; small factors go into the coefficients of full-size ones."""
        if not self.full(a):
            a, b = b, a
        if not self.full(a):
            return self._small_mul(a, b)
        if not self.full(b):
            terms, rest = self.terms(a)
            return self.combine({t: self._small_mul(k, b) for t, k in terms.items()}, self._small_mul(rest, b))
        (first, k_first), (second, k_second) = self.split(a), self.split(b)
        return self.mul(self._product(first, second), self._small_mul(k_first, k_second))

    def neg(self, a: int) -> int:
        """Returns -a."""
        return self.mul(a, self.constant(-1.0))

    def scale(self, a: int, factor: float) -> int:
        """Returns a times a number."""
        return self.mul(a, self.constant(factor))

    def split(self, number: int) -> tuple[int, int]:
        """Splits a full-size value into one full-size factor and one small factor."""
        terms, rest = self.terms(number)
        if len(terms) == 1 and rest == self.zero:
            return next(iter(terms.items()))
        return number, self.one

    def sqrt(self, a: int) -> int:
        """Returns the square root of a small value that is not negative."""
        value = self.value(a)
        return self.apply("root", a) if value is None else self.constant(math.sqrt(value))

    def rcp(self, a: int) -> int:
        """Returns 1 / a for a value that is provably not zero."""
        value = self.value(a)
        return self.apply("rcp", a) if value is None else self.constant(1.0 / value)

    def sum(self, number: int, axis: str) -> int:
        """Returns the sum over one axis; a value that does not vary on it is repeated there."""
        if axis not in self.axes(number):
            return self.scale(number, self.sizes[axis])
        if axis == "p":
            terms, rest = self.terms(number)
            total = self.scale(rest, self.sizes["p"])
            for atom, k in terms.items():
                total = self.add(total, self.mul(self.apply("sum_p", atom, without="p"), k))
            return total
        expression = self.table[number]
        if expression.op == "mul":
            for inner, outer in (expression.arguments, expression.arguments[::-1]):
                if axis not in self.axes(outer):
                    return self.mul(self.sum(inner, axis), outer)
        return self.apply(f"sum_{axis}", number, without=axis)

    def mean(self, number: int, axis: str) -> int:
        """Returns the mean over one axis."""
        return self.scale(self.sum(number, axis), 1.0 / self.sizes[axis]) if axis in self.axes(number) else number

    def group_mean(self, number: int) -> int:
        """Returns the mean over the channels of each group, repeated within it, of a small value."""
        return self.apply("mean_g", number) if "c" in self.axes(number) else number

    def mean_square(self, number: int) -> int:
        """Returns the mean of squares over the positions of a full-size value."""
        atom, k = self.split(number)
        total = self.apply("square_sum_p", atom, without="p")
        return self.mul(self.scale(total, 1.0 / self.sizes["p"]), self._small_mul(k, k))

    def dot(self, a: int, b: int) -> int:
        """Returns the sum of a * b over the positions, of two full-size values.

        Short combinations are multiplied out, because sums of atoms are shared and small factors leave the sum; and
        a * relu(z) is taken as (a where z > 0) * z, since a backward pass needs that masked a anyway.
        """
        for one, other in ((a, b), (b, a)):
            relu, k = self.split(other)
            if self.table[relu].op == "relu":
                (inner,), (atom, k_atom) = self.table[relu].arguments, self.split(one)
                return self.mul(self.dot(self.apply("relu_backward", atom, inner), inner), self.mul(k, k_atom))
        (first, rest_a), (second, rest_b) = self.terms(a), self.terms(b)
        if len(first) * len(second) > 2:
            return self.sum(self.mul(a, b), "p")
        total = self.sum(self.mul(rest_a, rest_b), "p")
        for atom_a, k_a in first.items():
            total = self.add(total, self.sum(self.mul(atom_a, self.mul(k_a, rest_b)), "p"))
            for atom_b, k_b in second.items():
                total = self.add(total, self.sum(self.mul(self._product(atom_a, atom_b), self.mul(k_a, k_b)), "p"))
        for atom_b, k_b in second.items():
            total = self.add(total, self.sum(self.mul(atom_b, self.mul(k_b, rest_a)), "p"))
        return total

    def floor(self, number: int) -> float:
        """Returns a number that the value provably never falls below (-inf where nothing is known)."""
        found = self._floors.get(number)
        if found is None:
            found = self._floors[number] = self._floor(self.table[number])
        return found

    def _floor(self, expression: Expression) -> float:
        if expression.constant is not None:
            return expression.constant
        low = [self.floor(argument) for argument in expression.arguments]
        match expression.op:
            case "exp" | "sigmoid" | "abs" | "relu" | "square_sum_p":
                return 0.0
            case "mul" if expression.arguments[0] == expression.arguments[1]:
                return 0.0
            case "mul" if min(low) >= 0:
                return low[0] * low[1]
            case "root" if low[0] >= 0:
                return math.sqrt(low[0])
            case "add":
                return low[0] + low[1]
            case "maximum":
                return max(low)
            case "mean_g":
                return low[0]
            case "sum_n" | "sum_c" | "sum_p" | "rcp" if low[0] >= 0:
                return 0.0
            case "lin" if min(low[:-1]) >= 0:
                return low[-1]
        return -math.inf

    def _product(self, a: int, b: int) -> int:
        for atom, other in ((a, b), (b, a)):
            if self.table[other].op == "mul":
                first, second = self.table[other].arguments
                for near, far in ((first, second), (second, first)):
                    if self.exists("mul", min(atom, near), max(atom, near)):
                        pair = self.apply("mul", min(atom, near), max(atom, near))
                        return self.apply("mul", min(pair, far), max(pair, far))
        return self.apply("mul", min(a, b), max(a, b))

    def _small_add(self, a: int, b: int) -> int:
        first, second = self.value(a), self.value(b)
        if first is not None and second is not None:
            return self.constant(first + second)
        if first == 0 or second == 0:
            return b if first == 0 else a
        return self.apply("add", min(a, b), max(a, b))

    def _small_mul(self, a: int, b: int) -> int:
        first, second = self.value(a), self.value(b)
        if first is not None and second is not None:
            return self.constant(first * second)
        if first is None and second is None:
            return self.apply("mul", min(a, b), max(a, b))
        factor, other = (first, b) if first is not None else (second, a)
        assert factor is not None
        if factor in (0.0, 1.0):
            return other if factor == 1.0 else self.zero
        inner = self.table[other]
        known = [self.value(argument) for argument in inner.arguments]
        if inner.op == "mul" and any(value is not None for value in known):
            place = 0 if known[0] is not None else 1
            return self._small_mul(self.constant(factor * (known[place] or 0.0)), inner.arguments[1 - place])
        constant = self.constant(factor)
        return self.apply("mul", min(constant, other), max(constant, other))

    def _intern(self, key: tuple[object, ...], expression: Expression) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.table)
            self.table.append(expression)
        return number
