"""Children of programs: mutation, crossover, random programs and reductions.

Why: evolution makes tens of thousands of children per second, most of them to be thrown away unread, so a child has to
be valid by construction where that is possible. The rule: an edit that leaves every variable with the kind it had
cannot break a later statement, so only the other edits are checked (`is_valid`); a child that fails is drawn again
here, within the kind of mutation that was chosen, so that the weights are the shares of the children.

Sources: Chen et al. 2023 (Lion), section 2.2 and appendix; its released code for the weights, the targets of new
statements and the clamp. Departure: there new constants are 1, here N(0, 1), as the paper says.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from automl.errors import InvalidSetting
from search_spaces.optimizer_program.program import (
    MOST_STATEMENTS,
    Argument,
    Program,
    Statement,
    is_valid,
    kinds_before,
    result_kind,
)
from search_spaces.optimizer_program.random_program import RandomStatements, unused_local
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, LARGEST_CONSTANT, SCALAR, Vocabulary

SHORTEST_RANDOM: Final = 3
LONGEST_RANDOM: Final = 24
"""Statements of a random program; the one that became Lion had 21."""

_TRIES: Final = 64
"""Draws within one kind of mutation, then as many kinds, before a program counts as one that cannot be changed."""
_CUTS: Final = 32
_ARGUMENTS: Final = tuple(function.arguments for function in FUNCTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """Makes valid programs within a vocabulary, from others or from nothing.

    Every choice is drawn from the generator that is passed: same program, same state of the generator, same child.
    Parents are valid and within the vocabulary; children are both as well.

    Attributes:
        vocabulary: what children may use.
        longest: statements a child may grow to, in [3, 128]; the program that became Lion had 21. A longer parent may
            still be shortened and modified.
        insert: weight of inserting a statement, >= 0. 0 = a search that only simplifies and tunes.
        delete: weight of deleting a statement, >= 0.
        modify: weight of changing one argument, >= 0. Equal weights are those of the paper's code.
        tune: weight of multiplying one constant by 2^N(0, 1), >= 0: the mutation that keeps the form of a program.
        constants: chance in [0, 1] that a new argument which may be a constant is one.
        scaling: chance in [0, 1] that a constant which is modified is multiplied by 2^N(0, 1) instead of replaced.
    """

    vocabulary: Vocabulary
    longest: int = 40
    insert: float = 1.0
    delete: float = 1.0
    modify: float = 1.0
    tune: float = 0.0
    constants: float = 0.2
    scaling: float = 0.5
    _statements: RandomStatements = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.longest) is not int or not SHORTEST_RANDOM <= self.longest <= MOST_STATEMENTS:
            raise InvalidSetting(
                "optimizer_program.longest", self.longest, f"an int in [{SHORTEST_RANDOM}, {MOST_STATEMENTS}]"
            )
        for name in ("insert", "delete", "modify", "tune"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InvalidSetting(f"optimizer_program.{name}", getattr(self, name), "a finite weight >= 0")
        if not 0 <= self.scaling <= 1:
            raise InvalidSetting("optimizer_program.scaling", self.scaling, "a chance in [0, 1]")
        if self.insert + self.delete + self.modify + self.tune == 0:
            raise InvalidSetting("optimizer_program.modify", self.modify, "above 0 where all other weights are 0")
        statements = RandomStatements(vocabulary=self.vocabulary, constants=self.constants)
        object.__setattr__(self, "_statements", statements)

    def mutate(self, program: Program, rng: np.random.Generator) -> Program:
        """Inserts a statement, deletes one, changes one argument or tunes a constant; at `longest` nothing is inserted.

        Returns:
            The child; the program itself where nothing that has weight can be done to it (its only statement deleted).
        """
        insert = self.insert if len(program) < self.longest else 0.0
        delete = self.delete if len(program) > 1 else 0.0
        changes = insert + delete + self.modify
        total = changes + self.tune
        if total == 0:
            return program
        for _ in range(_TRIES):
            drawn = rng.random() * total
            if drawn >= changes:
                change = self._tuned
            else:
                change = self._inserted if drawn < insert else _deleted if drawn < insert + delete else self._modified
            for _ in range(_TRIES):
                child = change(program, rng)
                if child is not None:
                    return child
        return program

    def mutate_constants(self, program: Program, rng: np.random.Generator) -> Program:
        """Multiplies one constant, each with equal chance, by 2^N(0, 1), within -1e10 and 1e10.

        Returns:
            The child; the program itself where it has no constant but 0, which no factor changes.
        """
        places = [
            (number, position)
            for number, statement in enumerate(program)
            for position, argument in enumerate(statement)
            if position > 1 and argument.__class__ is float and argument
        ]
        if not places:
            return program
        number, position = places[int(rng.random() * len(places))]
        return _replaced(program, number, position, _scaled(program[number][position], rng))

    def crossover(self, first: Program, second: Program, rng: np.random.Generator) -> Program:
        """Joins the head of `first` and the tail of `second`, each cut at a random place; the child is neither parent.

        Returns:
            The child; a mutation of `first` where no cut of several fits (a tail reads locals that the head has not).
        """
        for _ in range(_CUTS):
            head, tail = 1 + int(rng.random() * (len(first) - 1)), 1 + int(rng.random() * (len(second) - 1))
            child = first[:head] + second[tail:]
            if len(child) <= self.longest and is_valid(child) and child not in (first, second):
                return child
        return self.mutate(first, rng)

    def random(self, rng: np.random.Generator) -> Program:
        """Grows a program from nothing whose update depends on the gradient; see `RandomStatements.program`.

        Its length is uniform in [3, 24], or in [3, `longest`] if that is less.
        """
        most = min(self.longest, LONGEST_RANDOM)
        return self._statements.program(rng, length=SHORTEST_RANDOM + int(rng.random() * (most - SHORTEST_RANDOM + 1)))

    def _tuned(self, program: Program, rng: np.random.Generator) -> Program | None:
        child = self.mutate_constants(program, rng)
        return None if child is program else child

    def _inserted(self, program: Program, rng: np.random.Generator) -> Program | None:
        place = int(rng.random() * (len(program) + 1))
        statement = self._statements.statement(kinds_before(program, place), rng, unused=unused_local(program))
        return statement and (*program[:place], statement, *program[place:])

    def _modified(self, program: Program, rng: np.random.Generator) -> Program | None:
        place = int(rng.random() * len(program))
        statement = program[place]
        wanted = _ARGUMENTS[statement[0]]
        if not wanted:
            return None
        position = int(rng.random() * len(wanted))
        old = statement[2 + position]
        if old.__class__ is float and old and rng.random() < self.scaling:
            return _replaced(program, place, 2 + position, _scaled(old, rng))
        kinds = kinds_before(program, place)
        new = self._statements.argument(kinds, rng, wanted=wanted[position])
        if isinstance(old, int) and new == old:
            return None
        child = _replaced(program, place, 2 + position, new)
        kept = result_kind(child[place], kinds) == result_kind(statement, kinds)
        return child if kept or is_valid(child) else None


def reductions(program: Program) -> tuple[Program, ...]:
    """Returns the valid programs that are one statement shorter, in the order of the statements, each once.

    A statement is left out; or it is replaced by its first argument of the kind of its result, which what follows then
    reads instead. An output that is left out keeps what it held before: a state without statements stays 0.
    """
    found: dict[str, Program] = {}  # by text: the constant 1.0 and the variable 1 are equal in Python
    for place in range(len(program)):
        left_out = program[:place] + program[place + 1 :]
        for candidate in (left_out, _short_circuited(program, place)):
            if candidate is not None and is_valid(candidate):
                found.setdefault(repr(candidate), candidate)
    return tuple(found.values())


def _short_circuited(program: Program, place: int) -> Program | None:
    """Returns the program in which the first argument of a fitting kind stands for what statement `place` computes.

    None where there is no such argument, or where it is overwritten while the result is still to be read.
    """
    statement, kinds = program[place], kinds_before(program, place)
    kind, target = result_kind(statement, kinds), statement[1]
    arguments = (a for a in statement[2:] if (kinds[a] if isinstance(a, int) else SCALAR) == kind)
    instead = next(arguments, None)
    if instead is None:
        return None
    rest: list[Statement] = []
    overwritten = False
    for number, (function, written, *read) in enumerate(program[place + 1 :], place + 1):
        if overwritten and any(_is_variable(argument, target) for argument in read):
            return None
        rest.append(
            (function, written, *(instead if _is_variable(argument, target) else argument for argument in read))
        )
        if written == target:
            return (*program[:place], *rest, *program[number + 1 :])
        overwritten = overwritten or _is_variable(instead, written)
    return (*program[:place], *rest)


def _is_variable(argument: Argument, variable: int) -> bool:
    return isinstance(argument, int) and argument == variable  # the constant 7.0 is no x0


def _deleted(program: Program, rng: np.random.Generator) -> Program | None:
    place = int(rng.random() * len(program))
    statement, kinds = program[place], kinds_before(program, place)
    child = program[:place] + program[place + 1 :]
    kept = kinds[statement[1]] == result_kind(statement, kinds)
    return child if kept or is_valid(child) else None


def _replaced(program: Program, number: int, position: int, argument: Argument) -> Program:
    function, target, *arguments = program[number]
    arguments[position - 2] = argument
    return (*program[:number], (function, target, *arguments), *program[number + 1 :])


def _scaled(constant: float, rng: np.random.Generator) -> float:
    return max(-LARGEST_CONSTANT, min(LARGEST_CONSTANT, constant * math.exp2(rng.standard_normal())))
