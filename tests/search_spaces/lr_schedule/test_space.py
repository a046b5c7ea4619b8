"""The space: closed, pure, continuous where it says so, and what `apply` builds."""

from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.authoring.answers import RandomAnswers
from automl.canonical import dumps, loads
from automl.contracts import ScheduleSpace
from automl.errors import InvalidGenotype, InvalidSetting, UnknownName
from automl.numerics.refinement import refine
from automl.testing.space_suite import SpaceSuite
from search_spaces.lr_schedule import LrScheduleSpace
from search_spaces.lr_schedule.curve import Curve, TabulatedSchedule
from search_spaces.lr_schedule.decay import Constant, Linear, Milestones, Polynomial
from search_spaces.lr_schedule.families import FAMILIES, REACTIVE
from search_spaces.lr_schedule.reactive import Plateau

SPACE = LrScheduleSpace()
ALL = LrScheduleSpace(families=tuple(FAMILIES), peak="tuned")
seeds = st.integers(0, 10**6)


class TestLrScheduleSpace(SpaceSuite):
    def space(self) -> LrScheduleSpace:
        return SPACE


class TestAllFamiliesWithTunedPeak(SpaceSuite):
    def space(self) -> LrScheduleSpace:
        return ALL


class TestFreeFormOnly(SpaceSuite):
    def space(self) -> LrScheduleSpace:
        return LrScheduleSpace(families=("knots",), peak="tuned")


def recipe() -> SimpleNamespace:
    plain = SimpleNamespace(learning_rate=0.2, schedule=None)
    plain.replace = lambda **changes: SimpleNamespace(**{**vars(plain), **changes})
    return plain


def test_it_is_a_space_of_schedules():
    assert isinstance(SPACE, ScheduleSpace)
    assert SPACE.slots == {"schedule"} and ALL.slots == {"schedule", "learning_rate"}


def test_a_curve_becomes_the_schedule_of_the_recipe():
    changed = SPACE.apply(SPACE.zoo()["linear"], recipe())
    assert changed.schedule == TabulatedSchedule(curve=Linear()) and changed.learning_rate == 0.2
    assert changed.schedule.init(2) == (1.0, 0.5)


def test_a_rule_that_reacts_is_a_schedule_itself():
    assert ALL.apply(ALL.zoo()["plateau"], recipe()).schedule == Plateau()
    assert ALL.multipliers(ALL.zoo()["plateau"], 10) is None


def test_a_tuned_peak_is_a_factor_on_the_learning_rate_of_the_recipe():
    changed = ALL.apply({**ALL.zoo()["rex"], "peak": 3.0}, recipe())
    assert changed.learning_rate == pytest.approx(0.6)


@pytest.mark.parametrize("peak", ["fixed", "tuned"])
def test_free_form_asks_for_nothing_but_numbers(peak):
    class Strict(RandomAnswers):
        def suggest_categorical(self, name, choices):
            raise AssertionError(name)

        def suggest_int(self, name, low, high, *, step=1, log=False):
            raise AssertionError(name)

    answers = Strict(np.random.default_rng(0))
    LrScheduleSpace(families=("knots",), peak=peak, knots=5).suggest(answers)
    drops = [f"knots.drop{index}" for index in range(5)]
    assert list(answers.used) == [*(["peak"] if peak == "tuned" else []), "knots.warmup", *drops]


def test_samplers_of_optuna_can_ask():
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=3))
    for _ in range(8):
        trial = study.ask()
        ALL.suggest(trial)
        assert ALL.decode(trial.params) == trial.params
        study.tell(trial, float(len(trial.params)))


@settings(max_examples=60)
@given(seed=seeds, steps=st.integers(1, 300))
def test_every_sample_of_the_default_space_has_a_curve(seed, steps):
    genotype = SPACE.sample(np.random.default_rng(seed)).genotype
    curve = SPACE.multipliers(genotype, steps)
    assert curve is not None and curve.shape == (steps,) and ((curve >= 0) & (curve <= 1)).all()


def test_equal_curves_of_different_families_share_a_fingerprint():
    pairs = [
        (Linear(warmup=0.2), Polynomial(power=1.0, warmup=0.2)),
        (Constant(), SPACE.rule(SPACE.from_multipliers([1.0, 1.0]))),
        (Milestones(first=0.3, second=0.5, third=0.9), Milestones(first=0.9, second=0.3, third=0.5)),
    ]
    for one, other in pairs:
        assert SPACE.fingerprint(SPACE.from_rule(one)) == SPACE.fingerprint(SPACE.from_rule(other))


@pytest.mark.parametrize("error", [1e-15, -1e-15])
def test_fingerprints_do_not_see_rounding(monkeypatch, error):
    """The same curve computed another way differs in the last digit, also where its values are round numbers."""
    designs = [SPACE.from_rule(Linear(floor=floor)) for floor in (0.1, 0.25, 0.5)] + list(SPACE.zoo().values())
    before = [SPACE.fingerprint(genotype) for genotype in designs]
    exact = Curve.multipliers
    monkeypatch.setattr(Curve, "multipliers", lambda self, steps: exact(self, steps) + error)
    assert [SPACE.fingerprint(genotype) for genotype in designs] == before


def test_the_peak_is_part_of_the_fingerprint():
    one = ALL.zoo()["linear"]
    assert ALL.fingerprint(one) != ALL.fingerprint({**one, "peak": 2.0})
    assert ALL.fingerprint(one) == SPACE.fingerprint(SPACE.zoo()["linear"])


def test_rules_that_react_are_told_apart_by_their_settings():
    prints = [ALL.fingerprint(ALL.from_rule(Plateau(factor=factor))) for factor in (0.1, 0.2, 0.1)]
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize(
    "space", [SPACE, ALL, LrScheduleSpace(families=("knots",)), LrScheduleSpace(families=["points"])]
)
def test_a_refined_schedule_is_a_genotype_of_every_space(space):
    refined = refine(np.linspace(3, 1, 300), norm="l2", steps=200)
    genotype = space.from_multipliers(refined.tolist())
    assert space.decode(loads(dumps(genotype))) == genotype
    followed = space.multipliers(genotype, 200)
    assert followed == pytest.approx(refined, abs=0.02)
    assert space.describe(genotype) and space.source(genotype)
    rng = np.random.default_rng(0)
    for draw in [space.mutate(genotype, rng), space.crossover(genotype, space.sample(rng).genotype, rng)]:
        assert space.decode(draw.genotype) == draw.genotype


def test_most_mutants_of_a_refined_schedule_move_one_point():
    genotype = SPACE.from_multipliers(Linear().multipliers(100))
    mutants = [SPACE.mutate(genotype, np.random.default_rng(seed)).genotype for seed in range(40)]
    changed = [sum(mutant[name] != genotype[name] for name in genotype) for mutant in mutants if len(mutant) == 34]
    assert len(changed) > 30 and set(changed) == {1}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [([1.0], "at least two"), ([0.5, 2.0], r"numbers in \[0, 1\]"), ([0.5, float("nan")], r"\[0, 1\]"),
     ([-0.1, 1.0], r"\[0, 1\]"), ([[1.0, 0.0]], "one per step")],
)  # fmt: skip
def test_what_is_no_curve_is_refused(values, complaint):
    with pytest.raises(InvalidSetting, match=complaint):
        SPACE.from_multipliers(values)


def test_a_warm_up_that_is_too_long_is_no_genotype():
    with pytest.raises(InvalidGenotype, match=r"cosine\.warmup is 1\.2"):
        SPACE.decode({"family": "cosine", "cosine.warmup": 1.2, "cosine.floor": 0.0})


def test_rules_that_react_are_no_genotypes_unless_they_are_searched():
    genotype = ALL.zoo()["plateau"]
    with pytest.raises(InvalidGenotype, match="family"):
        SPACE.decode({name: answer for name, answer in genotype.items() if name != "peak"})


def test_reductions_drop_the_warm_up_and_the_floor():
    genotype = SPACE.from_rule(Linear(warmup=0.1, floor=0.2))
    rules = [SPACE.rule(shorter) for shorter in SPACE.reductions(genotype)]
    assert rules == [Linear(floor=0.2), Linear(warmup=0.1)]
    assert SPACE.reductions(SPACE.zoo()["linear"]) == ()


@settings(max_examples=40)
@given(seed=seeds)
def test_reductions_are_genotypes_and_other_functions(seed):
    genotype = ALL.sample(np.random.default_rng(seed)).genotype
    for shorter in ALL.reductions(genotype):
        assert ALL.decode(shorter) == shorter and ALL.fingerprint(shorter) != ALL.fingerprint(genotype)


@settings(max_examples=40)
@given(seed=seeds)
def test_what_people_read_is_one_line_and_lists_every_setting(seed):
    genotype = ALL.sample(np.random.default_rng(seed)).genotype
    assert "\n" not in ALL.describe(genotype)
    assert len(ALL.listing(genotype)) >= 3


def test_a_description_is_mathematics():
    assert SPACE.describe(SPACE.zoo()["linear"]) == "1 - x, x = t/T"
    assert ALL.describe({**ALL.zoo()["constant"], "peak": 2.0}) == "peak x 2: 1"


@pytest.mark.parametrize(
    ("settings_", "complaint"),
    [({"peak": "free"}, "peak"), ({"knots": 1}, "knots"), ({"families": ()}, "families"),
     ({"families": "knots"}, "families"), ({"families": ("rex", "rex")}, "families")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings_, complaint):
    with pytest.raises(InvalidSetting, match=f"lr_schedule.{complaint}"):
        LrScheduleSpace(**settings_)


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(UnknownName, match="cosine"):
        LrScheduleSpace(families=("cosin",))


def test_rules_that_react_are_searched_when_they_are_named():
    space = LrScheduleSpace(families=REACTIVE)
    assert set(space.zoo()) == set(REACTIVE)
