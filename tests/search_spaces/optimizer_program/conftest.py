"""Programs for the tests of this folder, as a fixture that returns a strategy."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import strategies as st

from search_spaces.optimizer_program.program import (
    FIRST_LOCAL,
    FIXED_KINDS,
    MOST_STATEMENTS,
    UNDEFINED,
    UPDATE,
    VARIABLES,
    G,
    Program,
    Statement,
    T,
    result_kind,
    start_kinds,
)
from search_spaces.optimizer_program.vocabulary import ANY, EXTENDED, FUNCTIONS, INDEX, SCALAR, Vocabulary

torch.set_num_threads(1)

CONSTANTS = st.one_of(
    st.sampled_from([0.9, 0.99, 0.999, 0.5, 2.0, 1.0, 0.0, -1.0, -0.25, 1e-08, 3.0]),
    st.floats(-1e10, 1e10, allow_nan=False),
)


@st.composite
def _statements(
    draw: st.DrawFn, kinds: list[int], vocabulary: Vocabulary, constants: st.SearchStrategy[float]
) -> Statement:
    """A statement that fits behind what has given the variables these kinds."""
    function = draw(st.sampled_from(vocabulary.functions))
    arguments: list[int | float] = []
    for wanted in FUNCTIONS[function].arguments:
        fitting = [
            index
            for index, kind in enumerate(kinds)
            if kind != UNDEFINED and wanted in (ANY, kind) and (vocabulary.step or index != T)
        ]
        of_variables = st.sampled_from(fitting)
        may_be_constant = wanted in (ANY, SCALAR)
        arguments.append(draw(st.one_of(of_variables, constants) if may_be_constant else of_variables))
    made = result_kind((function, UPDATE, *arguments), kinds)
    targets = [i for i in range(len(VARIABLES)) if (i >= FIRST_LOCAL or FIXED_KINDS[i] == made) and i != T]
    return (function, draw(st.sampled_from(targets)), *arguments)


@st.composite
def _programs(
    draw: st.DrawFn,
    *,
    vocabulary: Vocabulary = EXTENDED,
    longest: int = 12,
    constants: st.SearchStrategy[float] = CONSTANTS,
) -> Program:
    """Any valid program of up to `longest` statements; simplest: update = abs(w)."""
    kinds, program = start_kinds(), []
    for _ in range(draw(st.integers(0, min(longest, MOST_STATEMENTS) - 1))):
        program.append(draw(_statements(kinds, vocabulary, constants)))
        kinds[program[-1][1]] = result_kind(program[-1], kinds)
    if kinds[UPDATE] == UNDEFINED or not program:
        trees = [index for index, kind in enumerate(kinds) if kind == FIXED_KINDS[G]]
        program.append((INDEX["abs"], UPDATE, draw(st.sampled_from(trees))))
    return tuple(program)


@pytest.fixture(scope="session")
def programs() -> Callable[..., st.SearchStrategy[Program]]:
    """(vocabulary=EXTENDED, longest=12, constants=...) -> strategy of valid programs; draw with `st.data()`."""
    return _programs
