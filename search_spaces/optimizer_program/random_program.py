"""Random statements, and random programs grown from them.

Why: mutation inserts the statements, random search and the first population need the programs. Most straight-line
programs drawn at random are dead code around an update that ignores the gradient, so growing leans towards results that
are read, and draws again until the gradient arrives. The rule: whatever is drawn here fits the kinds it is drawn for.

Source: Chen et al. 2023 (Lion), section 2.2 for the statements; growing programs is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from automl.errors import InvalidSetting
from search_spaces.optimizer_program.program import (
    FIRST_LOCAL,
    INPUTS,
    UNDEFINED,
    UPDATE,
    V1,
    V2,
    VARIABLES,
    Argument,
    G,
    Program,
    Statement,
    T,
    result_kind,
    start_kinds,
)
from search_spaces.optimizer_program.vocabulary import ANY, FUNCTIONS, TREE, Vocabulary

CHAINED: Final = 0.5
"""Chance that a grown statement reads the result before it; raises the live share of statements from 0.37 to 0.51."""
STATEFUL: Final = 0.5
"""Share of grown programs that must carry the gradient in a state; one in nine of the others does so by chance."""

_ARGUMENTS: Final = tuple(function.arguments for function in FUNCTIONS)
_WITH_STEP: Final = tuple(range(len(VARIABLES)))
_WITHOUT_STEP: Final = tuple(variable for variable in _WITH_STEP if variable != T)
_LOCALS: Final = range(FIRST_LOCAL, len(VARIABLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomStatements:
    """Draws arguments, statements and programs of a vocabulary.

    Attributes:
        vocabulary: functions are drawn from it, each with equal chance; without the step, `t` is never touched.
        constants: chance in [0, 1] that an argument which may be a constant is one, from N(0, 1).
    """

    vocabulary: Vocabulary
    constants: float

    def __post_init__(self) -> None:
        if not 0 <= self.constants <= 1:
            raise InvalidSetting("optimizer_program.constants", self.constants, "a chance in [0, 1]")
        if not any(_makes_trees(function) for function in self.vocabulary.functions):
            raise InvalidSetting(
                "optimizer_program.vocabulary", self.vocabulary.name, "one that can make a tree of a tree"
            )

    def argument(self, kinds: Sequence[int], rng: np.random.Generator, *, wanted: int) -> Argument:
        """Returns a constant or a variable of the wanted kind, each with equal chance; w and lr always are one.

        Args:
            kinds: of the variables where it is read.
            rng: source of the draw.
            wanted: a kind, or ANY.
        """
        if wanted != TREE and rng.random() < self.constants:
            return rng.standard_normal()
        if wanted == ANY:
            fitting = [variable for variable in self._variables() if kinds[variable] != UNDEFINED]
        else:
            fitting = [variable for variable in self._variables() if kinds[variable] == wanted]
        return fitting[int(rng.random() * len(fitting))]

    def statement(self, kinds: Sequence[int], rng: np.random.Generator, *, unused: int | None) -> Statement | None:
        """Returns a statement written to `unused` or to any variable that has the kind of its result.

        Args:
            kinds: of the variables before it.
            rng: source of the draw.
            unused: a local that no later statement reads; None = all are taken.

        Returns:
            None where no variable has the kind of the result that was drawn.
        """
        return self._assigned(self._call(kinds, rng), kinds, rng, unused=unused)

    def program(self, rng: np.random.Generator, *, length: int) -> Program:
        """Returns a valid program of `length` statements, >= 3, that assigns update last, and only there.

        The update depends on the gradient, of the same step or through a state; in half of the programs the second.
        """
        stateful = rng.random() < STATEFUL
        while True:
            program = self._grown(rng, length=length)
            follows, remembers = gradient_reaches(program)
            if remembers if stateful else follows:
                return program

    def _grown(self, rng: np.random.Generator, *, length: int) -> Program:
        program: list[Statement] = []
        kinds = start_kinds()
        while len(program) < length - 1:
            call = self._chained(program, kinds, rng)
            statement = self._assigned(call, kinds, rng, unused=unused_local(program))
            if statement is not None:
                kinds[statement[1]] = result_kind(statement, kinds)
                program.append(statement)
        while True:
            last = self._chained(program, kinds, rng)
            if result_kind(last, kinds) == TREE:
                return (*program, last)

    def _call(self, kinds: Sequence[int], rng: np.random.Generator) -> Statement:
        """Returns a statement that writes to update, whether or not that fits."""
        functions = self.vocabulary.functions
        function = functions[int(rng.random() * len(functions))]
        return (function, UPDATE, *[self.argument(kinds, rng, wanted=wanted) for wanted in _ARGUMENTS[function]])

    def _chained(self, program: Sequence[Statement], kinds: Sequence[int], rng: np.random.Generator) -> Statement:
        """Returns what `_call` does, often with one argument that is the last result."""
        function, target, *arguments = self._call(kinds, rng)
        if program and arguments and rng.random() < CHAINED:
            place, result = int(rng.random() * len(arguments)), program[-1][1]
            if _ARGUMENTS[function][place] in (ANY, kinds[result]):
                arguments[place] = result
        return (function, target, *arguments)

    def _assigned(
        self, call: Statement, kinds: Sequence[int], rng: np.random.Generator, *, unused: int | None
    ) -> Statement | None:
        function, _, *arguments = call
        kind = result_kind(call, kinds)
        targets = [variable for variable in self._variables() if kinds[variable] == kind or variable == unused]
        return (function, targets[int(rng.random() * len(targets))], *arguments) if targets else None

    def _variables(self) -> tuple[int, ...]:
        return _WITH_STEP if self.vocabulary.step else _WITHOUT_STEP


def unused_local(program: Sequence[Statement]) -> int | None:
    """Returns the first local that a program never assigns, hence never reads; None where it uses all."""
    assigned = {statement[1] for statement in program}
    return next((local for local in _LOCALS if local not in assigned), None)


def _makes_trees(function: int) -> bool:
    signature = FUNCTIONS[function]
    return signature.result in (ANY, TREE) and (ANY in signature.arguments or TREE in signature.arguments)


def gradient_reaches(program: Program) -> tuple[bool, bool]:
    """Returns whether update depends on g in any way, and whether it does so through a state of an earlier step.

    Structure only: g - g counts as depending on g.
    """
    inputs = [1 << variable for variable in INPUTS] + [0] * (len(VARIABLES) - len(INPUTS))
    for _, target, *arguments in program:
        reached = 0
        for argument in arguments:
            reached |= inputs[argument] if isinstance(argument, int) else 0
        inputs[target] = reached
    needed = inputs[UPDATE]
    for state in (V1, V2, V1):  # v1 may be made of v2, and v2 of v1
        if needed >> state & 1:
            needed |= inputs[state]
    remembers = any(needed >> state & 1 and inputs[state] >> G & 1 for state in (V1, V2))
    return bool(needed >> G & 1), remembers
