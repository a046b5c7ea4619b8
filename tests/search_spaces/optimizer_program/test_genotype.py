"""Programs as genotypes: the door for data from outside."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.canonical import dumps, loads
from automl.errors import InvalidGenotype
from search_spaces.optimizer_program.genotype import decode, to_genotype, to_program
from search_spaces.optimizer_program.program import MOST_STATEMENTS, VARIABLES, from_rows
from search_spaces.optimizer_program.vocabulary import EXTENDED, FUNCTIONS, LION
from search_spaces.optimizer_program.zoo import DESIGNS

SGD = [["update", "mul", "g", 0.1]]


class Hostile:
    """Cannot even be shown."""

    def __repr__(self):
        raise RuntimeError("no")


def nested(depth):
    data = []
    for _ in range(depth):
        data = [data]
    return data


def refusal(answers, *, vocabulary=LION, longest=MOST_STATEMENTS):
    with pytest.raises(InvalidGenotype) as caught:
        decode(answers, vocabulary=vocabulary, longest=longest)
    return caught.value


def test_a_genotype_is_rows_by_name():
    program = from_rows(DESIGNS["lion"])
    genotype = to_genotype(program)
    assert genotype["program"][0] == ["update", "interp", "g", "v1", 0.9]
    assert to_program(genotype) == program


@pytest.mark.parametrize("name", DESIGNS)
def test_published_designs_are_genotypes(name):
    program = from_rows(DESIGNS[name])
    assert decode({"program": DESIGNS[name]}, vocabulary=EXTENDED) == program


@given(data=st.data())
def test_a_genotype_gives_its_program_back_through_canonical_json(programs, data):
    program = data.draw(programs())
    genotype = to_genotype(program)
    read = loads(dumps(genotype))
    for one in (genotype, read):
        again = decode(one, vocabulary=EXTENDED)
        assert repr(again) == repr(program) == repr(to_program(one))
    assert dumps(to_genotype(to_program(read))) == dumps(genotype)


def test_whole_numbers_become_floats():
    program = decode({"program": [["update", "mul", "g", 2], ["x0", "add", -3, np.float64(0.5)]]}, vocabulary=LION)
    constants = [program[0][3], *program[1][2:]]
    assert constants == [2.0, -3.0, 0.5]
    assert {type(constant) for constant in constants} == {float}


@pytest.mark.parametrize(
    "answers",
    [
        None, 7, 0.5, True, "text", b"bytes", [1, 2], [], {}, {"x": {}}, {1: 2}, {None: SGD}, Hostile(), object,
        {"program": SGD, "version": 1}, {"program": SGD, Hostile(): 1}, {"Program": SGD},
    ],
)  # fmt: skip
def test_anything_but_an_object_with_the_one_key_is_refused(answers):
    error = refusal(answers)
    assert error.where == "$"
    assert "'program'" in error.allowed


@pytest.mark.parametrize(
    ("program", "where", "words"),
    [
        (None, "program", "a list of rows"),
        ("update = g * lr", "program", "a list of rows"),
        ({"0": SGD}, "program", "a list of rows"),
        ([], "length of program", "1 to 128"),
        (SGD * 129, "length of program", "1 to 128"),
        ([None], "program[0]", "a row such as"),
        ([*SGD, "update"], "program[1]", "a row such as"),
        ([["update"]], "program[0]", "a row such as"),
        ([{}], "program[0]", "a row such as"),
        ([["w2", "mul", "g", 0.1]], "program[0][0]", "a variable"),
        ([[6, "mul", "g", 0.1]], "program[0][0]", "a variable"),
        ([[["update"], "mul", "g", 0.1]], "program[0][0]", "a variable"),
        ([["updte", "mul", "g", 0.1]], "program[0][0]", "did you mean 'update'?"),
        ([["update", "mull", "g", 0.1]], "program[0][1]", "did you mean 'mul'?"),
        ([["update", "*", "g", 0.1]], "program[0][1]", "a function of the vocabulary 'lion'"),
        ([["update", None, "g", 0.1]], "program[0][1]", "a function"),
        ([["update", ["mul"], "g", 0.1]], "program[0][1]", "a function"),
        ([["update", 30, "g", 0.1]], "program[0][1]", "a function"),
        ([["x0", "randn"], *SGD], "program[0][1]", "vocabulary 'lion'"),
        ([["update", "mul", "g"]], "number of arguments of program[0]", "2, which mul takes"),
        ([["update", "mul", "g", "g", "g"]], "number of arguments of program[0]", "2, which mul takes"),
        ([["update", "mul", "g", True]], "program[0][3]", "a number between"),
        ([["update", "mul", None, 0.1]], "program[0][2]", "a number between"),
        ([["update", "mul", "g", [0.1]]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", {}]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", "0.1"]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", "x17"]], "program[0][3]", "x16"),
        ([["update", "mul", "g", math.nan]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", math.inf]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", -1.1e10]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", 10**10000]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", 1j]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", Hostile()]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", nested(100_000)]], "program[0][3]", "a number between"),
        ([["update", "mul", "g", "x" * 10_000_000]], "program[0][3]", "a variable"),
        ([*SGD, ["x0", "mul", "x1", "g"]], "program[1]", "x1 is read before it is assigned"),
        ([*SGD, ["v1", "dot", "g", "lr"]], "program[1]", "dot takes a tree where lr is a scalar"),
        ([*SGD, ["v1", "dot", "g", 1.0]], "program[1]", "dot takes a tree where 1.0 is a scalar"),
        ([*SGD, ["v1", "dot", "g", "g"]], "program[1]", "v1 is always a tree; this is a scalar"),
        ([*SGD, ["x0", "mul", "g", "t"]], "program[1]", "t is not an input in the vocabulary 'lion'"),
        ([["v1", "mul", "g", "lr"]], "program[0]", "update is never assigned"),
    ],
)
def test_a_refusal_says_where_and_what_is_allowed(program, where, words):
    error = refusal({"program": program})
    assert error.where == where
    assert words in error.allowed
    assert len(str(error)) < 700


def test_a_program_is_no_longer_than_the_space_allows():
    assert refusal({"program": SGD * 4}, longest=3).allowed == "1 to 3 statements"
    assert len(decode({"program": SGD * 3}, vocabulary=LION, longest=3)) == 3


def test_hostile_data_is_refused_at_any_depth():
    for depth in (1, 10, 1000, 100_000):
        assert refusal(nested(depth)).where == "$"
        assert refusal({"program": nested(depth)}).where.startswith(("program", "length of program"))


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from([*VARIABLES, *(function.name for function in FUNCTIONS), "program"]),
)  # fmt: skip
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(LEAVES, inner, max_size=3))


@given(answers=st.one_of(DATA, st.fixed_dictionaries({"program": st.one_of(DATA, st.lists(st.lists(LEAVES)))})))
def test_any_data_is_refused_or_is_a_program(answers):
    try:
        program = decode(answers, vocabulary=EXTENDED)
    except InvalidGenotype as error:
        assert len(str(error)) < 700
    else:
        assert decode(to_genotype(program), vocabulary=EXTENDED) == program


@given(data=st.data())
def test_one_wrong_word_is_refused_or_is_another_program(programs, data):
    genotype = copy.deepcopy(to_genotype(data.draw(programs(longest=6))))
    row = data.draw(st.sampled_from(genotype["program"]))
    row[data.draw(st.integers(0, len(row) - 1))] = data.draw(LEAVES)
    try:
        program = decode(genotype, vocabulary=EXTENDED)
    except InvalidGenotype as error:
        assert error.where.startswith(("program", "number of arguments of program"))
    else:
        assert decode(to_genotype(program), vocabulary=EXTENDED) == program
