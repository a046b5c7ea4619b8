"""Optuna's samplers as folds: conformance of each, and what they are told."""

import warnings
from typing import Any

import optuna
import pytest

from automl.authoring import SuggestedSpace
from automl.contracts.history import Opened, Searcher
from automl.contracts.recipe import Recipe
from automl.contracts.space import Genotype, SearchSpace, Suggester
from automl.contracts.trial import Closed
from automl.errors import CannotEncode, InvalidSetting, UsageError
from automl.searchers import optuna_sampler
from automl.searchers.optuna_sampler import (
    GaussianProcess,
    Nsga2,
    Nsga3,
    OptunaSearcher,
    QuasiRandom,
    Tpe,
)
from automl.seeding import child
from automl.testing.dry_study import as_recorded, dry_study
from automl.testing.searcher_suite import SearcherSuite
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace, toy_values

SPACE = ToySpace()
ONE = TOY_OBJECTIVES[:1]


class TestTpe(SearcherSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return Tpe(space=space, objectives=self.objectives)


class TestTpeWithTwoObjectives(TestTpe):
    objectives = TOY_OBJECTIVES
    trials, cuts = 25, (14, 20)


class TestNsga2(SearcherSuite):
    objectives = TOY_OBJECTIVES

    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return Nsga2(space=space, objectives=self.objectives, population=6)


class TestNsga3(SearcherSuite):
    objectives = TOY_OBJECTIVES

    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return Nsga3(space=space, objectives=self.objectives, population=6)


class TestQuasiRandom(SearcherSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return QuasiRandom(space=space, objectives=self.objectives)


class Bowl(SuggestedSpace):
    """Two numbers and a condition: small enough for a Gaussian process in a test."""

    name, slots = "bowl", frozenset({"learning_rate"})

    def suggest(self, trial: Suggester) -> None:
        if trial.suggest_float("x", -1.0, 1.0) > 0:
            trial.suggest_int("n", 1, 64, log=True)
        trial.suggest_float("y", 1e-3, 1.0, log=True)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        return recipe.replace(learning_rate=genotype["y"])


def bowl(genotype: Genotype) -> tuple[float | None]:
    x, y = float(str(genotype["x"])), float(str(genotype["y"]))
    return (-(x * x) - y if x > -0.8 else None,)


class TestGaussianProcess(SearcherSuite):
    trials, cuts = 9, (6, 8)

    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return GaussianProcess(space=space, objectives=self.objectives, startup=5)

    def space(self) -> SearchSpace:
        return Bowl()

    def score(self, genotype: Genotype) -> tuple[float | None, ...]:
        return bowl(genotype)


ALL: tuple[type[OptunaSearcher], ...] = (Tpe, GaussianProcess, Nsga2, Nsga3, QuasiRandom)


def opened(number: int) -> Opened:
    genotype = SPACE.sample(child(0, "opened", number)).genotype
    return Opened(number=number, genotype=genotype, fingerprint=SPACE.fingerprint(genotype))


def closed(number: int, value: float | None, outcome: str = "completed") -> Closed:
    return Closed(number=number, outcome=outcome, reason="", values=(value,))


@pytest.mark.parametrize(
    ("outcome", "value", "state"),
    [
        ("completed", 0.5, optuna.trial.TrialState.COMPLETE),
        ("duplicate", 0.5, optuna.trial.TrialState.COMPLETE),
        ("duplicate", None, optuna.trial.TrialState.PRUNED),
        ("completed", float("nan"), optuna.trial.TrialState.PRUNED),
        ("rejected", None, optuna.trial.TrialState.PRUNED),
        ("failed", None, optuna.trial.TrialState.PRUNED),
    ],
)
def test_what_a_sampler_is_told(outcome: str, value: float | None, state: optuna.trial.TrialState) -> None:
    searcher = Tpe(space=SPACE, objectives=ONE)
    scratch = searcher.tell(searcher.restore(searcher.init(), opened(0)), opened(0), closed(0, value, outcome))
    assert scratch.trial(0).state == state
    assert scratch.trial(0).values == ([0.5] if state == optuna.trial.TrialState.COMPLETE else None)


def test_tpe_learns_from_rejections_alone() -> None:
    """Told as pruned, trials with op7=half are avoided; told as nothing, they would come again."""
    searcher = Tpe(space=SPACE, objectives=ONE, startup=5)

    def judge(genotype: Genotype) -> tuple[float | None]:
        return (0.5,) if genotype["op7"] == "add" else (None,)

    trials = dry_study(searcher, space=SPACE, score=judge, trials=80, depth=2)
    late = [o.genotype["op7"] == "add" for o, _ in trials[40:]]
    assert sum(late) > 20


def test_every_sampler_is_quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    verbosity = optuna.logging.get_verbosity()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in ALL:
            dry_study(kind(space=Bowl(), objectives=ONE), space=Bowl(), score=bowl, trials=12)
    assert [str(w.message) for w in caught if "optuna" in str(w.filename) or "xperimental" in str(w.message)] == []
    assert capfd.readouterr().err == ""
    assert optuna.logging.get_verbosity() == verbosity


def test_the_scratch_study_of_tpe_stays_small_and_resumes_across_a_rebuild(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna_sampler, "MOST", 20)
    monkeypatch.setattr(optuna_sampler, "BEST", 5)
    monkeypatch.setattr(optuna_sampler, "LATEST", 10)
    searcher = Tpe(space=SPACE, objectives=ONE)

    def score(genotype: Genotype) -> tuple[float | None]:
        return toy_values(genotype)[:1]

    whole = dry_study(searcher, space=SPACE, score=score, trials=60)
    for cut in (18, 25, 33, 52):
        recorded = [as_recorded(trial) for trial, _ in whole[:cut]]
        resumed = dry_study(searcher, space=SPACE, score=score, trials=60, recorded=recorded)
        assert [o.genotype for o, _ in resumed] == [o.genotype for o, _ in whole]
    scratch = searcher.init()
    for number in range(45):
        scratch = searcher.tell(searcher.restore(scratch, opened(number)), opened(number), closed(number, -number))
        assert len(scratch.closed) < 20
    # rebuilt after 20, 25, 30, 35, 40 and 45: the first five are the best and stay
    assert scratch.closed == (*range(5), *range(35, 45))


def test_open_trials_survive_a_rebuild(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("MOST", 4), ("BEST", 1), ("LATEST", 2)):
        monkeypatch.setattr(optuna_sampler, name, size)
    searcher = Tpe(space=SPACE, objectives=ONE)
    scratch = searcher.init()
    for number in range(6):
        scratch = searcher.restore(scratch, opened(number))
    for number in range(4):
        scratch = searcher.tell(scratch, opened(number), closed(number, -number))
    assert scratch.closed == (0, 2, 3)
    assert not scratch.trial(4).state.is_finished() and scratch.trial(5).params == opened(5).genotype
    assert searcher.tell(scratch, opened(4), closed(4, 1.0)).trial(4).value == 1.0


def test_foreign_trials_become_parents_of_nsga() -> None:
    searcher = Nsga2(space=SPACE, objectives=ONE, population=4)
    scratch = searcher.init()
    for number in range(4):
        scratch = searcher.restore(scratch, opened(number))
    for number in range(4):
        scratch = searcher.tell(scratch, opened(number), closed(number, number))
    memo = searcher.ask(scratch, (), 4, child(0, "ask", 4))[1]
    assert memo["optuna"]["study"], "the first generation is complete, so its parents are chosen and written down"


def test_a_space_without_named_questions_is_refused_with_the_searchers_that_can() -> None:
    class Programs(ToySpace):
        suggestible = False

    for kind in ALL:
        with pytest.raises(CannotEncode, match="Use one of: evolution, random"):
            kind(space=Programs(), objectives=ONE)


def test_a_gaussian_process_is_refused_where_it_would_crawl() -> None:
    searcher = GaussianProcess(space=SPACE, objectives=ONE)
    assert searcher.most_trials == 500
    with pytest.raises(UsageError, match="--searcher tpe or evolution"):
        searcher.ask(searcher.init(), (), 500, child(0, "ask"))


def test_spaces_that_rewrite_answers_resume_equally() -> None:
    class Even(Bowl):
        """Keeps only what matters: rounds x down to halves when decoding."""

        def decode(self, answers: Any) -> Genotype:
            genotype = dict(super().decode(answers))
            return {**genotype, "x": genotype["x"] // 0.5 * 0.5}

    searcher, space = Tpe(space=Even(), objectives=ONE), Even()
    whole = dry_study(searcher, space=space, score=bowl, trials=30)
    recorded = [as_recorded(trial) for trial, _ in whole[:20]]
    resumed = dry_study(searcher, space=space, score=bowl, trials=30, recorded=recorded)
    assert [o.genotype for o, _ in resumed] == [o.genotype for o, _ in whole]


@pytest.mark.parametrize(
    ("kind", "setting", "value"),
    [
        (Tpe, "startup", 0),
        (Tpe, "candidates", 0),
        (GaussianProcess, "startup", 0),
        (Nsga2, "population", 3),
        (Nsga3, "population", 3),
        (QuasiRandom, "sequence", "lattice"),
        (Tpe, "objectives", ()),
    ],
)
def test_settings_out_of_range_are_refused(kind: type[OptunaSearcher], setting: str, value: object) -> None:
    settings: dict[str, Any] = {"space": SPACE, "objectives": ONE, setting: value}
    with pytest.raises(InvalidSetting, match=f"searcher.{setting}="):
        kind(**settings)
