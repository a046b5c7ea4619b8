"""A program's statements as lines of PyTorch.

Why: the exported file is read by people, so each statement becomes the line that a person would write. What is known
outside the device (lr, t, constants and what follows from them) is a Python float; everything else is a tensor, or,
where a function looks across tensors, a list of tensors. The rule: the numbers are those of `reference`; functions of
Python floats never raise, because those of torch do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from search_spaces.optimizer_program.program import (
    LR,
    UPDATE,
    VARIABLES,
    Argument,
    Program,
    Statement,
    T,
    result_kind,
    start_kinds,
)
from search_spaces.optimizer_program.source_signs import POSITIVE, is_weight, signs_of
from search_spaces.optimizer_program.vocabulary import EPS, FUNCTIONS, LEAVES, SCALAR

ACROSS: Final = ("dot", "cosine_sim", "global_norm", "clip", "randn")
"""Functions that see all parameters of a group; with one of them, trees are lists."""

_INFIX: Final[Mapping[str, str]] = {
    "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "negative": "-{0}", "cube": "{0} * {0} * {0}",
}  # fmt: skip

_OF_TENSORS: Final[Mapping[str, str]] = {
    **_INFIX,
    **{name: f"torch.{name}({{0}})" for name in (
        "abs", "cos", "sin", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh",
        "arctanh", "exp", "exp2", "expm1", "square", "sign",
    )},
    "exp10": "torch.pow(10.0, {0})", "log": "torch.log(torch.abs({0}))", "log10": "torch.log10(torch.abs({0}))",
    "log2": "torch.log2(torch.abs({0}))", "log1p": "torch.log(torch.abs(1 + {0}))", "cbrt": "cube_root({0})",
    "sqrt": "torch.sqrt(torch.abs({0}))", "power": "torch.pow({0}, {1})", "maximum": "torch.maximum({0}, {1})",
    "minimum": "torch.minimum({0}, {1})", "interp": "{2} * {1} + (1 - {2}) * {0}",
    "reciprocal": "divide(1.0, {0})", "div": "divide({0}, {1})",
    "sdiv": "{0} / torch.where({1} < 0, {1} - 1e-08, {1} + 1e-08)", "select": "torch.where({0} > 0, {1}, {2})",
    "norm": "torch.sqrt(torch.square({0}).sum())", "leaf_dot": "({0} * {1}).sum()",
    "row_mean": "row_mean({0})", "col_mean": "col_mean({0})",
}  # fmt: skip

_OF_NUMBERS: Final[Mapping[str, str]] = {
    **_INFIX,
    **{name: f"of_numbers(torch.{name}, {{0}})" for name in (
        "cos", "sin", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
        "exp", "exp2", "expm1", "sign",
    )},
    "abs": "abs({0})", "square": "{0} * {0}", "sqrt": "math.sqrt(abs({0}))",
    "cbrt": "math.copysign(abs({0}) ** (1 / 3), {0})", "exp10": "of_numbers(torch.pow, 10.0, {0})",
    "log": "of_numbers(torch.log, abs({0}))", "log10": "of_numbers(torch.log10, abs({0}))",
    "log2": "of_numbers(torch.log2, abs({0}))", "log1p": "of_numbers(torch.log, abs(1 + {0}))",
    "power": "of_numbers(torch.pow, {0}, {1})", "maximum": "of_numbers(torch.maximum, {0}, {1})",
    "minimum": "of_numbers(torch.minimum, {0}, {1})", "interp": "{2} * {1} + (1 - {2}) * {0}",
    "reciprocal": "ratio(1.0, {0})", "div": "ratio({0}, {1})", "select": "{1} if {0} > 0 else {2}",
    "sdiv": "{0} / ({1} - 1e-08 if {1} < 0 else {1} + 1e-08)",
    "pi": "math.pi", "e": "math.e", "eps": repr(EPS),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One argument of a statement.

    Attributes:
        value: variable or constant.
        kind: SCALAR, LEAVES or TREE.
        number: whether it is a Python float, not a tensor.
        sign: what is known of it; see `signs_of`.
    """

    value: Argument
    kind: int
    number: bool
    sign: int

    @property
    def text(self) -> str:
        """The argument as written."""
        return VARIABLES[self.value] if isinstance(self.value, int) else repr(self.value)


def looks_across(program: Program) -> bool:
    """Whether a statement needs all parameters at once."""
    return any(FUNCTIONS[statement[0]].name in ACROSS for statement in program)


def statement_lines(program: Program) -> list[str]:
    """Returns one line per statement."""
    lists, signs = looks_across(program), signs_of(program)
    kinds, lines = start_kinds(), []
    numbers = [False] * len(VARIABLES)
    numbers[LR] = numbers[T] = True
    for statement, known in zip(program, signs, strict=True):
        terms = [
            Term(value=value, kind=kinds[value], number=numbers[value], sign=sign)
            if isinstance(value, int)
            else Term(value=value, kind=SCALAR, number=True, sign=sign)
            for value, sign in zip(statement[2:], known, strict=True)
        ]
        lines.append(f"{VARIABLES[statement[1]]} = {_expression(statement, terms, lists=lists)}")
        kinds[statement[1]] = result_kind(statement, kinds)
        numbers[statement[1]] = FUNCTIONS[statement[0]].name not in ACROSS and all(term.number for term in terms)
    assert kinds[UPDATE] > LEAVES
    return lines


def _expression(statement: Statement, terms: Sequence[Term], *, lists: bool) -> str:
    """Returns the right-hand side of a statement."""
    name = FUNCTIONS[statement[0]].name
    if name == "randn":
        return "noise"
    if name in ACROSS:
        return f"{name}({', '.join(term.text for term in terms)})"
    table = _OF_NUMBERS if all(term.number for term in terms) else _OF_TENSORS
    template = _special(name, terms) or table[name]
    listed = [term.value for term in terms if term.kind >= LEAVES] if lists else []
    if not listed:
        return template.format(*(term.text for term in terms))
    letters = {value: "abc"[index] for index, value in enumerate(dict.fromkeys(listed))}
    entry = template.format(*(letters.get(term.value, term.text) for term in terms))
    names = [VARIABLES[value] for value in letters if isinstance(value, int)]
    source = names[0] if len(names) == 1 else f"zip({', '.join(names)}, strict=True)"
    return f"[{entry} for {', '.join(letters.values())} in {source}]"


def _special(name: str, terms: Sequence[Term]) -> str:
    """Returns a simpler template where constants, signs or plain numbers allow one, else ""."""
    numbers = [term.number for term in terms]
    match name:
        case "sqrt" if terms[0].sign:
            return "math.sqrt({0})" if numbers[0] else "torch.sqrt({0})"
        case "div" | "reciprocal":
            return _quotient(name, terms)
        case "power" if terms[1].value == T and numbers[1] and is_weight(terms[0].value) and terms[0].value:
            return "{0} ** {1}"  # at most 1: Python would raise where it overflows
        case "add" | "sub" if isinstance(terms[1].value, float) and terms[1].value < 0:
            return ("{0} - " if name == "add" else "{0} + ") + repr(-terms[1].value)
        case _ if all(numbers):
            return ""
        case "maximum" | "minimum" if any(numbers):
            bound = "min" if name == "maximum" else "max"
            return f"{{1}}.clamp({bound}={{0}})" if numbers[0] else f"{{0}}.clamp({bound}={{1}})"
        case "interp" if is_weight(terms[2].value) and not (numbers[0] or numbers[1]):
            return "torch.lerp({0}, {1}, {2})"
        case "select":
            return _choice(terms)
        case "sdiv" if numbers[1]:
            return "{0} / ({1} - 1e-08 if {1} < 0 else {1} + 1e-08)"
    return ""


def _quotient(name: str, terms: Sequence[Term]) -> str:
    """Returns a division without a guard where the divisor cannot be 0."""
    divisor = terms[-1]
    if divisor.sign == POSITIVE or (isinstance(divisor.value, float) and divisor.value != 0):
        return "1 / {0}" if name == "reciprocal" else "{0} / {1}"
    if divisor.number and not terms[0].number:
        return "({0} / {1} if {1} != 0 else torch.zeros_like({0}))"
    return ""


def _choice(terms: Sequence[Term]) -> str:
    """Returns a `torch.where` whose condition is a tensor, and whose result is not of torch's default type."""
    whole = max(range(len(terms)), key=lambda index: (terms[index].kind, not terms[index].number))
    if terms[0].number:
        return f"torch.where(torch.full_like({{{whole}}}, {{0}}) > 0, {{1}}, {{2}})"
    if terms[1].number and terms[2].number:
        return "torch.where({0} > 0, torch.full_like({0}, {1}), {2})"
    return ""
