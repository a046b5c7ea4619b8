"""What a trained grid says: a chain, and numbers for the curve.

Why: the trainer of differentiable searches knows no grid; it hands over mixing weights and takes a genotype back. The
rule: weights that are not finite give no chain and no numbers. Paper: Hundt, Jain, Hager 2019 (arXiv 1903.09900).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from automl.contracts.space import Genotype
from automl.errors import UnknownName
from search_spaces.darts.bilevel_state import Mixing
from search_spaces.darts.hypercuboid.chain import to_genotype
from search_spaces.darts.hypercuboid.decoders import DECODERS, Path
from search_spaces.darts.hypercuboid.plan import GridPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainDerivation:
    """Mixing weights of a `GridSupernet` -> genotype of the space `hypercuboid`.

    Attributes:
        plan: axes of the grid.
        decoder: name of one of `decoders.DECODERS`.
    """

    plan: GridPlan
    decoder: str = "longest-path"

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise UnknownName("decoder", str(self.decoder), DECODERS)

    def __call__(self, mixing: Mixing) -> Genotype | None:
        """Returns the chain's genotype, None where a weight is not finite."""
        path = self.path(mixing)
        return None if path is None else to_genotype(path.chain(self.plan.sizes))

    def path(self, mixing: Mixing) -> Path | None:
        """Returns the decoded path, None where a weight is not finite."""
        weights = mixing["grid"].reshape(self.plan.shape)
        return DECODERS[self.decoder](weights) if np.isfinite(weights).all() else None

    def read(self, mixing: Mixing, genotype: Genotype | None) -> Mapping[str, float | None]:
        """Returns `entropy_grid`, the mean over the softmaxes in nats, and `path_weight`, the sum along the chain."""
        path = self.path(mixing)
        if path is None:
            return {"entropy_grid": None, "path_weight": None}
        rows = mixing["grid"]
        surprise = -np.log(np.where(rows > 0, rows, 1.0))
        return {"entropy_grid": float((rows * surprise).sum(1).mean()), "path_weight": path.weight}
