"""Value numbering of programs: every distinct value of a step is one number, however it is written.

Why: most mutants differ from their parent in one or two values or in none, so a program is recognized by a table
look-up per statement; names, order, repeated and dead statements vanish by themselves (hash-consing).
The rule: numbers depend on what a table has seen before and mean nothing outside it; digests do not, so what is kept is
a digest or a program. A table may be dropped at any time.

A state that no update ever reads, in this step or a later one, is no part of a program's form: w moves alike without.
"""

import hashlib
import struct
from typing import Any, Final, TypeAlias

from search_spaces.optimizer_program import algebra
from search_spaces.optimizer_program.program import FIXED_KINDS, INPUTS, UPDATE, V1, V2, VARIABLES, G, Program, W
from search_spaces.optimizer_program.value_facts import ZERO_TREE, is_nonnegative, result_kind
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, INDEX, SCALAR

Roots: TypeAlias = tuple[int, int, int]
"""Numbers of update, v1 and v2 after a step; DEAD for a state that no update ever reads."""
DEAD: Final = -1
CONSTANT: Final = -1
"""In place of a function: a constant."""
INPUT: Final = -2
"""In place of a function: what a step is given; its number is the variable's."""

ON_GRADIENT: Final = 1 << G
ON_V1: Final = 1 << V1
ON_V2: Final = 1 << V2
ON_STATES: Final = ON_V1 | ON_V2
ON_NOISE: Final = 1 << len(INPUTS)
"""Bits of what a value depends on; bit i is variable i."""

_RANDN: Final = INDEX["randn"]
_COMMUTATIVE: Final = tuple(function.commutative for function in FUNCTIONS)
_NAMES: Final = tuple(function.name.encode() for function in FUNCTIONS)
_NO_VALUE: Final = b"\0" * 16


class FormTable:
    """Hash-consed values; equal numbers are equal values within the life of one table. One per thread.

    Attributes:
        functions: index of each value's function; CONSTANT or INPUT for values that no function gives.
        arguments: numbers of the values that each one reads; always smaller than its own, but for the zero of leaves.
        constants: the number that each constant is.
        kinds: SCALAR, LEAVES or TREE.
        masks: bits of the inputs that each value depends on.
    """

    def __init__(self) -> None:
        self.functions = [INPUT] * len(INPUTS)
        self.arguments: list[tuple[int, ...]] = [()] * len(INPUTS)
        self.constants: dict[int, float] = {}
        self.kinds = list(FIXED_KINDS[: len(INPUTS)])
        self.masks = [1 << variable for variable in INPUTS]
        self._nonnegative: dict[int, bool] = {}
        self._heights = dict.fromkeys(INPUTS, 0)
        self._digests = {variable: _digest(VARIABLES[variable].encode()) for variable in INPUTS}
        self._table: dict[tuple[int, ...], int] = {}
        self._constants: dict[float, int] = {}
        self.constant(0.0)
        sub, norm = INDEX["sub"], INDEX["norm"]
        self._table[(sub, W, W)] = self._store(sub, (W, W))
        self._table[(norm, ZERO_TREE)] = self._store(norm, (ZERO_TREE,))
        self.masks[ZERO_TREE:] = [0, 0]

    def __len__(self) -> int:
        return len(self._table) + len(self._constants)

    def roots(self, program: Program) -> Roots:
        """Returns the numbers of a valid program's update and states; programs of one form have the same."""
        known: list[int] = [*INPUTS, *[-1] * (len(VARIABLES) - UPDATE)]
        get, constant = self._table.get, self._constants.get
        statements: tuple[tuple[Any, ...], ...] = program
        for statement in statements:
            count = len(statement)
            if count == 4:
                function, target, a, b = statement
                x = known[a] if a.__class__ is int else constant(a, -1)
                found = get((function, x, known[b] if b.__class__ is int else constant(b, -1)))
            elif count == 3:
                function, target, a = statement
                found = get((function, known[a] if a.__class__ is int else constant(a, -1)))
            else:
                function, target, *rest = statement
                found = get((function, *[known[a] if a.__class__ is int else constant(a, -1) for a in rest]))
            if found is None:
                new = [known[a] if a.__class__ is int else self.constant(a) for a in statement[2:]]
                found = self.add(function, *new)
            known[target] = found
        reads = self.reads((known[UPDATE], known[V1], known[V2]))
        return known[UPDATE], known[V1] if reads & ON_V1 else DEAD, known[V2] if reads & ON_V2 else DEAD

    def add(self, function: int, *arguments: int) -> int:
        """Returns the number of a function of stored values, storing it if it is new and no rewrite applies."""
        key = (function, *arguments)
        found = self._table.get(key)
        if found is None:
            if _COMMUTATIVE[function] and arguments[1] < arguments[0]:
                found = self.add(function, arguments[1], arguments[0])
            else:
                found = algebra.rewrite(self, function, arguments)
            self._table[key] = found = self._store(function, arguments) if found is None else found
        return found

    def constant(self, value: float) -> int:
        """Returns the number of a constant; -0 is 0."""
        found = self._constants.get(value)
        if found is None:
            self._constants[value] = found = self._append(CONSTANT, (), SCALAR, 0)
            self.constants[found] = value + 0.0
        return found

    def is_nonnegative(self, value: int) -> bool:
        """Whether a value is known to be at least 0."""
        known = self._nonnegative.get(value)
        if known is None:
            known = self._nonnegative[value] = is_nonnegative(self, value)
        return known

    def reads(self, roots: Roots) -> int:
        """Returns the bits of what a program's updates depend on, now or in later steps."""
        masks = self.masks
        update, first, second = roots
        reads, before = masks[update], -1
        while reads != before:
            before = reads
            if reads & ON_V1:
                reads |= masks[first]
            if reads & ON_V2:
                reads |= masks[second]
        return reads

    def digest(self, value: int) -> bytes:
        """Returns 16 bytes that name a value in every process."""
        known = self._digests.get(value)
        if known is None:
            parts = [self.digest(argument) for argument in self.arguments[value]]
            function, number = self.functions[value], self.constants.get(value)
            if number is not None:
                known = _digest(b"constant" + struct.pack("<d", number))
            else:
                known = _digest(_NAMES[function] + b"".join(sorted(parts) if _COMMUTATIVE[function] else parts))
            self._digests[value] = known
        return known

    def form(self, roots: Roots) -> bytes:
        """Returns 16 bytes that name a program's form in every process."""
        return _digest(b"".join(_NO_VALUE if root == DEAD else self.digest(root) for root in roots))

    def written_arguments(self, value: int) -> tuple[int, ...]:
        """Returns what a value reads, as written: where the order is free, longest chain first, constants last."""
        arguments = self.arguments[value]
        if len(arguments) == 2 and _COMMUTATIVE[self.functions[value]]:
            return tuple(sorted(arguments, key=self._place))
        return arguments

    def order(self, roots: Roots) -> list[int]:
        """Returns the computed values that a program needs, arguments first; those of the update, then the states'."""
        ordered: dict[int, None] = {}

        def visit(value: int) -> None:
            if value in ordered or self.functions[value] < 0:
                return
            for argument in self.written_arguments(value):
                visit(argument)
            ordered[value] = None

        for root in roots:
            if root != DEAD:
                visit(root)
        return list(ordered)

    def _place(self, value: int) -> tuple[bool, int, bytes]:
        return value in self.constants, -self._height(value), self.digest(value)

    def _height(self, value: int) -> int:
        """Returns the functions on the longest way from an input or a constant to a value."""
        known = self._heights.get(value)
        if known is None:
            known = 1 + max((self._height(argument) for argument in self.arguments[value]), default=-1)
            self._heights[value] = known
        return known

    def _store(self, function: int, arguments: tuple[int, ...]) -> int:
        masks, mask = self.masks, ON_NOISE if function == _RANDN else 0
        for argument in arguments:
            mask |= masks[argument]
        return self._append(function, arguments, result_kind(self, function, arguments), mask)

    def _append(self, function: int, arguments: tuple[int, ...], kind: int, mask: int) -> int:
        self.functions.append(function)
        self.arguments.append(arguments)
        self.kinds.append(kind)
        self.masks.append(mask)
        return len(self.masks) - 1


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()
