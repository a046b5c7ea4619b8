"""Programs as plain tuples: variables, statements, kinds.

A program is a function (w, g, v1, v2, lr, t) -> (update, v1, v2): parameters, gradients, two states that start at zero,
the learning rate and the step, from 1. The outer loop does w <- w - update. Its body is a list of statements, each one
function of variables or constants, written to a variable; inputs may be overwritten. Two states, as AdamW has: memory
never exceeds AdamW's.

Why: a statement is a tuple of ints and floats, so that copying, comparing and hashing programs costs nothing; tens of
thousands are made per second. The rule: w, g, v1, v2 and update are always trees, lr and t always scalars; a local has
the kind of what it was last assigned; a variable is read only after it was assigned.
"""

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

from search_spaces.optimizer_program.vocabulary import (
    ANY,
    FUNCTIONS,
    INDEX,
    KINDS,
    LARGEST_CONSTANT,
    SCALAR,
    TREE,
    Vocabulary,
)

Argument: TypeAlias = int | float
"""An int is a variable, a float a constant."""
Statement: TypeAlias = tuple[int, int, *tuple[Argument, ...]]
"""(function, target variable, arguments...)."""
Program: TypeAlias = tuple[Statement, ...]
Rows: TypeAlias = Sequence[Sequence[str | float]]
"""Statements by name, [target, function, arguments...], as genotypes store them: ["v1", "interp", "g", "v1", 0.9]."""

LOCALS: Final = 17
VARIABLES: Final = ("w", "g", "v1", "v2", "lr", "t", "update", *(f"x{index}" for index in range(LOCALS)))
NAMED: Final = {name: index for index, name in enumerate(VARIABLES)}
W, G, V1, V2, LR, T, UPDATE, FIRST_LOCAL = range(8)
INPUTS: Final = (W, G, V1, V2, LR, T)
OUTPUTS: Final = (UPDATE, V1, V2)
FIXED_KINDS: Final = (TREE, TREE, TREE, TREE, SCALAR, SCALAR, TREE)
"""Of w, g, v1, v2, lr, t and update."""
UNDEFINED: Final = -1
MOST_STATEMENTS: Final = 128

_ARGUMENTS: Final = tuple(function.arguments for function in FUNCTIONS)
_RESULTS: Final = tuple(function.result for function in FUNCTIONS)


def start_kinds() -> list[int]:
    """Returns the kind of each variable before the first statement; UNDEFINED for update and the locals."""
    return [*FIXED_KINDS[:UPDATE], *[UNDEFINED] * (len(VARIABLES) - UPDATE)]


def kinds_before(program: Program, place: int) -> list[int]:
    """Returns the kind of each variable just before statement `place` of a valid program."""
    kinds = start_kinds()
    for statement in program[:place]:
        kinds[statement[1]] = result_kind(statement, kinds)
    return kinds


def result_kind(statement: Statement, kinds: Sequence[int]) -> int:
    """Returns the kind of what a statement computes, given the kinds of the variables before it."""
    fixed = _RESULTS[statement[0]]
    if fixed != ANY:
        return fixed
    largest = SCALAR
    for argument in statement[2:]:
        if argument.__class__ is int and kinds[argument] > largest:
            largest = kinds[argument]
    return largest


def is_valid(program: Program) -> bool:
    """Whether every argument is defined and of a fitting kind, every target keeps its kind, and update is assigned.

    Trusts that functions, variables and arities exist; see `fault` for data from outside.
    """
    kinds = start_kinds()
    for statement in program:
        largest = SCALAR
        for wanted, argument in zip(_ARGUMENTS[statement[0]], statement[2:], strict=False):
            if argument.__class__ is int:
                kind = kinds[argument]
                if kind == UNDEFINED or (wanted != ANY and kind != wanted):
                    return False
                if kind > largest:
                    largest = kind
            elif wanted == TREE:
                return False
        fixed, target = _RESULTS[statement[0]], statement[1]
        kind = largest if fixed == ANY else fixed
        if target < FIRST_LOCAL and kind != FIXED_KINDS[target]:
            return False
        kinds[target] = kind
    return kinds[UPDATE] == TREE


def fault(program: Program, vocabulary: Vocabulary) -> tuple[int, str] | None:
    """Returns (statement number, what is wrong and what is allowed) for programs from outside, None for a valid one.

    A fault of the whole program, such as a missing update, is reported at its last statement.
    """
    if not 1 <= len(program) <= MOST_STATEMENTS:
        return max(0, len(program) - 1), f"{len(program)} statements; allowed are 1 to {MOST_STATEMENTS}"
    kinds = start_kinds()
    for number, statement in enumerate(program):
        wrong = _statement_fault(statement, kinds, vocabulary)
        if wrong:
            return number, wrong
        kinds[statement[1]] = result_kind(statement, kinds)
    if kinds[UPDATE] == UNDEFINED:
        return len(program) - 1, "update is never assigned; the last word of a program is what w is moved by"
    return None


def _statement_fault(statement: Statement, kinds: Sequence[int], vocabulary: Vocabulary) -> str:
    function, target = FUNCTIONS[statement[0]], statement[1]
    if statement[0] not in vocabulary.functions:
        return f"{function.name} is not in the vocabulary {vocabulary.name!r}"
    arguments = statement[2:]
    if len(arguments) != len(function.arguments):
        return f"{function.name} takes {len(function.arguments)} arguments, not {len(arguments)}"
    for wanted, argument in zip(function.arguments, arguments, strict=True):
        if isinstance(argument, float):
            if not math.isfinite(argument) or abs(argument) > LARGEST_CONSTANT:
                return f"constant {argument!r}; allowed are numbers between -1e10 and 1e10"
            kind, name = SCALAR, repr(argument)
        else:
            kind, name = kinds[argument], VARIABLES[argument]
            if argument == T and not vocabulary.step:
                return f"t is not an input in the vocabulary {vocabulary.name!r}"
        if kind == UNDEFINED:
            known = ", ".join(VARIABLES[index] for index, one in enumerate(kinds) if one != UNDEFINED)
            return f"{name} is read before it is assigned; known here are {known}"
        if wanted not in (ANY, kind):
            return f"{function.name} takes a {KINDS[wanted]} where {name} is a {KINDS[kind]}"
    result = result_kind(statement, kinds)
    if target == T and not vocabulary.step:
        return f"t is no variable in the vocabulary {vocabulary.name!r}"
    if target < FIRST_LOCAL and result != FIXED_KINDS[target]:
        return f"{VARIABLES[target]} is always a {KINDS[FIXED_KINDS[target]]}; this is a {KINDS[result]}"
    return ""


def from_rows(rows: Rows) -> Program:
    """Returns the program of rows that are known to be well formed (the zoo); `genotype` reads those from outside."""
    return tuple((INDEX[str(row[1])], NAMED[str(row[0])], *map(_argument, row[2:])) for row in rows)


def to_rows(program: Program) -> list[list[str | float]]:
    """Returns the statements by name."""
    return [
        [VARIABLES[target], FUNCTIONS[function].name, *(VARIABLES[a] if isinstance(a, int) else a for a in arguments)]
        for function, target, *arguments in program
    ]


def _argument(given: str | float) -> Argument:
    return NAMED[given] if isinstance(given, str) else float(given)
