"""Which values of a program cannot be negative, so that the exported text may leave out guards.

Why: `v1 / (torch.sqrt(v2) + 1e-8)` is what people write; guards against negative roots and zero divisors would hide it.
The rule: a claim holds for every finite run that starts from zero states, with lr >= 0 and t >= 1. States are assumed
not to be negative, and the assumption is dropped where a step can break it.
"""

from collections.abc import Sequence
from typing import Final

from search_spaces.optimizer_program.program import LR, V1, V2, VARIABLES, Argument, Program, Statement, T
from search_spaces.optimizer_program.vocabulary import FUNCTIONS

ANY_SIGN: Final = 0
NOT_NEGATIVE: Final = 1
POSITIVE: Final = 2
"""Large enough not to be rounded to 0 in float32."""
SHARE: Final = 3
"""Between 0 and a number below 1."""

LEAST: Final = 1e-30
_MOST_SHARE: Final = 1 - 1e-6
_NEVER_NEGATIVE: Final = ("abs", "exp", "exp2", "exp10", "square", "sqrt", "norm", "global_norm")
_KEEP_SIGN: Final = ("sign", "cbrt", "cube", "reciprocal", "row_mean", "col_mean", "arctan", "tanh", "arcsinh", "expm1")
_OF_ALL: Final = ("mul", "div", "sdiv", "dot", "leaf_dot", "clip", "cosine_sim", "minimum")


def signs_of(program: Program) -> list[list[int]]:
    """Returns what is known of each argument of each statement: ANY_SIGN, NOT_NEGATIVE, POSITIVE or SHARE."""
    states = {V1: NOT_NEGATIVE, V2: NOT_NEGATIVE}
    while True:
        known = [ANY_SIGN] * len(VARIABLES)
        known[LR], known[T] = NOT_NEGATIVE, POSITIVE
        for state, sign in states.items():
            known[state] = sign
        read = []
        for statement in program:
            read.append([_sign(argument, known) for argument in statement[2:]])
            known[statement[1]] = _result(statement, read[-1])
        broken = [state for state, sign in states.items() if sign and not known[state]]
        if not broken:
            return read
        states |= dict.fromkeys(broken, ANY_SIGN)


def _sign(argument: Argument, known: Sequence[int]) -> int:
    if isinstance(argument, int):
        return known[argument]
    return POSITIVE if argument >= LEAST else NOT_NEGATIVE if argument >= 0 else ANY_SIGN


def _result(statement: Statement, read: Sequence[int]) -> int:
    """Returns what is known of a statement's result."""
    name, arguments = FUNCTIONS[statement[0]].name, statement[2:]
    match name:
        case "pi" | "e" | "eps" | "cosh":
            return POSITIVE
        case "sqrt" if read[0] == POSITIVE:
            return POSITIVE
        case "power" if arguments[1] == T and _is_share(arguments[0]):
            return SHARE
        case "sub" if read[1] == SHARE and isinstance(arguments[0], float) and arguments[0] >= 1:
            return POSITIVE
        case "add" | "maximum":
            if name == "maximum" and POSITIVE in read:
                return POSITIVE
            return POSITIVE if min(read) and POSITIVE in read else NOT_NEGATIVE if min(read) else ANY_SIGN
        case "interp":
            return NOT_NEGATIVE if min(read[:2]) and is_weight(arguments[2]) else ANY_SIGN
        case "select":
            return NOT_NEGATIVE if min(read[1:]) else ANY_SIGN
        case "power":
            return NOT_NEGATIVE if read[0] else ANY_SIGN
        case _ if name in _NEVER_NEGATIVE:
            return NOT_NEGATIVE
        case _ if name in _KEEP_SIGN or name in _OF_ALL:
            return NOT_NEGATIVE if min(read) else ANY_SIGN
    return ANY_SIGN


def is_weight(argument: Argument) -> bool:
    """Whether an argument is a constant in [0, 1]."""
    return isinstance(argument, float) and 0 <= argument <= 1


def _is_share(argument: Argument) -> bool:
    return isinstance(argument, float) and 0 < argument <= _MOST_SHARE
