"""One `suggest` gives every verb: whatever a verb returns decodes, and untrusted answers are refused."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.authoring import SuggestedSpace
from automl.authoring.answers import MAX_ANSWERS, RandomAnswers, RecordedAnswers
from automl.canonical import dumps, loads
from automl.errors import InvalidGenotype, InvalidSetting
from automl.seeding import child

seeds = st.integers(0, 2**32)


class Conditional(SuggestedSpace):
    """Every kind of question, one of them conditional, one of them with a range that depends on an answer."""

    name, slots = "conditional", frozenset({"schedule"})

    def suggest(self, trial: Any) -> None:
        kind = trial.suggest_categorical("kind", ["none", "power", "steps", True, 1, None])
        if kind == "power":
            trial.suggest_float("power", 1e-3, 10.0, log=True)
            trial.suggest_float("grid", 0.0, 1.0, step=0.25)
        if kind == "steps":
            count = trial.suggest_int("count", 1, 5)
            for index in range(count):
                trial.suggest_int(f"at{index}", 0, 100, step=10)
        trial.suggest_int("width", 1, 1024, log=True)


SPACE = Conditional()


def drawn(seed: int) -> dict[str, Any]:
    return dict(SPACE.sample(child(seed)).genotype)


@given(seeds)
def test_a_sample_decodes_to_itself(seed: int) -> None:
    genotype = drawn(seed)
    assert SPACE.decode(SPACE.encode(genotype)) == genotype


@given(seeds)
def test_a_genotype_survives_json(seed: int) -> None:
    genotype = drawn(seed)
    assert SPACE.decode(loads(dumps(genotype))) == genotype
    assert SPACE.fingerprint(loads(dumps(genotype))) == SPACE.fingerprint(genotype)


@given(seeds, seeds)
def test_a_mutant_decodes_to_itself(seed: int, other: int) -> None:
    genotype = drawn(seed)
    mutant = SPACE.mutate(genotype, child(other)).genotype
    assert SPACE.decode(SPACE.encode(mutant)) == mutant


@given(seeds, seeds)
def test_a_mutant_keeps_every_answer_but_one_that_is_still_asked(seed: int, other: int) -> None:
    genotype = drawn(seed)
    mutant = SPACE.mutate(genotype, child(other)).genotype
    changed = [name for name in genotype if name in mutant and mutant[name] != genotype[name]]
    assert len(changed) <= 1


@given(seeds)
def test_mutating_a_choice_or_a_short_range_always_changes_it(seed: int) -> None:
    class Two(SuggestedSpace):
        name = "two"

        def suggest(self, trial: Any) -> None:
            trial.suggest_categorical("letter", ["a", "b", "c"])
            trial.suggest_int("digit", 0, 9)

    genotype = {"letter": "b", "digit": 4}
    assert Two().mutate(genotype, child(seed)).genotype != genotype


@given(seeds, seeds, seeds)
def test_a_child_decodes_and_takes_each_answer_from_a_parent(first: int, second: int, seed: int) -> None:
    mother, father = drawn(first), drawn(second)
    offspring = SPACE.crossover(mother, father, child(seed)).genotype
    assert SPACE.decode(SPACE.encode(offspring)) == offspring
    for name, answer in offspring.items():
        parents = [one[name] for one in (mother, father) if name in one]
        assert not parents or answer in parents


@given(seeds)
def test_crossing_a_genotype_with_itself_gives_it_back(seed: int) -> None:
    genotype = drawn(seed)
    assert SPACE.crossover(genotype, genotype, child(seed, "x")).genotype == genotype


@given(seeds)
def test_the_same_generator_draws_the_same_genotype(seed: int) -> None:
    assert drawn(seed) == drawn(seed)
    assert list(drawn(seed)) == list(drawn(seed))


def test_every_choice_is_drawn_about_equally_often() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(str(SPACE.sample(rng).genotype["kind"]) for _ in range(3000))
    assert min(counts.values()) > 400 and len(counts) == 6


def test_log_ints_are_uniform_in_the_logarithm() -> None:
    """Of [1, 1024], a log-uniform draw is at most 32 about half of the time, a uniform one 3 % of it."""
    rng = np.random.default_rng(0)
    small = sum(SPACE.sample(rng).genotype["width"] <= 32 for _ in range(2000))
    assert 900 < small < 1150


GOOD = {"kind": "steps", "count": 2, "at0": 10, "at1": 100, "width": 7}


@pytest.mark.parametrize(
    ("answers", "where"),
    [
        ({**GOOD, "kind": "other"}, "kind"),
        ({**GOOD, "count": 0}, "count"),
        ({**GOOD, "count": 2.0}, "count"),
        ({**GOOD, "count": True}, "count"),
        ({**GOOD, "count": "2"}, "count"),
        ({**GOOD, "at0": 15}, "at0"),
        ({**GOOD, "count": 3}, "at2"),
        ({**GOOD, "at2": 20}, "'at2'"),
        ({name: one for name, one in GOOD.items() if name != "width"}, "width"),
        ({"kind": "power", "power": float("nan"), "grid": 0.25, "width": 1}, "power"),
        ({"kind": "power", "power": 10.5, "grid": 0.25, "width": 1}, "power"),
        ({"kind": "power", "power": 1.0, "grid": 0.3, "width": 1}, "grid"),
        ({"kind": 1.0, "width": 1}, "kind"),
        ({}, "kind"),
        ({"kind": [1], "width": 1}, "kind"),
        ([], "object"),
        (None, "object"),
    ],
)
def test_untrusted_answers_are_refused_by_name(answers: Any, where: str) -> None:
    with pytest.raises(InvalidGenotype, match=where):
        SPACE.decode(answers)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*GOOD, "power", "grid", "extra"]), json_values))
def test_any_answers_decode_or_are_refused(answers: dict[str, Any]) -> None:
    try:
        genotype = SPACE.decode(answers)
    except InvalidGenotype:
        return
    assert SPACE.decode(SPACE.encode(genotype)) == genotype


def test_true_is_not_one() -> None:
    assert SPACE.decode({"kind": True, "width": 1}) == {"kind": True, "width": 1}
    assert SPACE.decode({"kind": 1, "width": 1})["kind"] is not True


def test_an_int_answer_to_a_float_question_becomes_a_float() -> None:
    power = SPACE.decode({"kind": "power", "power": 1, "grid": 0, "width": 1})["power"]
    assert power == 1.0 and type(power) is float


def test_too_many_answers_are_refused_unread() -> None:
    with pytest.raises(InvalidGenotype, match=str(MAX_ANSWERS)):
        RecordedAnswers({str(number): 0 for number in range(MAX_ANSWERS + 1)})


def test_a_suggest_that_never_ends_is_stopped() -> None:
    class Endless(SuggestedSpace):
        name = "endless"

        def suggest(self, trial: Any) -> None:
            for index in range(10**9):
                trial.suggest_int(f"q{index}", 0, 1)

    with pytest.raises(InvalidSetting, match="at most"):
        Endless().sample(np.random.default_rng(0))


@pytest.mark.parametrize(
    "ask",
    [
        lambda t: t.suggest_categorical("x", []),
        lambda t: t.suggest_int("x", 2, 1),
        lambda t: t.suggest_int("x", 0, 5, log=True),
        lambda t: t.suggest_float("x", 0.0, 1.0, log=True),
        lambda t: t.suggest_float("x", 0.0, float("inf")),
        lambda t: t.suggest_float("x", 1.0, 0.0),
    ],
)
def test_an_impossible_question_names_itself(ask: Any) -> None:
    with pytest.raises(InvalidSetting, match="^x="):
        ask(RandomAnswers(np.random.default_rng(0)))


@given(seeds, st.integers(-5, 5), st.integers(0, 40), st.integers(1, 7))
def test_an_int_lies_on_its_grid(seed: int, low: int, width: int, step: int) -> None:
    value = RandomAnswers(child(seed)).suggest_int("x", low, low + width, step=step)
    assert low <= value <= low + width and (value - low) % step == 0


@given(seeds, st.floats(-5, 5), st.floats(0, 3), st.none() | st.floats(0.01, 2))
def test_a_float_lies_in_its_range_and_is_legal_on_replay(
    seed: int, low: float, width: float, step: float | None
) -> None:
    value = RandomAnswers(child(seed)).suggest_float("x", low, low + width, step=step)
    assert low <= value <= low + width
    assert RecordedAnswers({"x": value}).suggest_float("x", low, low + width, step=step) == value


def test_an_empty_genotype_mutates_and_crosses() -> None:
    class Nothing(SuggestedSpace):
        name = "nothing"

        def suggest(self, trial: Any) -> None:
            """Asks nothing."""

    rng = np.random.default_rng(0)
    assert Nothing().mutate({}, rng).genotype == {}
    assert Nothing().crossover({}, {}, rng).genotype == {}


@pytest.mark.parametrize("verb", ["suggest", "apply"])
def test_a_missing_verb_names_the_class_and_the_verb(verb: str) -> None:
    class Unfinished(SuggestedSpace):
        name = "unfinished"

    call = {"suggest": lambda: Unfinished().suggest(None), "apply": lambda: Unfinished().apply({}, None)}[verb]
    with pytest.raises(TypeError, match=f"Unfinished must define {verb}"):
        call()


def test_an_optuna_trial_is_just_another_source() -> None:
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(10):
        trial = study.ask()
        SPACE.suggest(trial)
        assert SPACE.decode(trial.params) == trial.params
