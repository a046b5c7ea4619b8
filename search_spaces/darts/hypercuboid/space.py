"""The space of chains: widths and operations of a plain network, step by step, searched as a black box.

Why: the HyperCuboid of sharpDARTS (Hundt, Jain, Hager 2019, arXiv 1903.09900) searches sizes by gradient; the same
lattice under evolution or random search is what that must be compared with, and what it derives is trained here. The
rule: a genotype is a chain, and the model is all that changes in a recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from automl.authoring import SuggestedSpace
from automl.canonical import digest
from automl.contracts.recipe import Recipe, Signature
from automl.contracts.space import Genotype, Suggester
from automl.errors import InvalidGenotype
from search_spaces.darts.hypercuboid.chain import Chain, to_chain, to_genotype
from search_spaces.darts.hypercuboid.drawing import draw_chain
from search_spaces.darts.hypercuboid.network import ChainFactory
from search_spaces.darts.hypercuboid.plan import PRIMITIVES, GridPlan, check_images, stride_of
from search_spaces.darts.hypercuboid.source import chain_source
from search_spaces.darts.hypercuboid.zoo import fitted
from search_spaces.darts.network import require_batches

_MEANINGS = {
    "resizable_pool": "3x3 max pooling, a 1x1 convolution where the channels change",
    "sharp_sep_conv": "SharpSepConv: two 3x3 depthwise and two pointwise convolutions",
}


@dataclass(frozen=True, kw_only=True)
class HyperCuboidSpace(SuggestedSpace):
    """Chains of poolings and separable convolutions; strides 1 and 2 alternate.

    The defaults are a grid whose chains cost about what the baselines of small proxy tasks do. The paper's is
    channels=32, layers=8, features=768.

    Attributes:
        channels: of the narrowest width, in [1, 4096]; lowered to a power of two.
        widths: how many widths there are, each twice the one before, in [1, 8].
        layers: steps of a chain, even, in [2, 32]; images must have at least 2^(layers / 2) pixels a side.
        features: channels behind the last convolution, in [1, 4096].
    """

    channels: int = 8
    widths: int = 4
    layers: int = 4
    features: int = 96

    name = "hypercuboid"
    version = 1
    slots = frozenset({"model"})

    def __post_init__(self) -> None:
        _ = self.plan  # checks the settings

    @property
    def plan(self) -> GridPlan:
        """The axes of the grid."""
        return GridPlan(channels=self.channels, widths=self.widths, layers=self.layers, features=self.features)

    def suggest(self, trial: Suggester) -> None:
        """Asks for the channels of the stem, then for channels and operation of each step."""
        sizes = self.plan.sizes
        trial.suggest_categorical("stem", sizes)
        for number in range(1, self.layers + 1):
            trial.suggest_categorical(f"channels{number}", sizes)
            trial.suggest_categorical(f"operation{number}", PRIMITIVES)

    def require(self, signature: Signature, recipe: Recipe) -> None:
        """Checks that the data are images which a path can halve, in batches.

        Raises:
            InvalidSetting: they are not.
        """
        check_images(signature, steps=self.layers)
        require_batches(recipe)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe with the chain's network as its model."""
        return recipe.replace(model=ChainFactory(chain=to_chain(genotype), features=self.features))

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest of the chain and of the features behind it."""
        return digest([self.name, self.version, str(to_chain(genotype)), self.features])

    def describe(self, genotype: Genotype) -> str:
        """Returns the chain as published ones are written, e.g. `8: 8S 16R` (S = SharpSepConv, R = ResizablePool)."""
        return str(to_chain(genotype))

    def listing(self, genotype: Genotype) -> tuple[tuple[str, str], ...]:
        """Returns the stem and each step, in short form and in words."""
        chain = to_chain(genotype)
        stem = (f"stem {chain.stem}", f"3x3 convolution to {chain.stem} channels")
        steps = str(chain).split()[1:]
        meanings = (
            f"to {channels} channels{', half the size' if stride_of(number) == 2 else ''}: {_MEANINGS[primitive]}"
            for number, (channels, primitive) in enumerate(chain.steps)
        )
        return (stem, *zip(steps, meanings, strict=True))

    def reductions(self, genotype: Genotype) -> tuple[Genotype, ...]:
        """Returns the chain with one SharpSepConv less, a ResizablePool instead."""
        steps = to_chain(genotype).steps
        convolutions = (number for number, (_, name) in enumerate(steps, 1) if name == "sharp_sep_conv")
        return tuple({**genotype, f"operation{number}": "resizable_pool"} for number in convolutions)

    def draw(self, genotype: Genotype, axes: Any) -> None:
        """Draws the chain on the grid of widths and steps."""
        draw_chain(to_chain(genotype), axes, sizes=self.plan.sizes)

    def source(self, genotype: Genotype, *, advice: Mapping[str, float] = MappingProxyType({})) -> str:
        """Returns a file with the whole network that needs torch only."""
        return chain_source(to_chain(genotype), features=self.features, advice=advice)

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns the published chains, scaled and cut to this grid, that fit it."""
        return {name: to_genotype(chain) for name, chain in fitted(self.plan).items()}

    def from_chain(self, chain: Chain) -> Genotype:
        """Returns the genotype of a chain.

        Raises:
            InvalidGenotype: it is no path of this grid.
        """
        if len(chain.steps) != self.layers:
            raise InvalidGenotype("$", f"{len(chain.steps)} steps", f"{self.layers} steps, as set by layers")
        return self.decode(to_genotype(chain))
