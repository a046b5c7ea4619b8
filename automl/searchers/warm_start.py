"""Starts any searcher from given genotypes: a zoo, an earlier study's winners, a file.

Why a wrapper: what is known beforehand has nothing to do with how the search goes on. The rule: the given genotypes are
open trials of the wrapped searcher from the beginning (through `restore`), so it knows them when its own turn comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

import numpy as np

from automl.canonical import JSON
from automl.contracts.history import Opened, Searcher, State
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Closed
from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart(Generic[State]):
    """Proposes the given genotypes first, in order, then what the wrapped searcher proposes.

    Attributes:
        space: takes fingerprints of the genotypes.
        searcher: the wrapped searcher.
        genotypes: decoded by whoever read them, at least one. Rule of thumb: at most a quarter of the budget.
    """

    space: SearchSpace
    searcher: Searcher[State]
    genotypes: tuple[Genotype, ...]

    def __post_init__(self) -> None:
        if not self.genotypes:
            raise InvalidSetting("searcher.genotypes", self.genotypes, "at least one genotype to start from")

    @property
    def name(self) -> str:
        """Name of the wrapped searcher."""
        return self.searcher.name

    def init(self) -> State:
        """Returns the wrapped searcher's state with the given genotypes as open trials."""
        state = self.searcher.init()
        for number, genotype in enumerate(self.genotypes):
            fingerprint = self.space.fingerprint(genotype)
            state = self.searcher.restore(
                state, Opened(number=number, genotype=genotype, fingerprint=fingerprint, memo=_MEMO)
            )
        return state

    def ask(
        self, state: State, pending: tuple[Genotype, ...], number: int, rng: np.random.Generator
    ) -> tuple[Genotype, Mapping[str, JSON]]:
        """Proposes the next given genotype, or asks the wrapped searcher; see `Searcher.ask`."""
        if number < len(self.genotypes):
            return self.genotypes[number], _MEMO
        return self.searcher.ask(state, pending, number, rng)

    def tell(self, state: State, trial: Opened, end: Closed) -> State:
        """Tells the wrapped searcher."""
        return self.searcher.tell(state, trial, end)

    def restore(self, state: State, trial: Opened) -> State:
        """Restores into the wrapped searcher what `init` has not put there already."""
        return state if trial.number < len(self.genotypes) else self.searcher.restore(state, trial)


_MEMO: Mapping[str, JSON] = {"parents": [], "operator": "given", "redrawn": {}}
