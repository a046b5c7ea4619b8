"""Starting from given genotypes, whatever searcher goes on."""

from typing import Any

import pytest

from automl.contracts.history import Searcher
from automl.contracts.space import SearchSpace
from automl.errors import InvalidSetting
from automl.searchers.evolution import Evolution
from automl.searchers.optuna_sampler import Tpe
from automl.searchers.random_search import RandomSearch
from automl.searchers.warm_start import WarmStart
from automl.testing.dry_study import dry_study
from automl.testing.searcher_suite import SearcherSuite
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace, toy_values

SPACE = ToySpace()
GIVEN = tuple(SPACE.zoo().values())


class TestWarmTpe(SearcherSuite):
    trials, cuts = 24, (1, 2, 3, 5, 16)

    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return WarmStart(space=space, searcher=Tpe(space=space, objectives=self.objectives), genotypes=GIVEN)


class TestWarmEvolution(SearcherSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return WarmStart(space=space, searcher=Evolution(space=space, objectives=self.objectives), genotypes=GIVEN)


def test_given_genotypes_come_first_and_in_order() -> None:
    searcher = WarmStart(space=SPACE, searcher=RandomSearch(space=SPACE), genotypes=GIVEN)
    trials = dry_study(searcher, space=SPACE, score=toy_values, trials=6)
    assert [opened.genotype for opened, _ in trials[:3]] == list(GIVEN)
    assert [opened.memo["operator"] for opened, _ in trials] == ["given"] * 3 + ["random"] * 3
    assert searcher.name == "random"


def test_evolution_does_not_propose_given_designs_again() -> None:
    evolution = Evolution(space=SPACE, objectives=TOY_OBJECTIVES[:1])
    searcher = WarmStart(space=SPACE, searcher=evolution, genotypes=GIVEN[:2])
    operators = [o.memo["operator"] for o, _ in dry_study(searcher, space=SPACE, score=toy_values, trials=4)]
    assert operators == ["given", "given", "seed", "random"]


def test_nothing_to_start_from_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="at least one genotype"):
        WarmStart(space=SPACE, searcher=RandomSearch(space=SPACE), genotypes=())
