"""First proposals of every searcher on the toy space, pinned: a library that draws otherwise is noticed here.

A change is no bug by itself (recorded trials win over asking again), but it belongs into the changelog. To renew the
file run `UPDATE_GOLDEN=1 pytest tests/searchers/test_golden_asks.py`. The Gaussian process is pinned on its random
start only: beyond it a last bit of linear algebra may decide between two proposals. The distribution searchers are
pinned on ints, which no last bit reaches.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automl.authoring import SuggestedSpace
from automl.canonical import digest
from automl.contracts.history import Searcher
from automl.contracts.space import Suggester
from automl.searchers.cma_es import CmaEs
from automl.searchers.evolution import Evolution
from automl.searchers.evotorch_gaussian import Cem, Pgpe
from automl.searchers.natural_evolution import Snes
from automl.searchers.optuna_sampler import GaussianProcess, Nsga2, Nsga3, QuasiRandom, Tpe
from automl.searchers.random_search import RandomSearch
from automl.testing.dry_study import dry_study
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace, toy_values

GOLDEN = Path(__file__).parents[1] / "golden" / "asks.json"
SPACE = ToySpace()
ONE, TWO = TOY_OBJECTIVES[:1], TOY_OBJECTIVES

PINNED: dict[str, tuple[Callable[[], Searcher[Any]], int, int]] = {
    "random": (lambda: RandomSearch(space=SPACE), 1, 30),
    "evolution": (lambda: Evolution(space=SPACE, objectives=ONE), 1, 60),
    "evolution, two objectives": (lambda: Evolution(space=SPACE, objectives=TWO), 2, 60),
    "tpe": (lambda: Tpe(space=SPACE, objectives=ONE), 1, 30),
    "tpe, two objectives": (lambda: Tpe(space=SPACE, objectives=TWO), 2, 20),
    "nsga2": (lambda: Nsga2(space=SPACE, objectives=TWO, population=8), 2, 40),
    "nsga3": (lambda: Nsga3(space=SPACE, objectives=TWO, population=8), 2, 40),
    "qmc": (lambda: QuasiRandom(space=SPACE, objectives=ONE), 1, 30),
    "gp": (lambda: GaussianProcess(space=SPACE, objectives=ONE), 1, 8),
}


@pytest.mark.parametrize("name", PINNED)
def test_first_asks_are_the_pinned_ones(name: str) -> None:
    make, width, trials = PINNED[name]
    proposed = dry_study(make(), space=SPACE, score=lambda genotype: toy_values(genotype)[:width], trials=trials)
    found = digest([dict(opened.genotype) for opened, _ in proposed])
    pinned = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps({**pinned, name: found}, indent=2, sort_keys=True) + "\n")
        return
    assert pinned[name] == found


class Grid(SuggestedSpace):
    """Four ints; the score is highest where each is 60."""

    name = "grid"

    def suggest(self, trial: Suggester) -> None:
        for index in range(4):
            trial.suggest_int(f"n{index}", 0, 100)


@pytest.mark.parametrize("searcher", [CmaEs, Snes, Cem, Pgpe])
def test_first_generations_are_the_pinned_ones(searcher: Any) -> None:
    made = searcher(space=Grid(), objectives=ONE)
    proposed = dry_study(made, space=Grid(), score=lambda g: (-sum((n - 60.0) ** 2 for n in g.values()),), trials=40)
    found = digest([dict(opened.genotype) for opened, _ in proposed])
    pinned = json.loads(GOLDEN.read_text())
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps({**pinned, made.name: found}, indent=2, sort_keys=True) + "\n")
        return
    assert pinned[made.name] == found
