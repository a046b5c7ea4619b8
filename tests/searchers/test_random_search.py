"""Random search."""

from typing import Any

from automl.contracts.history import Searcher
from automl.contracts.space import SearchSpace
from automl.searchers.random_search import RandomSearch
from automl.testing.searcher_suite import SearcherSuite


class TestRandomSearch(SearcherSuite):
    def searcher(self, space: SearchSpace) -> Searcher[Any]:
        return RandomSearch(space=space)

    def test_it_learns_nothing(self) -> None:
        nothing = self.study(score=lambda genotype: (None,))
        assert [o.genotype for o, _ in self.study()] == [o.genotype for o, _ in nothing]
