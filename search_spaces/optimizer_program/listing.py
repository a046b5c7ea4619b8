"""A program line by line, with what each line does; and which line reads what.

Why: a reviewer's first questions of an evolved program are which statements matter and what is remembered. The rule: a
statement matters if the update of this or a later step depends on it; values are followed through overwritten
variables, and through the states from one step to the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from search_spaces.optimizer_program.program import INPUTS, OUTPUTS, UPDATE, V1, V2, VARIABLES, Argument, Program
from search_spaces.optimizer_program.text_form import to_line
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, INDEX

STATES: Final = (V1, V2)
_INTERP: Final = INDEX["interp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Where values come from: an int >= 0 is the statement that made it, `given(variable)` an input, a float itself.

    Attributes:
        reads: for each statement, the origins of its arguments.
        last: origins of update, v1 and v2 after the last statement.
    """

    reads: tuple[tuple[Argument, ...], ...]
    last: tuple[int, int, int]

    def of(self, output: int) -> int:
        """Returns the origin of update, v1 or v2 after the last statement."""
        return self.last[OUTPUTS.index(output)]


def given(variable: int) -> int:
    """Returns the origin of a value that the step starts with."""
    return -1 - variable


def flow(program: Program) -> Flow:
    """Returns where the values of a valid program come from."""
    origin = {variable: given(variable) for variable in INPUTS}
    reads = []
    for number, statement in enumerate(program):
        reads.append(tuple(origin[one] if isinstance(one, int) else one for one in statement[2:]))
        origin[statement[1]] = number
    return Flow(reads=tuple(reads), last=(origin[UPDATE], origin[V1], origin[V2]))


def live(known: Flow) -> frozenset[int]:
    """Returns the origins that the update of this or a later step depends on: statements and inputs."""
    reached: set[int] = set()
    waiting = [known.of(UPDATE)]
    while waiting:
        one = waiting.pop()
        if one in reached:
            continue
        reached.add(one)
        if one >= 0:
            waiting.extend(read for read in known.reads[one] if isinstance(read, int))
        waiting.extend(known.of(state) for state in STATES if one == given(state))
    return frozenset(reached)


def listing(program: Program) -> tuple[tuple[str, str], ...]:
    """Returns (the statement as text, what it does) for each statement, dead ones included."""
    known = flow(program)
    kept = live(known)
    read = _read(known)
    told: list[tuple[str, str]] = []
    seen: set[int] = set()
    for number, statement in enumerate(program):
        facts = [_meaning(statement[0], statement[2:])]
        if number not in kept:
            facts.append("no effect on update" if number in read else "never read")
        for state in STATES:
            facts.extend(_facts(program, known, kept=kept, number=number, state=state, is_first=state not in seen))
        seen.update(state for state in STATES if number in kept and given(state) in known.reads[number])
        if number == known.of(UPDATE):
            facts.append("the step: w becomes w - update")
        told.append((to_line(statement), "; ".join(facts)))
    return tuple(told)


def _read(known: Flow) -> set[int | float]:
    """Returns the origins that a statement reads, in this step or, through a state, in the next."""
    read: set[int | float] = {known.of(UPDATE)}
    for origins in known.reads:
        read.update(origins)
    return read | {known.of(state) for state in STATES if given(state) in read}


def _meaning(function: int, arguments: Sequence[Argument]) -> str:
    names = [VARIABLES[one] if isinstance(one, int) else repr(one) for one in arguments]
    return FUNCTIONS[function].meaning.format(*names)


def _facts(
    program: Program, known: Flow, *, kept: frozenset[int], number: int, state: int, is_first: bool
) -> list[str]:
    """Returns what a live statement has to do with a state."""
    name = VARIABLES[state]
    facts: list[str] = []
    if number in kept and is_first and given(state) in known.reads[number]:
        facts.append(f"{name} is what the last step left, 0 at first")
    if number in kept and number == known.of(state) and given(state) in kept:
        facts.append(f"keeps {name} for the next step")
        steps = _averaged_steps(program[number][0], known.reads[number], state=state)
        if steps >= 2:
            facts.append(f"averages over about {steps} steps")
    return facts


def _averaged_steps(function: int, reads: Sequence[Argument], *, state: int) -> int:
    """Returns 1 / (1 - share of the old state) for an exponential average with a constant share, else 0."""
    if function != _INTERP or not isinstance(reads[2], float):
        return 0
    old = [origin == given(state) for origin in reads[:2]]
    share = reads[2] if old[1] else 1 - reads[2]
    return round(1 / (1 - share)) if sum(old) == 1 and 0 < share < 1 else 0
