"""The table of functions: names, signatures, meanings, and whether they hold against the arithmetic."""

import itertools
import re

import pytest
import torch

from search_spaces.optimizer_program.program import NAMED, V1, G, from_rows
from search_spaces.optimizer_program.reference import ELEMENTWISE, Leaves, run
from search_spaces.optimizer_program.vocabulary import (
    ANY,
    EXTENDED,
    EXTENSIONS,
    FUNCTIONS,
    INDEX,
    LEAVES,
    LION,
    PUBLISHED,
    SCALAR,
    TREE,
    VOCABULARIES,
)

torch.set_num_threads(1)
NAMES = [function.name for function in FUNCTIONS]


def test_the_published_functions_are_those_of_the_paper_without_invert():
    unary = (
        "abs cos sin tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 exp10 expm1 log log10 "
        "log2 log1p square sqrt cube cbrt sign reciprocal negative"
    )
    others = "add sub mul div power maximum minimum interp dot cosine_sim global_norm norm clip pi e eps"
    assert {function.name for function in PUBLISHED} == {*unary.split(), *others.split()}
    assert len(PUBLISHED) == 44  # the released code has 45


def test_the_extensions_are_ours():
    assert [one.name for one in EXTENSIONS] == ["leaf_dot", "row_mean", "col_mean", "select", "sdiv", "randn"]


def test_names_are_unique_and_no_variable_has_one():
    assert len(set(NAMES)) == len(NAMES) == len(INDEX)
    assert not set(NAMES) & set(NAMED)
    assert all(FUNCTIONS[index].name == name for name, index in INDEX.items())


def test_the_lion_vocabulary_is_the_published_one_without_the_step():
    assert [FUNCTIONS[index] for index in LION.functions] == list(PUBLISHED) and not LION.step
    assert [FUNCTIONS[index] for index in EXTENDED.functions] == list(FUNCTIONS) and EXTENDED.step
    assert dict(VOCABULARIES) == {"lion": LION, "extended": EXTENDED}


@pytest.mark.parametrize("function", FUNCTIONS, ids=NAMES)
def test_a_meaning_mentions_each_argument_and_nothing_else(function):
    mentioned = {int(place) for place in re.findall(r"\{(\d)\}", function.meaning)}
    assert mentioned == set(range(len(function.arguments)))


def test_infix_operators_are_the_four_of_arithmetic():
    infix = {function.name: function.infix for function in FUNCTIONS if function.infix}
    assert infix == {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def test_only_functions_of_whole_tensors_ask_for_trees():
    fixed = {one.name: (one.arguments, one.result) for one in FUNCTIONS if TREE in one.arguments or not one.arguments}
    assert fixed == {
        "dot": ((TREE, TREE), SCALAR), "cosine_sim": ((TREE, TREE), SCALAR), "global_norm": ((TREE,), SCALAR),
        "norm": ((TREE,), LEAVES), "clip": ((TREE, SCALAR), TREE), "leaf_dot": ((TREE, TREE), LEAVES),
        "row_mean": ((TREE,), TREE), "col_mean": ((TREE,), TREE), "pi": ((), SCALAR), "e": ((), SCALAR),
        "eps": ((), SCALAR), "randn": ((), TREE),
    }  # fmt: skip
    elsewhere = [one for one in FUNCTIONS if one.name not in fixed]
    assert all(one.result == ANY and set(one.arguments[:2]) == {ANY} for one in elsewhere)
    assert {one.name for one in elsewhere if SCALAR in one.arguments} == {"interp"}


def _of_trees(name: str, first: int, second: int, g: Leaves, v1: Leaves) -> Leaves:
    """Returns a function of two of the trees, times a tree of ones."""
    program = ((INDEX[name], NAMED["x0"], first, second), *from_rows([("update", "mul", "w", "x0")]))
    one, ones = torch.tensor(1.0), tuple(torch.ones_like(leaf) for leaf in g)
    return run(program, w=ones, g=g, v1=v1, v2=ones, lr=one, t=one)[0]


TWO = [one for one in FUNCTIONS if len(one.arguments) == 2 and one.name != "clip"]


@pytest.mark.parametrize("function", TWO, ids=[one.name for one in TWO])
def test_arguments_may_be_exchanged_exactly_where_the_table_says_so(function):
    numbers = [torch.tensor(one, dtype=torch.float64) for one in (0.0, -1.5, 0.25, 3.0, 1e-9, 1e30)]
    if function.name in ELEMENTWISE:
        pairs = itertools.combinations(numbers, 2)
        results = [(ELEMENTWISE[function.name](a, b), ELEMENTWISE[function.name](b, a)) for a, b in pairs]
    else:
        x = (torch.stack(numbers[:4]), torch.stack(numbers[2:4]))
        y = (torch.stack(numbers[2:6]), torch.stack(numbers[:2]))
        results = list(zip(_of_trees(function.name, G, V1, x, y), _of_trees(function.name, V1, G, x, y), strict=True))
    exact = all(torch.equal(one, other) for one, other in results)
    assert exact == function.commutative
