"""Reductions: every valid program with one statement less, and what they compute."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.optimizer_program.program import Program, fault, from_rows, is_valid, kinds_before, result_kind
from search_spaces.optimizer_program.reference import run
from search_spaces.optimizer_program.variation import Variation, reductions
from search_spaces.optimizer_program.vocabulary import EXTENDED, INDEX, LION, SCALAR
from search_spaces.optimizer_program.zoo import DESIGNS

torch.set_num_threads(1)
seeds = st.integers(0, 2**32)


def random_program(seed: int, vocabulary=EXTENDED) -> Program:
    return Variation(vocabulary=vocabulary).random(np.random.default_rng(seed))


def without(program: Program, place: int) -> Program:
    return program[:place] + program[place + 1 :]


def assert_reduced(program: Program) -> None:
    shorter = reductions(program)
    assert all(fault(one, EXTENDED) is None and len(one) == len(program) - 1 for one in shorter)
    assert len({repr(one) for one in shorter}) == len(shorter)
    assert {without(program, place) for place in range(len(program)) if is_valid(without(program, place))} <= set(
        shorter
    )


@given(seed=seeds, vocabulary=st.sampled_from([LION, EXTENDED]))
def test_reductions_are_valid_one_shorter_and_distinct(seed, vocabulary):
    assert_reduced(random_program(seed, vocabulary))


@pytest.mark.parametrize("design", DESIGNS)
def test_reductions_of_published_designs_are_valid_one_shorter_and_distinct(design):
    assert_reduced(from_rows(DESIGNS[design]))


def test_reductions_of_signum_by_hand():
    mean, sign = ("v1", "interp", "g", "v1", 0.9), ("update", "sign", "v1")
    scale, last = ("lr", "mul", "lr", 0.001), ("update", "mul", "update", "lr")
    expected = (
        (sign, scale, last),  # no average: the state stays 0
        (("update", "sign", "g"), scale, last),  # the gradient instead of the average
        (mean, scale, ("update", "mul", "v1", "lr")),  # no sign
        (mean, sign, last),  # no scale
        (mean, sign, scale),  # no learning rate
    )
    assert reductions(from_rows((mean, sign, scale, last))) == tuple(from_rows(rows) for rows in expected)


def test_a_statement_is_not_replaced_by_what_is_overwritten_before_its_last_read():
    program = from_rows([("x0", "sign", "g"), ("g", "clip", "g", 1.0), ("update", "mul", "x0", "g")])
    assert reductions(program) == (from_rows([("x0", "sign", "g"), ("update", "mul", "x0", "g")]),)


def test_a_scalar_statement_is_replaced_by_its_constant():
    program = from_rows([("x0", "sqrt", 2.0), ("x1", "mul", 7.0, "x0"), ("update", "mul", "g", "x1")])
    assert reductions(program) == (  # x0 is variable 7, and 7 == 7.0: the constant is not taken for it
        from_rows([("x1", "mul", 7.0, 2.0), ("update", "mul", "g", "x1")]),
        from_rows([("x0", "sqrt", 2.0), ("update", "mul", "g", 7.0)]),
    )


def test_reductions_that_differ_in_a_constant_and_the_variable_of_that_number_are_two():
    program = from_rows([("x0", "abs", "g"), ("x0", "abs", 1.0), ("update", "mul", "g", "x0")])
    left = [without(program, 0), without(program, 1)]
    assert left[0] == left[1]  # in Python, as 1 == 1.0
    assert {repr(one) for one in left} <= {repr(one) for one in reductions(program)}


@settings(max_examples=60)
@given(seed=seeds)
def test_a_reduction_computes_what_its_program_does_with_a_copy_in_place_of_a_statement(seed):
    """`maximum(a, a)` is a copy of a; only the last word of an output cannot be passed on."""
    parent = random_program(seed)
    left_out = {repr(without(parent, place)) for place in range(len(parent))}
    copies = [_update(copied) for copied in _with_copies(parent)]
    for one in reductions(parent):
        if repr(one) not in left_out:
            assert any(torch.equal(_update(one).nan_to_num(), copy.nan_to_num()) for copy in copies)


def _with_copies(program: Program) -> list[Program]:
    made = []
    for place, statement in enumerate(program):
        kinds = kinds_before(program, place)
        kind = result_kind(statement, kinds)
        fitting = [a for a in statement[2:] if (kinds[a] if isinstance(a, int) else SCALAR) == kind]
        if fitting:
            copy = (INDEX["maximum"], statement[1], fitting[0], fitting[0])
            made.append((*program[:place], copy, *program[place + 1 :]))
    return made


def _update(program: Program) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    trees = [
        tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, 3), (3,))) for _ in "wgvVn"
    ]
    lr, t = (torch.tensor(value, dtype=torch.float64) for value in (0.7, 3.0))
    w, g, v1, v2, noise = trees
    update, _, _ = run(program, w=w, g=g, v1=v1, v2=v2, lr=lr, t=t, noise=noise)
    return torch.cat([leaf.expand(shape).reshape(-1) for leaf, shape in zip(update, ((2, 3), (3,)), strict=True)])
