"""Distribution searchers: conformance in windows of blocks, and that they beat random search at equal trials."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from boxes import ALL, LOSS, Cube, badly_scaled, block_study, corner, made, place, sphere

from automl.contracts.history import Searcher
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Objective, Values
from automl.searchers.cma_es import CmaEs
from automl.searchers.distribution import DistributionSearcher
from automl.searchers.evotorch_gaussian import Cem, Pgpe
from automl.searchers.natural_evolution import Snes
from automl.searchers.random_search import RandomSearch
from automl.searchers.warm_start import WarmStart
from automl.seeding import child
from automl.testing.dry_study import Trial
from automl.testing.searcher_suite import SearcherSuite


class ContinuousSuite(SearcherSuite):
    """The conformance suite on a box of numbers, in windows of blocks; part of it is rejected."""

    objectives = LOSS

    def space(self) -> SearchSpace:
        return Cube()

    def score(self, genotype: Genotype) -> Values:
        return (None,) if genotype["n0"] == 40 or place(genotype)[1] > 0.9 else (sphere(genotype),)

    def study(self, **changes: Any) -> list[Trial]:
        space = self.space()
        settings: dict[str, Any] = {"score": self.score, "trials": self.trials, **changes}
        return block_study(self.searcher(space), space=space, **settings)


class TestCmaEs(ContinuousSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return CmaEs(space=space, objectives=self.objectives)


class TestSnes(ContinuousSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return Snes(space=space, objectives=self.objectives)


class TestCem(ContinuousSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return Cem(space=space, objectives=self.objectives)


class TestPgpe(ContinuousSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return Pgpe(space=space, objectives=self.objectives)


class TestCmaEsInAWindowOfFourOpenTrials(TestCmaEs):
    """A window that cuts through generations: an update may see points of an older distribution, the fold holds."""

    def study(self, **changes: Any) -> list[Trial]:
        return SearcherSuite.study(self, **changes)


class TestPgpeInAWindowOfFourOpenTrials(TestPgpe):
    def study(self, **changes: Any) -> list[Trial]:
        return SearcherSuite.study(self, **changes)


class TestCmaEsWithTwoObjectives(TestCmaEs):
    objectives = (*LOSS, Objective(name="size", direction="minimize", metric="size"))

    def score(self, genotype: Genotype) -> Values:
        return (None, None) if genotype["n0"] == 40 else (sphere(genotype), corner(genotype))


class TestWarmPgpe(TestPgpe):
    """An odd number of given genotypes, so that a drawn point mirrors a given one."""

    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        given = tuple(space.sample(child(1, index)).genotype for index in range(3))
        return WarmStart(space=space, searcher=Pgpe(space=space, objectives=self.objectives), genotypes=given)


def searched(searcher: Any, score: Callable[[Genotype], float], *, trials: int, seed: int = 0) -> float:
    done = block_study(
        searcher, space=searcher.space, score=lambda genotype: (score(genotype),), trials=trials, seed=seed
    )
    return min(value for _, closed in done if (value := closed.values[0]) is not None)


@pytest.mark.parametrize("searcher", ALL)
@pytest.mark.parametrize(("score", "gain"), [(sphere, 2.0), (badly_scaled, 1.0), (corner, 3.0)])
def test_median_of_seven_studies_beats_random_search_at_equal_trials(
    searcher: type[DistributionSearcher[Any]], score: Callable[[Genotype], float], gain: float
) -> None:
    space = Cube(5, 0)
    found = [searched(made(searcher, space), score, trials=200, seed=seed) for seed in range(7)]
    by_chance = [searched(RandomSearch(space=space), score, trials=200, seed=seed) for seed in range(7)]
    assert np.median(found) * gain < np.median(by_chance)


@pytest.mark.parametrize("searcher", ALL)
def test_an_optimum_on_the_bounds_is_reached(searcher: type[DistributionSearcher[Any]]) -> None:
    best = [searched(made(searcher, Cube(2, 0)), corner, trials=240, seed=seed) for seed in range(5)]
    assert np.median(best) < 0.01


@pytest.mark.parametrize("searcher", [CmaEs, Snes])
def test_ints_are_found_exactly(searcher: type[DistributionSearcher[Any]]) -> None:
    best = [searched(made(searcher, Cube(0, 3)), sphere, trials=200, seed=seed) for seed in range(5)]
    assert np.median(best) < 1e-12
