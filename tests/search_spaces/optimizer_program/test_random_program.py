"""Random programs: valid, of the length asked for, and driven by the gradient."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.optimizer_program.program import UPDATE, V1, V2, G, Program, fault, from_rows, kinds_before
from search_spaces.optimizer_program.random_program import RandomStatements, gradient_reaches, unused_local
from search_spaces.optimizer_program.variation import Variation
from search_spaces.optimizer_program.vocabulary import (
    ANY,
    EXTENDED,
    INDEX,
    LEAVES,
    LION,
    TREE,
    VOCABULARIES,
    Vocabulary,
)
from search_spaces.optimizer_program.zoo import DESIGNS

vocabularies = st.sampled_from([LION, EXTENDED])


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def live_inputs(program: Program) -> set[int]:
    """The inputs that update depends on, going backwards; a state that is read makes its last value needed as well."""
    states: set[int] = set()
    while True:
        needed = {UPDATE} | states
        for _, target, *arguments in reversed(program):
            if target in needed:
                needed.discard(target)
                needed.update(argument for argument in arguments if isinstance(argument, int))
        if needed & {V1, V2} <= states:
            return needed
        states |= needed & {V1, V2}


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), vocabulary=vocabularies, length=st.integers(3, 24))
def test_a_random_program_is_valid_ends_in_its_update_and_depends_on_the_gradient(seed, vocabulary, length):
    program = RandomStatements(vocabulary=vocabulary, constants=0.2).program(rng(seed), length=length)
    assert fault(program, vocabulary) is None
    assert [place for place, statement in enumerate(program) if statement[1] == UPDATE] == [length - 1]
    assert G in live_inputs(program)


@pytest.mark.parametrize(("longest", "most"), [(40, 24), (10, 10), (3, 3)])
def test_lengths_are_uniform_up_to_24_or_the_longest(longest, most):
    variation, generator = Variation(vocabulary=LION, longest=longest), rng(0)
    draws = 60 * (most - 2)
    lengths = Counter(len(variation.random(generator)) for _ in range(draws))
    assert set(lengths) == set(range(3, most + 1))
    assert all(abs(count - 60) < 40 for count in lengths.values())


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=lambda one: one.name)
def test_random_programs_use_states_fairly_and_every_function_eventually(vocabulary):
    variation, generator = Variation(vocabulary=vocabulary), rng(0)
    programs = [variation.random(generator) for _ in range(500)]
    assert {statement[0] for program in programs for statement in program} == set(vocabulary.functions)
    assert 0.5 < np.mean([bool(live_inputs(program) & {V1, V2}) for program in programs]) < 0.85


@pytest.mark.parametrize(
    ("rows", "reaches"),
    [
        ([("update", "sign", "w"), ("v1", "sign", "g")], (False, False)),  # nobody reads v1
        ([("update", "sign", "v1"), ("v1", "sign", "w")], (False, False)),
        ([("update", "sign", "g"), ("g", "sign", "w")], (True, False)),
        ([("g", "sign", "w"), ("update", "sign", "g")], (False, False)),  # g was overwritten
        ([("v1", "sign", "g"), ("update", "sign", "v1")], (True, False)),  # v1 of this step
        ([("update", "sign", "v1"), ("v1", "sign", "g")], (True, True)),
        ([("update", "add", "v1", "g"), ("v1", "sign", "w")], (True, False)),
        ([("update", "sign", "v1"), ("v1", "sign", "v2"), ("v2", "sign", "g")], (True, True)),  # two steps late
        ([("update", "sign", "v2"), ("v2", "sign", "v1"), ("v1", "sign", "g")], (True, True)),
    ],
)
def test_the_gradient_reaches_the_update_directly_or_through_states(rows, reaches):
    assert gradient_reaches(from_rows(rows)) == reaches


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), vocabulary=vocabularies)
def test_following_the_gradient_forwards_and_backwards_agrees(seed, vocabulary):
    generator, variation = rng(seed), Variation(vocabulary=vocabulary)
    program = variation.random(generator)
    for _ in range(20):
        program = variation.mutate(program, generator)
        assert gradient_reaches(program)[0] == (G in live_inputs(program))


def test_growing_leans_towards_results_that_are_read():
    variation, generator = Variation(vocabulary=LION), rng(0)
    programs = [variation.random(generator) for _ in range(300)]
    read_next = [
        any(isinstance(argument, int) and argument == first[1] for argument in second[2:])
        for program in programs
        for first, second in pairwise(program)
    ]
    assert np.mean(read_next) > 0.4  # 0.14 where arguments are only drawn at random


def test_the_smallest_vocabulary_that_makes_trees_is_enough():
    tiny = Vocabulary(name="tiny", functions=(INDEX["clip"],), step=False)
    assert fault(Variation(vocabulary=tiny).random(rng(0)), tiny) is None


@given(seed=st.integers(0, 2**32), design=st.sampled_from(sorted(DESIGNS)), wanted=st.sampled_from([ANY, LEAVES, TREE]))
def test_arguments_have_the_kind_that_is_wanted(seed, design, wanted):
    program = (*from_rows(DESIGNS[design]), (INDEX["norm"], unused_local(from_rows(DESIGNS[design])), G))
    kinds = kinds_before(program, len(program))
    drawn = RandomStatements(vocabulary=EXTENDED, constants=0.0).argument(kinds, rng(seed), wanted=wanted)
    assert isinstance(drawn, int) and kinds[drawn] in ((0, 1, 2) if wanted == ANY else (wanted,))


def test_the_unused_local_is_the_first_that_is_never_assigned():
    assert unused_local(from_rows([("update", "sign", "g")])) == 7
    assert unused_local(from_rows([("x0", "sign", "g"), ("x2", "sign", "g"), ("update", "sign", "g")])) == 8
    assert unused_local(from_rows([(f"x{number}", "sign", "g") for number in range(17)])) is None


def test_where_all_locals_are_taken_statements_go_to_variables_of_their_kind():
    program = from_rows([(f"x{number}", "sign", "g") for number in range(17)])
    kinds, statements = kinds_before(program, len(program)), RandomStatements(vocabulary=LION, constants=0.2)
    for seed in range(300):
        statement = statements.statement(kinds, rng(seed), unused=None)
        if statement is None:  # leaves, of which there are none here
            continue
        assert fault((*program, statement, *from_rows([("update", "sign", "g")])), LION) is None
    only_norms = RandomStatements(
        vocabulary=Vocabulary(name="n", functions=(INDEX["norm"], 0), step=False), constants=0
    )
    assert any(only_norms.statement(kinds, rng(seed), unused=None) is None for seed in range(20))
