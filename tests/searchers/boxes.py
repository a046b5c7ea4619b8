"""What tests of the distribution searchers share: a space of numbers, scores, and a study in windows of blocks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from automl.authoring import SuggestedSpace
from automl.canonical import dumps, loads
from automl.contracts.history import Opened, Searcher
from automl.contracts.recipe import Recipe
from automl.contracts.space import Genotype, SearchSpace, Suggester
from automl.contracts.trial import Closed, Objective, Values
from automl.flows.window import Window
from automl.searchers.cma_es import CmaEs
from automl.searchers.distribution import DistributionSearcher
from automl.searchers.evotorch_gaussian import Cem, Pgpe
from automl.searchers.natural_evolution import Snes
from automl.seeding import child
from automl.testing.dry_study import Trial

LOSS = (Objective(name="loss", direction="minimize", metric="loss"),)
ALL = (CmaEs, Snes, Cem, Pgpe)


class Cube(SuggestedSpace):
    """Numbers in [-1, 1]; the last one an int of 0..40, read as one in [-1, 1]."""

    name, slots = "cube", frozenset({"schedule"})

    def __init__(self, floats: int = 3, ints: int = 1) -> None:
        self._floats, self._ints = floats, ints

    def suggest(self, trial: Suggester) -> None:
        for index in range(self._floats):
            trial.suggest_float(f"x{index}", -1.0, 1.0)
        for index in range(self._ints):
            trial.suggest_int(f"n{index}", 0, 40)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        return recipe


def place(genotype: Genotype) -> np.ndarray:
    rows = sorted(genotype.items())
    return np.array([float(v) if name[0] == "x" else float(v) / 20 - 1 for name, v in rows])  # type: ignore[arg-type]


def sphere(genotype: Genotype) -> float:
    return float(((place(genotype) - 0.3) ** 2).sum())


def badly_scaled(genotype: Genotype) -> float:
    x = place(genotype) + 0.2
    return float((10.0 ** np.linspace(0, 4, len(x)) * x**2).sum())


def corner(genotype: Genotype) -> float:
    """The optimum is the lower bound of every number."""
    return float((place(genotype) + 1).sum())


def block_study(
    searcher: Searcher[Any],
    *,
    space: SearchSpace,
    score: Callable[[Genotype], Values],
    trials: int,
    depth: int = 4,
    seed: int = 0,
    recorded: Sequence[Opened] = (),
    states: list[Any] | None = None,
) -> list[Trial]:
    """Runs a study in the window that the search gives to a searcher with generations; repeats are duplicates."""
    window = Window(depth, block=getattr(searcher, "generation", 1))
    state, told = searcher.init(), 0
    done: list[Trial] = []
    known: dict[str, Values] = {}
    for number in range(trials):
        while told < window.low():
            state = searcher.tell(state, *done[told])
            told += 1
        if states is not None:
            states.append(state)
        if number < len(recorded):
            opened = recorded[number]
            state = searcher.restore(state, opened)
        else:
            pending = tuple(trial.genotype for trial, _ in done[told:])
            genotype, memo = searcher.ask(state, pending, number, child(seed, "ask", number))
            print_of = space.fingerprint(genotype)
            opened = Opened(number=number, genotype=genotype, fingerprint=print_of, memo=loads(dumps(memo)))
        twin = opened.fingerprint in known
        values = known.setdefault(opened.fingerprint, score(opened.genotype))
        outcome = "duplicate" if twin else "completed" if values != (None,) * len(values) else "rejected"
        window.add(trained=not twin)
        done.append((opened, Closed(number=number, outcome=outcome, reason="", values=values)))
    return done


def made(searcher: type[DistributionSearcher[Any]], space: SearchSpace | None = None, **settings: Any) -> Any:
    return searcher(space=space or Cube(), objectives=LOSS, **settings)
