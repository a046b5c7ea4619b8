"""Children of programs: closed, pure, and changed in the one way that was asked for.

The cases named after those of Chen et al.'s released code (google/automl, hero/core_test.py) say so.
"""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from search_spaces.optimizer_program.program import (
    MOST_STATEMENTS,
    UPDATE,
    Program,
    T,
    fault,
    from_rows,
    is_valid,
    kinds_before,
    result_kind,
)
from search_spaces.optimizer_program.variation import Variation
from search_spaces.optimizer_program.vocabulary import (
    EXTENDED,
    FUNCTIONS,
    INDEX,
    LARGEST_CONSTANT,
    LION,
    VOCABULARIES,
    Vocabulary,
)
from search_spaces.optimizer_program.zoo import DESIGNS

ZOO = {name: from_rows(rows) for name, rows in DESIGNS.items()}
ADAMW, RAW = ZOO["adamw"], ZOO["lion-raw"]
INSERTS = {"insert": 1.0, "delete": 0.0, "modify": 0.0}
DELETES = {"insert": 0.0, "delete": 1.0, "modify": 0.0}
MODIFIES = {"insert": 0.0, "delete": 0.0, "modify": 1.0}

seeds = st.integers(0, 2**32)
vocabularies = st.sampled_from([LION, EXTENDED])


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def zoo_of(vocabulary: Vocabulary) -> list[Program]:
    return [program for program in ZOO.values() if fault(program, vocabulary) is None]


def parent_of(vocabulary: Vocabulary, generator: np.random.Generator) -> Program:
    """A published design or a random program, with equal chance."""
    zoo = zoo_of(vocabulary)
    if generator.random() < 0.5:
        return zoo[generator.integers(len(zoo))]
    return Variation(vocabulary=vocabulary).random(generator)


def constants(program: Program) -> list[float]:
    return [argument for statement in program for argument in statement[2:] if isinstance(argument, float)]


def without(program: Program, place: int) -> Program:
    return program[:place] + program[place + 1 :]


# closure


@settings(max_examples=60)
@given(seed=seeds, vocabulary=vocabularies, longest=st.integers(3, 48))
def test_a_walk_of_mutations_stays_valid_in_vocabulary_and_in_bounds(seed, vocabulary, longest):
    generator, variation = rng(seed), Variation(vocabulary=vocabulary, longest=longest)
    program = parent_of(vocabulary, generator)
    for _ in range(60):
        child = variation.mutate(program, generator)
        assert fault(child, vocabulary) is None and is_valid(child)
        assert len(child) <= max(longest, len(program))
        program = child


@settings(max_examples=60)
@given(seed=seeds, vocabulary=vocabularies, longest=st.integers(3, 48))
def test_children_of_two_are_valid_in_vocabulary_and_in_bounds(seed, vocabulary, longest):
    generator, variation = rng(seed), Variation(vocabulary=vocabulary, longest=longest)
    first, second = parent_of(vocabulary, generator), parent_of(vocabulary, generator)
    for _ in range(20):
        child = variation.crossover(first, second, generator)
        assert fault(child, vocabulary) is None and is_valid(child)
        assert len(child) <= max(longest, len(first))


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=lambda one: one.name)
def test_every_function_of_the_vocabulary_is_inserted_eventually(vocabulary):
    variation, generator, seen = Variation(vocabulary=vocabulary, **INSERTS), rng(0), Counter()
    for _ in range(100 * len(vocabulary.functions)):
        seen.update(statement[0] for statement in variation.mutate(ADAMW, generator))
    seen.subtract({statement[0]: 100 * len(vocabulary.functions) for statement in ADAMW})
    inserted = {index for index, count in seen.items() if count > 0}
    assert inserted | {statement[0] for statement in ADAMW} == set(vocabulary.functions)


def test_every_variable_and_constants_are_read_and_every_kind_is_written_eventually():
    generator, variation, read, written = rng(1), Variation(vocabulary=EXTENDED, longest=128, **INSERTS), set(), set()
    for _ in range(12):
        program = ADAMW
        while len(program) < 128:
            program = variation.mutate(program, generator)
        for place, statement in enumerate(program):
            written.add((statement[1], result_kind(statement, kinds_before(program, place))))
            read.update(argument if isinstance(argument, int) else "constant" for argument in statement[2:])
    assert read == {"constant", *range(24)}
    assert {target for target, _ in written} == set(range(24))
    assert {kind for target, kind in written if target > UPDATE} == {0, 1, 2}


@given(seed=seeds)
def test_the_step_is_touched_only_where_the_vocabulary_has_it(seed):
    generator, variation, program = rng(seed), Variation(vocabulary=LION), ADAMW
    for _ in range(40):
        program = variation.mutate(program, generator)
        assert all(type(part) is float or part != T for statement in program for part in statement[1:])


# purity


@given(seed=seeds, vocabulary=vocabularies)
def test_equal_generators_give_equal_children(seed, vocabulary):
    variation, parent = Variation(vocabulary=vocabulary), parent_of(vocabulary, rng(seed))
    for verb in (variation.mutate, variation.mutate_constants):
        assert repr(verb(parent, rng(seed))) == repr(verb(parent, rng(seed)))
    assert repr(variation.crossover(parent, ADAMW, rng(seed))) == repr(variation.crossover(parent, ADAMW, rng(seed)))
    assert repr(variation.random(rng(seed))) == repr(variation.random(rng(seed)))


@given(seed=seeds)
def test_children_are_made_of_plain_ints_and_floats(seed):
    generator, variation, program = rng(seed), Variation(vocabulary=EXTENDED), ADAMW
    for _ in range(20):
        program = variation.mutate(variation.mutate_constants(program, generator), generator)
    assert {type(part) for statement in program for part in statement} <= {int, float}


# insert, delete, modify


@given(seed=seeds, vocabulary=vocabularies)
def test_insertion_grows_the_body_by_one_and_keeps_the_rest(seed, vocabulary):  # hero: insertion grows body by one
    generator = rng(seed)
    parent = parent_of(vocabulary, generator)
    child = Variation(vocabulary=vocabulary, longest=MOST_STATEMENTS, **INSERTS).mutate(parent, generator)
    assert parent in [without(child, place) for place in range(len(child))]


@given(seed=seeds, vocabulary=vocabularies)
@example(seed=56332793, vocabulary=LION)  # four statements, each of which another one needs
def test_deletion_shrinks_the_body_by_one_and_keeps_the_rest(seed, vocabulary):
    generator = rng(seed)
    parent = parent_of(vocabulary, generator)
    child = Variation(vocabulary=vocabulary, **DELETES).mutate(parent, generator)
    shorter = [without(parent, place) for place in range(len(parent))]
    assert child in shorter or (child == parent and not any(is_valid(one) for one in shorter))


@given(seed=seeds, vocabulary=vocabularies)
def test_modification_changes_one_argument_only(seed, vocabulary):
    generator = rng(seed)
    parent = parent_of(vocabulary, generator)
    child = Variation(vocabulary=vocabulary, **MODIFIES).mutate(parent, generator)
    pairs = [(a, b) for one, other in zip(parent, child, strict=True) for a, b in zip(one, other, strict=True)]
    assert [statement[:2] for statement in child] == [statement[:2] for statement in parent]
    assert sum(a != b or type(a) is not type(b) for a, b in pairs) == 1


def test_three_deletions_reach_the_single_live_statement():  # hero: deletion 1
    live = ("update", "mul", "g", "lr")
    program = from_rows([("x0", "sin", "g"), ("x1", "cos", "w"), ("x2", "exp", "lr"), live])
    variation = Variation(vocabulary=LION, **DELETES)
    for seed in range(20):
        child = program
        for _ in range(3):
            child = variation.mutate(child, rng(seed))
        assert child == from_rows([live])


def test_a_program_that_nothing_can_be_done_to_comes_back():
    single, noise = from_rows([("update", "mul", "g", "lr")]), from_rows([("update", "randn")])
    assert Variation(vocabulary=LION, **DELETES).mutate(single, rng(0)) == single
    assert Variation(vocabulary=LION, longest=3, **INSERTS).mutate(ADAMW, rng(0)) == ADAMW
    assert Variation(vocabulary=EXTENDED, **MODIFIES).mutate(noise, rng(0)) == noise
    needed = from_rows([("x0", "square", "g"), ("update", "mul", "x0", "lr")])
    assert Variation(vocabulary=LION, **DELETES).mutate(needed, rng(0)) == needed


def test_at_the_longest_length_nothing_is_inserted():
    variation, generator = Variation(vocabulary=LION, longest=len(ADAMW)), rng(0)
    lengths = Counter(len(variation.mutate(ADAMW, generator)) for _ in range(1000))
    assert set(lengths) == {len(ADAMW), len(ADAMW) - 1}
    assert abs(lengths[len(ADAMW)] - 500) < 60


def test_weights_are_the_shares_of_the_children_even_where_most_deletions_are_invalid():
    variation, generator = Variation(vocabulary=LION, insert=1, delete=2, modify=1), rng(0)
    grown = Counter(len(variation.mutate(ADAMW, generator)) - len(ADAMW) for _ in range(4000))
    assert abs(grown[1] - 1000) < 100 and abs(grown[-1] - 2000) < 100 and abs(grown[0] - 1000) < 100


# constants


def test_constant_mutation_multiplies_by_two_to_a_standard_normal():
    variation, generator, ratios = Variation(vocabulary=LION), rng(0), []
    for _ in range(10_000):
        child = variation.mutate_constants(ADAMW, generator)
        changed = [(a, b) for a, b in zip(constants(ADAMW), constants(child), strict=True) if a != b]
        ratios.extend(math.log2(new / old) for old, new in changed)
    assert len(ratios) == 10_000
    assert abs(np.mean(ratios)) < 0.03 and abs(np.std(ratios) - 1) < 0.03


def test_each_constant_is_chosen_as_often_and_500_draws_change_all():  # hero: hparam tuning
    variation, generator, changed, walked = Variation(vocabulary=LION), rng(0), Counter(), ADAMW
    for _ in range(500):
        child = variation.mutate_constants(ADAMW, generator)
        changed.update(n for n, (a, b) in enumerate(zip(constants(ADAMW), constants(child), strict=True)) if a != b)
        walked = variation.mutate_constants(walked, generator)
    assert len(changed) == 4 and all(abs(count - 125) < 40 for count in changed.values())
    assert all(a != b for a, b in zip(constants(ADAMW), constants(walked), strict=True))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_constants_are_clamped_and_keep_their_sign(sign):
    variation, generator = Variation(vocabulary=LION, scaling=1.0, **MODIFIES), rng(0)
    program = from_rows([("x0", "abs", sign * LARGEST_CONSTANT), ("update", "mul", "g", "lr")])
    drawn = [constants(variation.mutate_constants(program, generator))[0] for _ in range(200)]
    drawn += [c for _ in range(200) for c in constants(variation.mutate(program, generator)) if abs(c) > 1e6]
    assert max(abs(constant) for constant in drawn) == LARGEST_CONSTANT
    assert all(constant * sign > 0 for constant in drawn)


def test_a_program_without_constants_comes_back_and_a_zero_is_never_chosen():
    variation = Variation(vocabulary=LION)
    bare = from_rows([("update", "mul", "g", "lr")])
    assert variation.mutate_constants(bare, rng(0)) == bare
    zero = from_rows([("x0", "add", 0.0, 0.5), ("update", "mul", "g", "x0")])
    for seed in range(20):
        first, second = constants(variation.mutate_constants(zero, rng(seed)))
        assert first == 0.0 and second != 0.5


def test_new_constants_are_standard_normal_and_as_frequent_as_asked():
    program = from_rows([("update", "mul", "g", "lr")])
    variation, generator, drawn, could = Variation(vocabulary=LION, constants=0.3, **INSERTS), rng(0), [], 0
    for _ in range(8000):
        inserted = next(one for one in variation.mutate(program, generator) if one != program[0])
        drawn.extend(constants((inserted,)))
        could += sum(wanted != 2 for wanted in FUNCTIONS[inserted[0]].arguments)
    assert abs(len(drawn) / could - 0.3) < 0.02
    assert abs(np.mean(drawn)) < 0.05 and abs(np.std(drawn) - 1) < 0.05


@pytest.mark.parametrize(("scaling", "kept"), [(1.0, 1.0), (0.0, 0.5)])
def test_a_modified_constant_is_scaled_or_replaced(scaling, kept):
    program = from_rows([("x0", "abs", 0.5), ("update", "sign", "g")])
    variation = Variation(vocabulary=LION, scaling=scaling, constants=1.0, **MODIFIES)
    drawn = [variation.mutate(program, rng(seed))[0][2] for seed in range(400)]
    changed = [constant for constant in drawn if constant != 0.5]
    assert abs(np.mean([constant > 0 for constant in changed]) - kept) < 0.1


def test_the_constant_one_can_become_the_variable_of_that_number():
    program = from_rows([("x0", "mul", 1.0, 1.0), ("update", "mul", "g", "lr")])  # variable 1 is g, and 1 == 1.0
    variation = Variation(vocabulary=LION, scaling=0.0, constants=0.0, **MODIFIES)
    drawn = [variation.mutate(program, rng(seed))[0][2:] for seed in range(200)]
    assert any(type(argument) is int and argument == 1 for arguments in drawn for argument in arguments)


# crossover


def test_a_child_of_two_is_a_head_of_one_and_a_tail_of_the_other():
    variation, generator = Variation(vocabulary=LION), rng(0)
    cuts = {ADAMW[:head] + RAW[tail:] for head in range(1, len(ADAMW)) for tail in range(1, len(RAW))}
    fitting = {child for child in cuts if is_valid(child)}
    children = [variation.crossover(ADAMW, RAW, generator) for _ in range(500)]
    assert sum(child in fitting for child in children) > 450  # one cut in nine fits; the others are mutations
    assert len(fitting) / 2 < len(set(children) & fitting)


def test_parents_that_do_not_fit_give_a_mutation_of_the_first():
    first, second = from_rows([("update", "sign", "g")]), from_rows([("update", "tanh", "w")])
    for seed in range(50):
        child = Variation(vocabulary=LION).crossover(first, second, rng(seed))
        inserted = len(child) == 2 and first[0] in child
        modified = len(child) == 1 and child != first and child[0][0] == INDEX["sign"]
        assert inserted or modified


# settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("longest", 2),
        ("longest", 129),
        ("longest", 20.0),
        ("insert", -1.0),
        ("delete", math.inf),
        ("modify", math.nan),
        ("constants", 1.5),
        ("constants", math.nan),
        ("scaling", -0.1),
    ],
)
def test_a_setting_out_of_its_range_is_refused_by_name(setting, value):
    with pytest.raises(InvalidSetting) as caught:
        Variation(vocabulary=LION, **{setting: value})
    assert caught.value.name == f"optimizer_program.{setting}"


def test_tuning_alone_keeps_the_form():
    variation, generator = Variation(vocabulary=LION, insert=0, delete=0, modify=0, tune=1), rng(0)
    parent = from_rows(DESIGNS["adamw"])
    for _ in range(50):
        child = variation.mutate(parent, generator)
        changed = [
            (old, new) for one, other in zip(parent, child, strict=True) for old, new in zip(one, other, strict=True)
        ]
        assert sum(old != new for old, new in changed) == 1
        assert all(isinstance(old, float) and old * new > 0 for old, new in changed if old != new)


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(InvalidSetting, match="above 0 where all other weights are 0"):
        Variation(vocabulary=LION, insert=0.0, delete=0.0, modify=0.0)


def test_a_vocabulary_that_cannot_make_an_update_is_refused():
    with pytest.raises(InvalidSetting, match="a tree of a tree"):
        Variation(vocabulary=Vocabulary(name="norms", functions=(INDEX["norm"], INDEX["pi"]), step=False))
