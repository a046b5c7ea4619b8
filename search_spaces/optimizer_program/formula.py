"""A program as mathematics: one line for tables and logs, or numbered equations for the head of an exported file.

Why: a rule is judged by its formula, not by ten assignments. The rule: only what moves w is written; v1 and v2 stand
for the states as the last step left them, v1' and v2' for what this step leaves, so the equations may be read in any
order; a value that is used twice is named a1, a2, ...; division, roots and logarithms are those of `vocabulary`.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.listing import STATES, flow, given, live
from search_spaces.optimizer_program.program import (
    INPUTS,
    UPDATE,
    VARIABLES,
    Argument,
    Program,
    result_kind,
    start_kinds,
)
from search_spaces.optimizer_program.vocabulary import EPS, FUNCTIONS, SCALAR

LONGEST: Final = 160
"""Characters of `formula`."""
WIDEST: Final = 90
"""Characters of an equation of `mathematics`; a longer one is split, as far as its parts can be named."""

_REPEATED: Final = 12
"""A text of up to so many characters is repeated rather than named."""
_CLOSE: Final = 1e-3
"""Relative error of a rounded constant, and of its distance from 1."""
_SUM, _PRODUCT, _POWER, _ATOM = range(4)
_POWERS: Final = {"square": "2", "cube": "3"}
_NAMES: Final = {"maximum": "max", "minimum": "min"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A part of a formula.

    Attributes:
        size: as it stands alone, without a minus in front of the whole.
        level: how strongly `size` holds together.
        rank: where it stands among factors: 0 numbers, 1 other scalars, 2 what differs between parameters.
        is_negative: whether there is a minus in front of the whole; never of a sum.
    """

    size: str
    level: int
    rank: int
    is_negative: bool = False

    @property
    def text(self) -> str:
        """As it stands alone."""
        return f"-{self.size}" if self.is_negative else self.size

    def inside(self, level: int) -> str:
        """Returns the text as it stands in something of at least this level, not in front."""
        return f"({self.text})" if self.is_negative or self.level < level else self.size


_ONE: Final = _Piece(size="1", level=_ATOM, rank=0)
_ZERO: Final = _Piece(size="0", level=_ATOM, rank=0)


def formula(program: Program) -> str:
    """Returns the short form of a valid program on one line, e.g. `update = 0.1*lr*v1'; v1' = 0.9*v1 + g`.

    The update comes first, as what is beyond LONGEST characters is cut off. Constants are rounded.
    """
    equations = _Equations(simplify(program), exact=False).solve()
    ordered = sorted(equations, key=lambda equation: equation[0] != VARIABLES[UPDATE])
    line = "; ".join(f"{name} = {text}" for name, text in ordered)
    if len(line) <= LONGEST:
        return line
    head = line[: LONGEST - 3]
    return head[: max(head.rfind(mark) for mark in " */(") + 1].rstrip() + "..."


def mathematics(program: Program) -> tuple[str, ...]:
    """Returns a valid program as numbered equations, e.g. `(1) v1' = 0.9*v1 + (1 - 0.9)*g`.

    The program is taken as it stands, less what is dead; constants have all their digits.
    """
    equations = _Equations(program, exact=True).solve()
    return tuple(f"({number}) {name} = {text}" for number, (name, text) in enumerate(equations, 1))


class _Equations:
    """Writes the live statements of one program, once.

    Args:
        exact: whether constants keep all digits, averages are written out and long equations are split.
    """

    def __init__(self, program: Program, *, exact: bool) -> None:
        self._exact = exact
        self._program = program
        self._flow = flow(program)
        self._live = live(self._flow)
        self._written: list[tuple[str, str]] = []
        self._shared = 0
        self._ranks: list[int] = []
        kinds = start_kinds()
        self._pieces = {given(one): _Piece(size=VARIABLES[one], level=_ATOM, rank=_rank(kinds[one])) for one in INPUTS}
        for statement in program:
            kinds[statement[1]] = result_kind(statement, kinds)
            self._ranks.append(_rank(kinds[statement[1]]))

    def solve(self) -> list[tuple[str, str]]:
        """Returns (name, right-hand side): shared values, the states that matter, and the update."""
        kept = [state for state in STATES if given(state) in self._live]
        names = {self._flow.of(state): f"{VARIABLES[state]}'" for state in kept}
        names[self._flow.of(UPDATE)] = VARIABLES[UPDATE]
        for state in kept:
            if self._flow.of(state) == given(state):
                self._written.append((names.pop(given(state)), VARIABLES[state]))
        numbers = sorted(number for number in self._live if number >= 0)
        uses = Counter(origin for number in numbers for origin in self._flow.reads[number])
        for number in numbers:
            self._pieces[number] = self._piece(number)
            if number in names:
                self._name(number, names[number])
            elif uses[number] > 1:
                self._shorten(number)
        return self._written

    def _piece(self, number: int) -> _Piece:
        """Returns a statement's value, its longest arguments named until it is no wider than allowed."""
        function, reads = FUNCTIONS[self._program[number][0]].name, self._flow.reads[number]
        if self._exact and function == "interp":
            self._shorten(reads[2])
        while True:
            piece = self._apply(function, [self._of(read) for read in reads], rank=self._ranks[number])
            long = [read for read in reads if isinstance(read, int) and len(self._pieces[read].text) > _REPEATED]
            if not (self._exact and long and len(piece.text) > WIDEST):
                return piece
            self._shorten(max(long, key=lambda read: len(self._pieces[read].text)))

    def _of(self, origin: Argument) -> _Piece:
        return self._pieces[origin] if isinstance(origin, int) else self._number(origin)

    def _shorten(self, origin: Argument) -> None:
        """Gives a value a name of its own if it is long."""
        if isinstance(origin, int) and len(self._pieces[origin].text) > _REPEATED:
            self._shared += 1
            self._name(origin, f"a{self._shared}")

    def _name(self, origin: int, name: str) -> None:
        self._written.append((name, self._pieces[origin].text))
        self._pieces[origin] = _Piece(size=name, level=_ATOM, rank=self._pieces[origin].rank)

    def _number(self, value: float) -> _Piece:
        text = _written_out(value) if self._exact else _rounded(value)
        return _Piece(size=text.removeprefix("-"), level=_ATOM, rank=0, is_negative=text.startswith("-"))

    def _apply(self, function: str, arguments: list[_Piece], *, rank: int) -> _Piece:
        """Returns a function of pieces; `rank` is that of the result where it is a call."""
        match function, arguments:
            case "add", [x, y]:
                return _sum(x, y)
            case "sub", [x, y]:
                return _sum(x, _opposite(y))
            case "mul", [x, y]:
                return _product(x, y)
            case "div", [x, y]:
                return _quotient(x, y)
            case "reciprocal", [x]:
                return _quotient(_ONE, x)
            case "negative", [x]:
                return _opposite(x)
            case "power", [x, y]:
                return _Piece(size=f"{x.inside(_ATOM)}^{y.inside(_ATOM)}", level=_POWER, rank=rank)
            case ("interp", [x, y, share]) if self._exact:
                return _sum(_product(share, y), _product(_sum(_ONE, _opposite(share)), x))
            case "eps", []:
                return self._number(EPS)
            case (("pi" | "e"), []):
                return _Piece(size=function, level=_ATOM, rank=1)
            case _:
                return _call(function, arguments, rank=rank)


def _call(function: str, arguments: list[_Piece], *, rank: int) -> _Piece:
    if function in _POWERS:
        return _Piece(size=f"{arguments[0].inside(_ATOM)}^{_POWERS[function]}", level=_POWER, rank=rank)
    if function == "abs" and "|" not in arguments[0].text:
        return _Piece(size=f"|{arguments[0].text}|", level=_ATOM, rank=rank)
    texts = ", ".join(argument.text for argument in arguments)
    return _Piece(size=f"{_NAMES.get(function, function)}({texts})", level=_ATOM, rank=rank)


def _sum(x: _Piece, y: _Piece) -> _Piece:
    if _ZERO in (x, y):
        return y if x == _ZERO else x
    joined = f"{x.text} - {y.text[1:]}" if y.text.startswith("-") else f"{x.text} + {y.text}"
    return _Piece(size=joined, level=_SUM, rank=max(x.rank, y.rank))


def _opposite(x: _Piece) -> _Piece:
    if x == _ZERO:
        return x
    size, level = (f"({x.size})", _ATOM) if x.level == _SUM else (x.size, x.level)
    return _Piece(size=size, level=level, rank=x.rank, is_negative=not x.is_negative)


def _product(x: _Piece, y: _Piece) -> _Piece:
    """x*y, numbers first, then scalars."""
    first, last = sorted((x, y), key=lambda piece: piece.rank)
    for one, other in ((first, last), (last, first)):
        if one.size == "1":
            return _opposite(other) if one.is_negative else other
    return _Piece(
        size=f"{_size(first, _PRODUCT)}*{_size(last, _PRODUCT)}",
        level=_PRODUCT,
        rank=max(x.rank, y.rank),
        is_negative=x.is_negative != y.is_negative,
    )


def _quotient(x: _Piece, y: _Piece) -> _Piece:
    if y in (_ONE, _ZERO):
        return x if y == _ONE else _ZERO
    return _Piece(
        size=f"{_size(x, _PRODUCT)}/{_size(y, _POWER)}",
        level=_PRODUCT,
        rank=max(x.rank, y.rank),
        is_negative=x.is_negative != y.is_negative,
    )


def _size(x: _Piece, level: int) -> str:
    """Returns a piece without its minus, as it stands in something of at least this level."""
    return f"({x.size})" if x.level < level else x.size


def _rank(kind: int) -> int:
    return 1 if kind == SCALAR else 2


def _written_out(value: float) -> str:
    return repr(value + 0.0).removesuffix(".0")


def _rounded(value: float) -> str:
    """Returns a constant with so few digits that neither it nor 1 minus it changes by more than a thousandth."""
    allowed = _CLOSE * min(abs(value), abs(1 - value) or 1.0)
    texts = (f"{value:.{digits}g}" for digits in range(1, 18))
    return _written_out(next(float(text) for text in texts if abs(float(text) - value) <= allowed))
