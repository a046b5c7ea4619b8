"""Random search: every proposal is a fresh draw. The yardstick that every other searcher has to beat.

Source: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from automl.canonical import JSON
from automl.contracts.history import Opened
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSearch:
    """Draws from the space and learns nothing.

    Attributes:
        space: what is drawn from.
    """

    space: SearchSpace

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "random"

    def init(self) -> None:
        """Returns the empty state; there is nothing to remember."""

    def ask(
        self, state: None, pending: tuple[Genotype, ...], number: int, rng: np.random.Generator
    ) -> tuple[Genotype, Mapping[str, JSON]]:
        """Draws a genotype; see `Searcher.ask`."""
        draw = self.space.sample(rng)
        return draw.genotype, {"parents": [], "operator": "random", "redrawn": dict(draw.redrawn)}

    def tell(self, state: None, trial: Opened, end: Closed) -> None:
        """Returns the empty state."""

    def restore(self, state: None, trial: Opened) -> None:
        """Returns the empty state."""
