"""The space of differentiable searches over chains: a trial is one training of the grid, and derives chains.

Why: the paper asks whether Max-W, and which decoder, finds better channels; that is answered by searches over many
seeds and by training what they derive. Paper: Hundt, Jain, Hager 2019 (arXiv 1903.09900), Differentiable Hyperparameter
Grid Search. The rule: the method stands in the settings, a genotype is a seed, as in the space `darts-supernet`.
"""

from dataclasses import dataclass
from typing import Any, Literal, assert_never

import torch
from torch import Tensor

from automl.authoring import SuggestedSpace
from automl.canonical import JSON, dumps
from automl.contracts import Genotype, NormActFactory, Recipe, Schedule, Signature, Suggester
from automl.errors import InvalidSetting
from search_spaces.darts.annealing import CosinePower, CosineToFloor
from search_spaces.darts.architecture_adam import ArchitectureAdam
from search_spaces.darts.bilevel import BilevelTrainer
from search_spaces.darts.hypercuboid.derivation import ChainDerivation
from search_spaces.darts.hypercuboid.grid import GridSupernet, Weighting, build_grid, check_weighting
from search_spaces.darts.hypercuboid.plan import GridPlan, check_images
from search_spaces.darts.hypercuboid.space import HyperCuboidSpace
from search_spaces.darts.network import require_batches
from search_spaces.darts.weight_rule import MomentumSGD

SEEDS = 100_000
WARMUP = 5 / 120
"""Share of the run in which the rate rises: the authors' 5 of 120 epochs."""
FLOOR = 1e-4 / 0.025
"""Share of the peak at the end of the authors' searches."""


@dataclass(frozen=True, kw_only=True)
class HyperCuboidSupernetSpace(SuggestedSpace):
    """Differentiable searches over a grid of widths and operations, with one method and many seeds.

    Attributes:
        channels: of the narrowest width, in [1, 4096]; lowered to a power of two. The paper's 32.
        widths: how many widths there are, each twice the one before, in [1, 8]; the paper's 4.
        layers: steps of a path, even, in [2, 32]; the paper's 8.
        features: channels behind the last convolution, in [1, 4096]; the paper's 768.
        weighting: softmax (DARTS), max-w as in the paper's code, max-w-detached (no gradient through the maximum).
        always_apply: whether operations of next to no weight are computed as well.
        decoder: longest-path, beam, greedy-top or greedy-bottom.
        order: 1 or 2 as in DARTS; 0 = no architect, all parameters are trained on the whole train split.
        architecture_learning_rate: > 0; the paper's 3e-4 hardly moves anything in a few hundred steps.
        derive_every: steps from one derived chain to the next, >= 1; None = a fiftieth of the run.
        learning_rate: peak of the weights' SGD, > 0; the paper's 0.025.
        schedule: cosine-power (the paper's), or the cosine of DARTS.
        weight_decay: of the weights, >= 0; the paper's 3e-4.
    """

    channels: int = 8
    widths: int = 4
    layers: int = 4
    features: int = 96
    weighting: Weighting = "max-w"
    always_apply: bool = False
    decoder: Literal["longest-path", "beam", "greedy-top", "greedy-bottom"] = "longest-path"
    order: Literal[0, 1, 2] = 1
    architecture_learning_rate: float = 1e-2
    derive_every: int | None = None
    learning_rate: float = 0.025
    schedule: Literal["cosine", "cosine-power"] = "cosine-power"
    weight_decay: float = 3e-4

    name = "hypercuboid-supernet"
    version = 1
    slots = frozenset({"model", "trainer", "update_rule", "learning_rate", "weight_decay", "decays", "schedule"})

    def __post_init__(self) -> None:
        for setting in ("learning_rate", "architecture_learning_rate"):
            if not getattr(self, setting) > 0:
                raise InvalidSetting(f"{self.name}.{setting}", getattr(self, setting), "a number > 0")
        if not self.weight_decay >= 0:
            raise InvalidSetting(f"{self.name}.weight_decay", self.weight_decay, "a number >= 0, e.g. 3e-4")
        if type(self.always_apply) is not bool:
            raise InvalidSetting(f"{self.name}.always_apply", self.always_apply, "true or false")
        if self.schedule not in ("cosine", "cosine-power"):
            raise InvalidSetting(f"{self.name}.schedule", self.schedule, "cosine or cosine-power")
        check_weighting(self.weighting)
        _ = self.trainer(seed=0)  # checks its own settings, and those of the grid

    @property
    def plan(self) -> GridPlan:
        """The axes of the grid."""
        return GridPlan(channels=self.channels, widths=self.widths, layers=self.layers, features=self.features)

    @property
    def derives(self) -> str:
        """Locator of the space of the derived chains."""
        axes = ("channels", "features", "layers", "widths")
        settings: dict[str, JSON] = {name: getattr(self, name) for name in axes}
        changed = {name: value for name, value in settings.items() if value != getattr(HyperCuboidSpace, name)}
        return HyperCuboidSpace.name + (f"?{dumps(changed)}" if changed else "")

    @property
    def derived_space(self) -> HyperCuboidSpace:
        """The space of the derived chains."""
        return HyperCuboidSpace(
            channels=self.channels, widths=self.widths, layers=self.layers, features=self.features
        )

    def suggest(self, trial: Suggester) -> None:
        """Asks for the seed."""
        trial.suggest_int("seed", 0, SEEDS - 1)

    def require(self, signature: Signature, recipe: Recipe) -> None:
        """Checks that the data are images which a path can halve, in batches.

        Raises:
            InvalidSetting: they are not.
        """
        check_images(signature, steps=self.layers)
        require_batches(recipe)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe of one differentiable search."""
        seed = genotype["seed"]
        assert isinstance(seed, int)
        return recipe.replace(
            model=self._model,
            trainer=self.trainer(seed=seed),
            update_rule=MomentumSGD(),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            decays=_everything,
            schedule=self._schedule(),
        )

    def describe(self, genotype: Genotype) -> str:
        """Returns the method and the seed."""
        order = f"order {self.order}" if self.order else "no architect"
        sizes = f"{self.plan.sizes[0]} to {self.plan.sizes[-1]} channels, {self.layers} steps"
        return f"differentiable grid search, {self.weighting} over {sizes}, {order}, seed {genotype['seed']}"

    def draw_derived(self, genotype: Genotype, axes: Any) -> None:
        """Draws a derived chain as its own space does."""
        self.derived_space.draw(genotype, axes)

    def trainer(self, *, seed: int) -> BilevelTrainer:
        """Returns the trainer of one search.

        Raises:
            InvalidSetting: a setting of the trainer or of the grid out of its range.
        """
        derivation = ChainDerivation(plan=self.plan, decoder=self.decoder)
        return BilevelTrainer(
            derive=derivation,
            read=derivation.read,
            order=self.order,
            architect=ArchitectureAdam(learning_rate=self.architecture_learning_rate),
            derive_every=self.derive_every,
            seed=seed,
        )

    def _model(self, signature: Signature, norm_act: NormActFactory, generator: torch.Generator) -> GridSupernet:
        return build_grid(
            signature, generator, plan=self.plan, weighting=self.weighting, always_apply=self.always_apply
        )

    def _schedule(self) -> Schedule:
        match self.schedule:
            case "cosine":
                return CosineToFloor()
            case "cosine-power":
                return CosinePower(floor=FLOOR, warmup=WARMUP)
        assert_never(self.schedule)


def _everything(name: str, parameter: Tensor) -> bool:
    """All weights decay, as in DARTS's code; the architecture decays by its own rule."""
    return True
