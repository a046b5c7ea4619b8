"""Canonical form of programs: equal forms move w alike, whatever the names, the order, the detours or the dead weight.

Why: most children of evolution are a known program in disguise; a form costs microseconds where a training costs
minutes. The short program of a form is what people read. The rule: a program and its short form give the same w at
every step of a training, exactly in float64 (see `algebra`); a state that no update ever reads is not computed.

Sources: Chen et al. 2023 (Lion), section 2.3: functional hash and removal of redundant statements.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from search_spaces.optimizer_program.program import (
    FIRST_LOCAL,
    INPUTS,
    OUTPUTS,
    UPDATE,
    V1,
    V2,
    VARIABLES,
    Argument,
    Program,
    Statement,
)
from search_spaces.optimizer_program.value_facts import MUL
from search_spaces.optimizer_program.value_numbering import DEAD, FormTable, Roots

MAX_FORMS: Final = 100_000
"""Values kept before a table is dropped; about 30 MB."""

_THREAD: Final = threading.local()


def forms() -> FormTable:
    """Returns this thread's table, a new one where the old is full; no result depends on which."""
    found: FormTable | None = getattr(_THREAD, "forms", None)
    if found is None or len(found) > MAX_FORMS:
        found = _THREAD.forms = FormTable()
    return found


def form(program: Program) -> bytes:
    """Returns 16 bytes shared by the programs that are this one in disguise; the same in every process."""
    table = forms()
    return table.form(table.roots(program))


def digest(program: Program) -> str:
    """Returns `form` as 32 hex digits."""
    return form(program).hex()


def live_statements(program: Program) -> tuple[int, ...]:
    """Returns the places of the statements that update or a state is computed from within a step.

    The published notion: states count as results whether or not they are ever read, and nothing is rewritten.
    """
    return _traced(program, set(OUTPUTS))[0]


def needed_statements(program: Program) -> tuple[int, ...]:
    """Returns the places of the statements that update is computed from, in this step or a later one."""
    wanted = {UPDATE}
    while True:
        places, given = _traced(program, wanted)
        read = given & {V1, V2}
        if read <= wanted:
            return places
        wanted |= read


def simplify(program: Program) -> Program:
    """Returns the short program of a form: each needed value once, rewritten, in a canonical order.

    Where that would be longer (a sign taken out of three places) or need more variables than there are, the needed
    statements as they stand. States that are dead or never change are not written.
    """
    table = forms()
    needed = needed_statements(program)
    written = _Writer(table).program(table.roots(program))
    if written is None or len(written) > len(needed):
        return tuple(program[place] for place in needed)
    return written


def _traced(program: Program, wanted: set[int]) -> tuple[tuple[int, ...], set[int]]:
    """Returns the places of the statements that `wanted` variables need, and the variables that are read as given."""
    reading, places = set(wanted), []
    for place in range(len(program) - 1, -1, -1):
        target = program[place][1]
        if target in reading:
            places.append(place)
            reading.discard(target)
            reading.update(argument for argument in program[place][2:] if isinstance(argument, int))
    return tuple(reversed(places)), reading


@dataclass(slots=True, kw_only=True)
class _Line:
    """A statement to be written: what it computes, from what, and for which output, if any."""

    value: int
    function: int
    arguments: tuple[int, ...]
    output: int | None


class _Writer:
    """Writes the values of a form as a program.

    Args:
        table: holds the values.
    """

    def __init__(self, table: FormTable) -> None:
        self._table = table
        self._one = table.constant(1.0)
        self._copies = 0

    def program(self, roots: Roots) -> Program | None:
        """Returns the program, or None where it needs more locals than there are."""
        return self._named(self._scheduled(self._lines(roots)))

    def _lines(self, roots: Roots) -> list[_Line]:
        """Returns a line for each needed value; outputs that are inputs, or another output, get a line `value * 1`."""
        outputs = [(o, root) for o, root in zip(OUTPUTS, roots, strict=True) if root not in (DEAD, o) or o == UPDATE]
        computed = self._table.order(roots)
        homes: dict[int, int] = {}
        copied = []
        for output, root in outputs:
            if root in homes or root < len(INPUTS):
                copied.append((output, root))
            else:
                homes[root] = output
        functions, read = self._table.functions, self._table.written_arguments
        lines = [
            _Line(value=value, function=functions[value], arguments=read(value), output=homes.get(value))
            for value in computed
        ]
        return lines + [self._copy(root, output) for output, root in copied]

    def _copy(self, value: int, output: int) -> _Line:
        """Returns the line `output = value * 1`; negative numbers stand for what no table holds."""
        self._copies += 1
        return _Line(value=-self._copies, function=MUL, arguments=(value, self._one), output=output)

    def _scheduled(self, waiting: list[_Line]) -> list[_Line]:
        """Orders the lines so that arguments come first and a state is overwritten after its last reading.

        Where two states are each made of the other's old value, one is written to a local and copied at the end.
        """
        ordered: list[_Line] = []
        while waiting:
            missing = {line.value for line in waiting}
            ready = [line for line in waiting if missing.isdisjoint(line.arguments)]
            chosen = next((line for line in ready if not _overwrites(line, waiting)), None)
            if chosen is None:
                chosen = ready[0]
                assert chosen.output is not None
                waiting.append(self._copy(chosen.value, chosen.output))
                chosen.output = None
            waiting = [line for line in waiting if line is not chosen]
            ordered.append(chosen)
        return ordered

    def _named(self, lines: Sequence[_Line]) -> Program | None:
        """Gives each line a variable: its output, or the first local that is no longer read."""
        last = {argument: place for place, line in enumerate(lines) for argument in line.arguments}
        free = list(range(len(VARIABLES) - 1, FIRST_LOCAL - 1, -1))
        places: dict[int, Argument] = {variable: variable for variable in INPUTS}
        statements: list[Statement] = []
        for place, line in enumerate(lines):
            arguments = [self._argument(argument, places) for argument in line.arguments]
            for argument in set(line.arguments):
                held = places.get(argument)
                if isinstance(held, int) and held >= FIRST_LOCAL and last[argument] == place:
                    free.append(held)
            free.sort(reverse=True)
            if line.output is None and not free:
                return None
            target = free.pop() if line.output is None else line.output
            places[line.value] = target
            statements.append((line.function, target, *arguments))
        return tuple(statements)

    def _argument(self, value: int, places: dict[int, Argument]) -> Argument:
        constant = self._table.constants.get(value)
        return places[value] if constant is None else constant


def _overwrites(line: _Line, waiting: Sequence[_Line]) -> bool:
    """Whether a line writes a state whose old value another line still reads; states have their variables' numbers."""
    return line.output in (V1, V2) and any(line.output in other.arguments for other in waiting if other is not line)
