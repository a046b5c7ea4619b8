"""Programs as tuples: kinds, validity, faults, rows."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search_spaces.optimizer_program.program import (
    FIRST_LOCAL,
    FIXED_KINDS,
    INPUTS,
    LOCALS,
    MOST_STATEMENTS,
    NAMED,
    OUTPUTS,
    UNDEFINED,
    UPDATE,
    VARIABLES,
    fault,
    from_rows,
    is_valid,
    kinds_before,
    result_kind,
    start_kinds,
    to_rows,
)
from search_spaces.optimizer_program.vocabulary import EXTENDED, FUNCTIONS, INDEX, LEAVES, LION, SCALAR, TREE
from search_spaces.optimizer_program.zoo import DESIGNS

ENDING = ("update", "mul", "g", "lr")


def test_variables_are_the_inputs_the_update_and_seventeen_locals():
    assert VARIABLES[:8] == ("w", "g", "v1", "v2", "lr", "t", "update", "x0") and VARIABLES[-1] == "x16"
    assert len(VARIABLES) == 7 + LOCALS == 24
    assert [VARIABLES[index] for index in INPUTS] == ["w", "g", "v1", "v2", "lr", "t"]
    assert [VARIABLES[index] for index in OUTPUTS] == ["update", "v1", "v2"]


def test_before_the_first_statement_the_inputs_are_known_and_nothing_else():
    assert start_kinds() == [TREE, TREE, TREE, TREE, SCALAR, SCALAR] + [UNDEFINED] * 18
    assert len(FIXED_KINDS) == FIRST_LOCAL


KIND_TABLE = [
    (("sin", 0.5), SCALAR), (("sin", "lr"), SCALAR), (("sin", "x0"), LEAVES), (("sin", "g"), TREE),
    (("add", "lr", 2.0), SCALAR), (("add", "lr", "x0"), LEAVES), (("mul", "x0", "g"), TREE), (("mul", "g", 0.5), TREE),
    (("sub", "x0", "x0"), LEAVES), (("power", 0.9, "t"), SCALAR), (("power", "w", 0.0), TREE),
    (("div", 0.1, "x0"), LEAVES),
    (("interp", "g", "v1", 0.9), TREE), (("interp", 1.0, "v1", "lr"), TREE), (("interp", "x0", 1.0, 0.9), LEAVES),
    (("interp", 0.0, 1.0, "t"), SCALAR), (("select", "g", 1.0, 0.0), TREE), (("select", "x0", 1.0, 0.0), LEAVES),
    (("select", "lr", "x0", "w"), TREE), (("sdiv", "lr", "x0"), LEAVES),
    (("dot", "g", "w"), SCALAR), (("cosine_sim", "g", "w"), SCALAR), (("global_norm", "g"), SCALAR),
    (("norm", "g"), LEAVES), (("leaf_dot", "g", "w"), LEAVES), (("clip", "g", "lr"), TREE), (("clip", "g", 1.0), TREE),
    (("row_mean", "g"), TREE), (("col_mean", "g"), TREE), (("randn",), TREE), (("pi",), SCALAR), (("e",), SCALAR),
    (("eps",), SCALAR),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind"), KIND_TABLE, ids=[" ".join(map(str, call)) for call, _ in KIND_TABLE])
def test_a_result_has_the_fixed_kind_or_the_largest_of_its_arguments(call, kind):
    program = from_rows([("x0", "norm", "g"), ("x1", *call), ENDING])
    assert is_valid(program) and fault(program, EXTENDED) is None
    assert result_kind(program[1], kinds_before(program, 1)) == kind
    assert kinds_before(program, 2)[NAMED["x1"]] == kind


def test_every_function_stands_in_the_table_of_kinds_or_is_unary():
    assert {call[0] for call, _ in KIND_TABLE} >= {one.name for one in FUNCTIONS if len(one.arguments) != 1} - {
        "maximum", "minimum",
    }  # fmt: skip


def test_a_local_takes_the_kind_of_its_last_assignment():
    program = from_rows([("x0", "pi"), ("x0", "mul", "x0", "g"), ("x0", "norm", "x0"), ENDING])
    assert [kinds_before(program, place)[NAMED["x0"]] for place in range(4)] == [UNDEFINED, SCALAR, TREE, LEAVES]


def test_inputs_may_be_overwritten_by_values_of_their_kind():
    rows = [("w", "sin", "w"), ("g", "clip", "g", "lr"), ("lr", "dot", "g", "w"), ("t", "add", "t", 1.0), ENDING]
    assert is_valid(from_rows(rows)) and fault(from_rows(rows), EXTENDED) is None


FAULTS = [
    ([], 0, "0 statements; allowed are 1 to 128"),
    ([ENDING] * 129, 128, "129 statements; allowed are 1 to 128"),
    ([("x0", "sin", "g")], 0, "update is never assigned; the last word of a program is what w is moved by"),
    ([("x0", "sin", "x3"), ENDING], 0, "x3 is read before it is assigned; known here are w, g, v1, v2, lr, t"),
    ([("x0", "pi"), ("x1", "sin", "update"), ENDING], 1,
     "update is read before it is assigned; known here are w, g, v1, v2, lr, t, x0"),
    ([ENDING, ("x0", "dot", "g", "lr")], 1, "dot takes a tree where lr is a scalar"),
    ([("x0", "clip", 1.0, 1.0), ENDING], 0, "clip takes a tree where 1.0 is a scalar"),
    ([("x0", "interp", "g", "w", "v1"), ENDING], 0, "interp takes a scalar where v1 is a tree"),
    (
        [("x0", "norm", "g"), ("x0", "interp", "g", "w", "x0"), ENDING],
        1,
        "interp takes a scalar where x0 is a number per tensor",
    ),
    ([("v1", "mul", "lr", 2.0), ENDING], 0, "v1 is always a tree; this is a scalar"),
    ([("lr", "mul", "lr", "g"), ENDING], 0, "lr is always a scalar; this is a tree"),
    ([("update", "norm", "g"), ENDING], 0, "update is always a tree; this is a number per tensor"),
    ([("x0", "mul", "g", float("nan")), ENDING], 0, "constant nan; allowed are numbers between -1e10 and 1e10"),
    ([("x0", "mul", "g", -1.1e10), ENDING], 0, "constant -11000000000.0; allowed are numbers between -1e10 and 1e10"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "number", "message"), FAULTS, ids=[message[:40] for *_, message in FAULTS])
def test_a_fault_names_the_statement_and_what_is_allowed(rows, number, message):
    assert fault(from_rows(rows), EXTENDED) == (number, message)


@pytest.mark.parametrize("arguments", [(), (1,), (1, 1, 1)])
def test_a_wrong_number_of_arguments_is_a_fault(arguments):
    program = ((INDEX["add"], UPDATE, *arguments),)
    assert fault(program, EXTENDED) == (0, f"add takes 2 arguments, not {len(arguments)}")


def test_what_the_lion_vocabulary_lacks_is_a_fault_there_only():
    for row, message in (
        (("x0", "randn"), "randn is not in the vocabulary 'lion'"),
        (("x0", "sin", "t"), "t is not an input in the vocabulary 'lion'"),
    ):
        program = from_rows([ENDING, row])
        assert fault(program, LION) == (1, message) and fault(program, EXTENDED) is None


def test_the_longest_program_and_the_largest_constants_are_allowed():
    rows = [("update", "mul", "g", 1e10), ("update", "mul", "g", -1e10)] * (MOST_STATEMENTS // 2)
    assert fault(from_rows(rows), EXTENDED) is None


@st.composite
def statements(draw) -> tuple:
    """One statement of the right number of arguments, often at odds with what is known."""
    index = draw(st.integers(0, len(FUNCTIONS) - 1))
    argument = st.integers(0, FIRST_LOCAL + 2) | st.sampled_from([0.5, -2.0])
    count = len(FUNCTIONS[index].arguments)
    return (index, draw(st.integers(0, FIRST_LOCAL + 2)), *draw(st.lists(argument, min_size=count, max_size=count)))


@settings(max_examples=800, deadline=None)
@given(st.lists(statements(), min_size=1, max_size=5).map(tuple), st.booleans())
@example(from_rows(DESIGNS["adamp"]), False)
def test_the_fast_check_agrees_with_the_one_that_explains(program, complete):
    program = (*program, *from_rows([ENDING])) if complete else program
    assert is_valid(program) == (fault(program, EXTENDED) is None)


@pytest.mark.parametrize("name", DESIGNS)
def test_rows_come_back(name):
    rows = to_rows(from_rows(DESIGNS[name]))
    assert rows == [list(row) for row in DESIGNS[name]] and from_rows(rows) == from_rows(DESIGNS[name])


def test_whole_numbers_in_rows_are_constants():
    (statement,) = from_rows([("update", "mul", "g", 2)])
    assert statement == (INDEX["mul"], UPDATE, 1, 2.0) and isinstance(statement[3], float)
