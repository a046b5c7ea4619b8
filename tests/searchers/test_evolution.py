"""Regularised evolution: conformance, ageing, the Pareto tournament, and that it beats random search."""

import collections
from typing import Any

import numpy as np
import pytest

from automl.contracts.history import Opened, Searcher
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Closed, Values
from automl.errors import InvalidSetting
from automl.searchers.evolution import REPEATED, Evolution, Population
from automl.searchers.random_search import RandomSearch
from automl.searchers.tournament import winner
from automl.seeding import child
from automl.testing.dry_study import dry_study
from automl.testing.searcher_suite import SearcherSuite
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace, toy_values

SPACE = ToySpace()
ONE = TOY_OBJECTIVES[:1]


class TestEvolution(SearcherSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return Evolution(space=space, objectives=self.objectives)


class TestEvolutionWithTwoObjectives(TestEvolution):
    objectives = TOY_OBJECTIVES


def evolution(**settings: Any) -> Evolution:
    return Evolution(**{"space": SPACE, "objectives": ONE, **settings})


def accuracy(genotype: Genotype) -> Values:
    return toy_values(genotype)[:1]


def told(searcher: Evolution, values: list[Values], outcome: str = "completed") -> Population:
    state = searcher.init()
    for number, row in enumerate(values):
        genotype = SPACE.sample(child(0, "member", number)).genotype
        opened = Opened(number=number, genotype=genotype, fingerprint=SPACE.fingerprint(genotype))
        state = searcher.tell(state, opened, Closed(number=number, outcome=outcome, reason="", values=row))
    return state


def test_the_population_is_the_latest_completed_trials() -> None:
    state = told(evolution(population=3, tournament=1), [(float(value),) for value in (9, 1, 2, 3)])
    assert [member.number for member in state.members] == [1, 2, 3]
    assert sum(map(len, state.seen)) == 4


@pytest.mark.parametrize("outcome", ["rejected", "failed", "duplicate"])
def test_what_was_not_completed_never_has_children(outcome: str) -> None:
    assert told(evolution(), [(1.0,), (2.0,)], outcome).members == ()


def test_a_completed_trial_without_any_number_never_has_children() -> None:
    assert [m.number for m in told(evolution(), [(None,), (2.0,)]).members] == [1]


def test_the_best_contender_wins_and_absent_loses() -> None:
    rng = np.random.default_rng(0)
    assert winner(np.array([[1.0], [-np.inf], [3.0], [3.0]]), rng) == 2
    assert winner(np.array([[-np.inf], [-5.0]]), rng) == 1


def test_pareto_winners_are_drawn_evenly_from_the_front() -> None:
    points = np.array([(1.0, 5.0), (4.0, 4.0), (5.0, 1.0), (3.0, 3.0), (2.0, 2.0)])
    rng = np.random.default_rng(0)
    counts = collections.Counter(winner(points, rng) for _ in range(3000))
    assert set(counts) == {0, 1, 2}
    assert all(900 < count < 1100 for count in counts.values())


def test_a_row_without_any_number_never_wins_against_one_with() -> None:
    rows = np.array([(-np.inf, -np.inf), (-np.inf, 0.0), (1.0, -np.inf)])
    assert {winner(rows, np.random.default_rng(seed)) for seed in range(50)} == {1, 2}


def test_with_a_full_tournament_children_come_from_the_best() -> None:
    searcher = evolution(population=6, tournament=6, crossover=0.0, fresh=0.0, initial=1, seeds="none")
    state = told(searcher, [(float(value),) for value in (1, 5, 2, 3, 4, 0)])
    memo = searcher.ask(state, (), 6, np.random.default_rng(0))[1]
    assert memo == {"parents": [1], "operator": "mutation", "redrawn": memo["redrawn"]}


def test_minimised_objectives_prefer_the_smallest() -> None:
    searcher = evolution(
        objectives=TOY_OBJECTIVES[1:], population=3, tournament=3, crossover=0.0, fresh=0.0, initial=1, seeds="none"
    )
    assert searcher.ask(told(searcher, [(3.0,), (1.0,), (2.0,)]), (), 6, np.random.default_rng(0))[1]["parents"] == [1]


def test_two_parents_differ() -> None:
    searcher = evolution(population=4, tournament=4, crossover=1.0, fresh=0.0, initial=1, seeds="none")
    state = told(searcher, [(1.0,), (2.0,), (4.0,), (3.0,)])
    memo = searcher.ask(state, (), 4, np.random.default_rng(0))[1]
    assert (memo["operator"], memo["parents"]) == ("crossover", [2, 3])


def test_it_starts_from_the_zoo_then_at_random() -> None:
    memos = [o.memo["operator"] for o, _ in dry_study(evolution(), space=SPACE, score=accuracy, trials=8)]
    assert memos == ["seed"] * 3 + ["random"] * 5
    scratch = dry_study(evolution(seeds="none"), space=SPACE, score=accuracy, trials=8)
    assert {o.memo["operator"] for o, _ in scratch} == {"random"}


def test_the_first_design_alone_may_be_where_everything_starts() -> None:
    trials = dry_study(evolution(seeds="first", redraws=0), space=SPACE, score=accuracy, trials=8)
    design = next(iter(SPACE.zoo().values()))
    assert trials[0][0].genotype == design
    for opened, _ in trials[1:]:
        changed = [name for name in {*design, *opened.genotype} if design.get(name) != opened.genotype.get(name)]
        assert opened.memo["operator"] == "random" and len(changed) <= 3  # one node: an operator and its arguments


def test_a_plateau_starts_again_from_the_best_alone() -> None:
    searcher = evolution(population=4, tournament=1, patience=3)
    assert [member.number for member in told(searcher, [(5.0,), (9.0,), (1.0,), (9.0,)]).members] == [0, 1, 2, 3]
    restarted = told(searcher, [(5.0,), (9.0,), (1.0,), (9.0,), (2.0,)])
    assert [member.number for member in restarted.members] == [1] and restarted.stale == 0
    again = told(searcher, [(5.0,), (9.0,), (1.0,), (9.0,), (2.0,), (3.0,)])
    assert [member.number for member in again.members] == [1, 5] and again.stale == 1


def test_hardly_any_proposal_repeats_an_earlier_one() -> None:
    trials = dry_study(evolution(), space=SPACE, score=accuracy, trials=200, depth=8)
    duplicates = sum(closed.outcome == "duplicate" for _, closed in trials)
    redrawn = sum(opened.memo["redrawn"].get(REPEATED, 0) for opened, _ in trials)
    assert duplicates <= 4
    assert redrawn > 50


def test_it_beats_random_search_on_the_toy_space() -> None:
    def error(searcher: Searcher[Any], seed: int) -> float:
        trials = dry_study(searcher, space=SPACE, score=accuracy, trials=128, depth=8, seed=seed)
        return 1 / max(closed.values[0] or 0.0 for _, closed in trials) - 1

    random = np.array([error(RandomSearch(space=SPACE), seed) for seed in range(8)])
    evolved = np.array([error(evolution(seeds="none"), seed) for seed in range(8)])
    assert evolved.mean() < 0.75 * random.mean()
    assert (evolved <= random).sum() >= 6


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("population", 1),
        ("tournament", 0),
        ("tournament", 25),
        ("initial", 0),
        ("crossover", 1.5),
        ("fresh", -0.1),
        ("redraws", -1),
        ("seeds", "file.json"),
        ("objectives", ()),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: object) -> None:
    with pytest.raises(InvalidSetting, match=f"searcher.{setting}="):
        evolution(**{setting: value})
