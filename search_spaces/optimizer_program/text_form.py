"""Programs as text: one assignment per line, as people write and read them.

Why: reviewers read programs, and people bring their own as a file. The text is untrusted: it goes through a tokenizer
and a whitelist of names, never through Python's own parser. The rule: a line is `variable = argument + argument` (or
-, *, /) or `variable = function(arguments)`, an argument is a variable or a number, so nothing nests; what is printed
reads back as the same program, digit for digit.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, NoReturn

from automl.errors import InvalidGenotype
from search_spaces.optimizer_program.genotype import names_allowed
from search_spaces.optimizer_program.program import (
    MOST_STATEMENTS,
    NAMED,
    VARIABLES,
    Argument,
    Program,
    Statement,
    T,
    fault,
)
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, INDEX, Vocabulary

LONGEST_TEXT: Final = 65_536
LONGEST_LINE: Final = 500
"""In characters; the longest statement that is ever printed has about 100."""

INFIX: Final = {function.infix: index for index, function in enumerate(FUNCTIONS) if function.infix}

_BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
_TOKEN: Final = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>\.?[0-9](?:[eE][+-]|[0-9A-Za-z_.])*)"  # greedy, so that 0x10 and 1_000 are shown whole
    r"|(?P<mark>[-=(),+*/])"
)
_NUMBER: Final = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SIGNS: Final = ", ".join(INFIX)


def parse(text: str, *, vocabulary: Vocabulary) -> Program:
    """Reads a program.

    Args:
        text: one statement per line; `# comments`, blank lines, tabs, CRLF and a byte order mark are allowed.
        vocabulary: what the program may use.

    Raises:
        InvalidGenotype: too long, not a statement, a name outside the vocabulary, or a statement that does not fit its
            place; says line, column and what is allowed.
    """
    if len(text) > LONGEST_TEXT:
        raise InvalidGenotype("length of the text", len(text), f"at most {LONGEST_TEXT} characters")
    program: list[Statement] = []
    places: list[tuple[int, str]] = []
    for number, line in enumerate(text.removeprefix(_BYTE_ORDER_MARK).split("\n"), 1):
        tokens = _tokens(line.removesuffix("\r"), number)
        if not tokens:
            continue
        if len(program) == MOST_STATEMENTS:
            raise InvalidGenotype(f"line {number}", line, f"no further statement; {MOST_STATEMENTS} is the limit")
        program.append(_Line(tokens, number=number, end=len(line) + 1, vocabulary=vocabulary).statement())
        places.append((number, line))
    found = fault(tuple(program), vocabulary)
    if found:
        number, line = places[found[0]] if places else (1, "")
        column = len(line) - len(line.lstrip(" \t")) + 1
        raise InvalidGenotype(f"line {number}, column {column}", line.strip(), f"a program without fault; {found[1]}")
    return tuple(program)


def to_text(program: Program) -> str:
    """Returns the program with one statement per line; `parse` gives the same program back."""
    return "\n".join(to_line(statement) for statement in program)


def to_line(statement: Statement) -> str:
    """Returns one statement, e.g. `v1 = interp(g, v1, 0.9)`; constants with every digit that they need."""
    function, target = FUNCTIONS[statement[0]], VARIABLES[statement[1]]
    arguments = [VARIABLES[given] if isinstance(given, int) else repr(given) for given in statement[2:]]
    if function.infix:
        return f"{target} = {f' {function.infix} '.join(arguments)}"
    return f"{target} = {function.name}({', '.join(arguments)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """A word of a line.

    Attributes:
        kind: "name", "number", "mark", or "end" behind the last one.
        text: as written.
        column: of its first character, from 1.
    """

    kind: str
    text: str
    column: int


def _tokens(line: str, number: int) -> list[_Token]:
    """Returns the words of a line without its comment."""
    if len(line) > LONGEST_LINE:
        raise InvalidGenotype(f"line {number}", line[:LONGEST_LINE], f"at most {LONGEST_LINE} characters a line")
    code, _, comment = line.partition("#")
    for column, letter in enumerate(comment, len(code) + 2):
        if not (letter.isprintable() or letter == "\t"):
            raise InvalidGenotype(f"line {number}, column {column}", letter, f"printable characters, {_named(letter)}")
    tokens: list[_Token] = []
    place = 0
    while place < len(code):
        if code[place] in " \t":
            place += 1
            continue
        found = _TOKEN.match(code, place)
        if not found:
            allowed = f"ASCII names, numbers and the signs = ( ) , {_SIGNS}, {_named(code[place])}"
            raise InvalidGenotype(f"line {number}, column {place + 1}", code[place], allowed)
        tokens.append(_Token(kind=str(found.lastgroup), text=found.group(), column=place + 1))
        place = found.end()
    return tokens


def _named(letter: str) -> str:
    return f"not U+{ord(letter):04X} {unicodedata.name(letter, 'without a name')}"


class _Line:
    """Reads the words of one line from left to right, once."""

    def __init__(self, tokens: list[_Token], *, number: int, end: int, vocabulary: Vocabulary) -> None:
        self._tokens = [*tokens, _Token(kind="end", text="", column=end)]
        self._number, self._vocabulary = number, vocabulary

    def statement(self) -> Statement:
        """Returns the statement that the line is."""
        first = self._tokens[0]
        target = self._variable(self._take())
        self._expect("=", "a line such as x0 = square(g): a variable, then =")
        if self._tokens[0].kind == "name" and self._tokens[1].text == "(":
            function = self._function(self._take())
            arguments = self._call()
        else:
            left = self._argument()
            function = self._sign(first.text, left)
            arguments = [left, self._argument()]
        if self._tokens[0].kind != "end":
            self._refuse(self._tokens[0], "the end of the line; one function a line, the rest is a line of its own")
        return (function, target, *arguments)

    def _take(self) -> _Token:
        return self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]

    def _expect(self, mark: str, allowed: str) -> None:
        token = self._take()
        if token.text != mark:
            self._refuse(token, allowed)

    def _call(self) -> list[Argument]:
        """Returns the arguments between parentheses, up to and with the closing one."""
        self._take()
        arguments: list[Argument] = []
        if self._tokens[0].text == ")":
            self._take()
            return arguments
        while True:
            arguments.append(self._argument())
            token = self._take()
            if token.text == ")":
                return arguments
            if token.text != ",":
                self._refuse(token, "a comma or a closing parenthesis; an argument is one variable or one number")

    def _argument(self) -> Argument:
        token = self._take()
        if token.text == "-":
            number = self._take()
            if number.kind != "number":
                self._refuse(number, "a number behind the minus sign; the opposite of a variable is negative(variable)")
            return -self._constant(number)
        if token.kind == "number":
            return self._constant(token)
        if token.kind != "name":
            self._refuse(token, "a variable or a number; nothing nests")
        if self._tokens[0].text == "(":
            self._refuse(token, "a variable or a number; nothing nests, write the call on a line of its own before")
        return self._variable(token)

    def _sign(self, target: str, left: Argument) -> int:
        """Returns the function of the sign between two arguments."""
        token = self._take()
        if token.text not in INFIX:
            if token.kind == "end":
                known = VARIABLES[left] if isinstance(left, int) else repr(left)
                self._refuse(token, f"one of {_SIGNS}; there is no copy, use {known} where {target} is read")
            self._refuse(token, f"one of {_SIGNS}, or a call such as square(g)")
        return INFIX[token.text]

    def _constant(self, token: _Token) -> float:
        if not _NUMBER.fullmatch(token.text):
            self._refuse(token, "a decimal number such as 2, 0.9 or 1e-08")
        return float(token.text)

    def _variable(self, token: _Token) -> int:
        if token.kind != "name" or token.text not in NAMED:
            known = [name for name in VARIABLES if self._vocabulary.step or name != VARIABLES[T]]
            self._refuse(token, names_allowed("a variable", token.text, known=known))
        return NAMED[token.text]

    def _function(self, token: _Token) -> int:
        index = INDEX.get(token.text)
        if index is None or index not in self._vocabulary.functions:
            known = [FUNCTIONS[one].name for one in self._vocabulary.functions]
            what = f"a function of the vocabulary {self._vocabulary.name!r}"
            self._refuse(token, names_allowed(what, token.text, known=known))
        return index

    def _refuse(self, token: _Token, allowed: str) -> NoReturn:
        given = token.text if token.kind != "end" else "end of the line"
        raise InvalidGenotype(f"line {self._number}, column {token.column}", given, allowed)
