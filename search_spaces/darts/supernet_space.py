"""The space of differentiable searches over cells: a trial is one search, and what it derives are cells of `darts`.

Why: differentiable searches differ from seed to seed more than from method to method, so they are run, stopped, resumed
and compared like any other trials. Sources: DARTS (Liu et al. 2019), and by settings: sharpDARTS's Max-W weights and
cosine power annealing, FairDARTS, GDAS, PC-DARTS, DARTS+, R-DARTS. The rule: the method stands in the settings, a
genotype is a seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Module

from automl.authoring import SuggestedSpace
from automl.canonical import JSON, dumps
from automl.contracts import Genotype, Monitor, NormActFactory, Recipe, Schedule, Signature, Suggester
from automl.errors import InvalidGenotype, InvalidSetting
from search_spaces.darts.annealing import CosinePower, CosineToFloor
from search_spaces.darts.architecture_adam import ArchitectureAdam
from search_spaces.darts.bilevel import BilevelTrainer
from search_spaces.darts.bilevel_state import Mixing
from search_spaces.darts.designs import OperationSet
from search_spaces.darts.guards import guards_of
from search_spaces.darts.network import require_batches, require_images
from search_spaces.darts.search_readings import derived_pair, readings_of
from search_spaces.darts.space import DartsSpace
from search_spaces.darts.supernet import Supernet, SupernetPlan, build_supernet
from search_spaces.darts.vocabulary import operation_set
from search_spaces.darts.weight_rule import MomentumSGD
from search_spaces.darts.weighting import Weighting

SEEDS = 100_000
SLOTS = frozenset({"model", "trainer", "update_rule", "learning_rate", "weight_decay", "decays", "schedule"})
HOTTEST, COLDEST = 10.0, 0.1
"""Temperatures of GDAS (Dong and Yang 2019), from the first step to the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooling:
    """Lowers the temperature of Gumbel samples linearly, beside what the recipe does on its way.

    Attributes:
        progress: of the recipe.
    """

    progress: Callable[[Module, float], None]

    def __call__(self, model: Module, share: float) -> None:
        """Sets the temperature for the share of the run that is done."""
        assert isinstance(model, Supernet)
        model.temperature = HOTTEST + (COLDEST - HOTTEST) * share
        self.progress(model, share)


@dataclass(frozen=True, kw_only=True)
class SupernetSpace(SuggestedSpace):
    """Differentiable searches with one method and many seeds.

    Attributes:
        operations: which set of operations the edges mix; see `vocabulary.OPERATION_SETS`.
        channels: of a node in the first cells, >= 1; DARTS 16.
        cells: of the supernet, >= 1; DARTS 8.
        nodes: of a cell, >= 1; DARTS 4.
        weighting: softmax (DARTS), max-w or max-w-detached (sharpDARTS), sigmoid (FairDARTS), gumbel (GDAS).
        order: 1 or 2 as in DARTS; 0 = no architect, all parameters are trained on the whole train split (sharpDARTS).
        partial: one channel in so many is mixed, >= 1; PC-DARTS 4, 1 = all.
        frozen: share of the run before the architecture moves, in [0, 1); PC-DARTS 0.3.
        guard: stops a search that collapses: none, dartsplus (two skip connections in the derived normal cell), skips
            (more than `skips_allowed`), eigenvalue (R-DARTS; a measurement then costs a dozen steps).
        skips_allowed: for the guard "skips", >= 0; P-DARTS 2.
        architecture_learning_rate: > 0; over tens of thousands of steps DARTS 3e-4, PC-DARTS 6e-4, FairDARTS 3e-3. In
            300 steps 3e-4 leaves the entropy at ln 8 = 2.079, and 1e-2 brings it to 2.045.
        zero_one: factor on FairDARTS's zero-one loss, >= 0, for sigmoid weights only.
        derive_every: steps from one derived cell to the next, >= 1; None = a fiftieth of the run, as DARTS's epochs.
        learning_rate: peak of the weights' SGD, > 0; DARTS 0.025 for batches of 64.
        schedule: cosine (to 0.001 / 0.025 of the peak) or cosine-power (sharpDARTS, with 5 of 120 epochs of warm-up).
        weight_decay: of the weights, >= 0; DARTS 3e-4.
    """

    operations: OperationSet = "darts"
    channels: int = 8
    cells: int = 5
    nodes: int = 4
    weighting: Weighting = "softmax"
    order: Literal[0, 1, 2] = 1
    partial: int = 1
    frozen: float = 0.0
    guard: Literal["none", "dartsplus", "skips", "eigenvalue"] = "none"
    skips_allowed: int = 2
    architecture_learning_rate: float = 1e-2
    zero_one: float = 10.0
    derive_every: int | None = None
    learning_rate: float = 0.025
    schedule: Literal["cosine", "cosine-power"] = "cosine"
    weight_decay: float = 3e-4
    slots: frozenset[str] = field(init=False, repr=False, compare=False)

    name = "darts-supernet"
    version = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "slots", SLOTS | ({"on_progress"} if self.weighting == "gumbel" else set()))
        for setting in ("learning_rate", "architecture_learning_rate"):
            if not getattr(self, setting) > 0:
                raise InvalidSetting(f"{self.name}.{setting}", getattr(self, setting), "a number > 0")
        if not self.weight_decay >= 0:
            raise InvalidSetting(f"{self.name}.weight_decay", self.weight_decay, "a number >= 0, e.g. 3e-4")
        if type(self.skips_allowed) is not int or self.skips_allowed < 0:
            raise InvalidSetting(f"{self.name}.skips_allowed", self.skips_allowed, "an int >= 0")
        if self.weighting == "gumbel" and self.order == 2:
            allowed = "0 or 1 with gumbel: finite differences mean nothing where every pass draws operations anew"
            raise InvalidSetting(f"{self.name}.order", self.order, allowed)
        if self.schedule not in ("cosine", "cosine-power"):
            raise InvalidSetting(f"{self.name}.schedule", self.schedule, "cosine or cosine-power")
        self.plan(), self.trainer(seed=0), self.monitors()  # each checks its own settings

    @property
    def derives(self) -> str:
        """Locator of the space of the derived cells."""
        settings: dict[str, JSON] = {"operations": self.operations, "nodes": self.nodes}
        changed = {name: value for name, value in settings.items() if value != getattr(DartsSpace, name)}
        return "darts" + (f"?{dumps(changed)}" if changed else "")

    @property
    def derived_space(self) -> DartsSpace:
        """The space of the derived cells."""
        return DartsSpace(operations=self.operations, nodes=self.nodes)

    def suggest(self, trial: Suggester) -> None:
        """Asks for the seed."""
        trial.suggest_int("seed", 0, SEEDS - 1)

    def require(self, signature: Signature, recipe: Recipe) -> None:
        """Checks that the data are images which the supernet can halve, of two classes or more, in batches.

        Raises:
            InvalidSetting: they are not.
        """
        require_images(signature, halvings=len(self.plan().reductions))
        require_batches(recipe)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe of one differentiable search."""
        seed = genotype["seed"]
        assert isinstance(seed, int)
        changes: dict[str, Any] = {"on_progress": Cooling(progress=recipe.on_progress)}
        return recipe.replace(
            model=self._model,
            trainer=self.trainer(seed=seed),
            update_rule=MomentumSGD(),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            decays=_everything,
            schedule=self._schedule(),
            **(changes if self.weighting == "gumbel" else {}),
        )

    def describe(self, genotype: Genotype) -> str:
        """Returns the method and the seed."""
        parts = [f"{self.weighting} over {self.operations}", f"order {self.order}" if self.order else "no architect"]
        parts += [f"1/{self.partial} of the channels"] if self.partial > 1 else []
        parts += [f"guard {self.guard}"] if self.guard != "none" else []
        return f"differentiable search, {', '.join(parts)}, seed {genotype['seed']}"

    def draw_derived(self, genotype: Genotype, axes: Any) -> None:
        """Draws derived cells as their own space does."""
        self.derived_space.draw(genotype, axes)

    def monitors(self) -> tuple[Monitor, ...]:
        """Returns the guard."""
        return guards_of(self.guard, skips_allowed=self.skips_allowed)

    def plan(self) -> SupernetPlan:
        """Returns the plan of the supernet.

        Raises:
            InvalidSetting: a setting of the supernet out of its range.
        """
        return SupernetPlan(
            channels=self.channels,
            cells=self.cells,
            operations=self.operations,
            weighting=self.weighting,
            partial=self.partial,
            nodes=self.nodes,
        )

    def trainer(self, *, seed: int) -> BilevelTrainer:
        """Returns the trainer of one search.

        Raises:
            InvalidSetting: a setting of the trainer out of its range.
        """
        return BilevelTrainer(
            derive=self._derived,
            read=self._readings,
            order=self.order,
            architect=ArchitectureAdam(learning_rate=self.architecture_learning_rate),
            frozen=self.frozen,
            zero_one=self.zero_one if self.weighting == "sigmoid" and self.order else 0.0,
            derive_every=self.derive_every,
            sharpness=self.guard == "eigenvalue",
            seed=seed,
        )

    def _model(self, signature: Signature, norm_act: NormActFactory, generator: torch.Generator) -> Supernet:
        return build_supernet(signature, generator, plan=self.plan())

    def _schedule(self) -> Schedule:
        match self.schedule:
            case "cosine":
                return CosineToFloor()
            case "cosine-power":
                return CosinePower(warmup=5 / 120)

    def _derived(self, mixing: Mixing) -> Genotype | None:
        cells = derived_pair(mixing, operation_set(self.operations))
        try:
            return None if cells is None else self.derived_space.from_pair(cells)
        except InvalidGenotype:
            return None

    def _readings(self, mixing: Mixing, genotype: Genotype | None) -> Mapping[str, float | None]:
        cells = None if genotype is None else self.derived_space.pair(genotype)
        return readings_of(mixing, cells, edges=self.partial > 1)


def _everything(name: str, parameter: Tensor) -> bool:
    """All weights decay, as in DARTS's code; the architecture decays by its own rule."""
    return True
