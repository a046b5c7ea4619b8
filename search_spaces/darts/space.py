"""The space of cells: what is proposed, and how a proposal changes a recipe.

Why: since NASNet most searched image networks are stacks of two searched cells, and DARTS (Liu, Simonyan, Yang 2019,
arXiv 1806.09055) fixed the space in which methods are compared. The rule: a genotype is two edges for each node of both
cells; the model, and the extras asked for in the settings, are all that changes in a recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from automl.authoring import SuggestedSpace
from automl.authoring.answers import RecordedAnswers
from automl.canonical import digest
from automl.contracts.recipe import Recipe, Signature
from automl.contracts.space import Draw, Genotype, Suggester
from automl.errors import InvalidGenotype, InvalidSetting
from search_spaces.darts.cell import CellPair, format_cell
from search_spaces.darts.designs import DESIGNS, OperationSet
from search_spaces.darts.drawing import draw_cells
from search_spaces.darts.network import NetworkFactory, NetworkPlan, require_batches, require_images
from search_spaces.darts.operations import style_of
from search_spaces.darts.questions import answers, ask
from search_spaces.darts.regularisation import AuxiliaryLoss, Cutout, RisingDropPath
from search_spaces.darts.source import network_source
from search_spaces.darts.variation import child, listing, mutant, reductions
from search_spaces.darts.vocabulary import NONE, operation_set

MOST_NODES = 8
MOST_REDRAWS = 64
SAME = "same as its parent"


@dataclass(frozen=True, kw_only=True)
class DartsSpace(SuggestedSpace):
    """Pairs of cells, judged in a network that is made of them.

    Attributes:
        operations: which set of operations the edges choose from; see `vocabulary.OPERATION_SETS`.
        cells: cells of the network, in [1, 64]; 20 as published for CIFAR-10, 14 for ImageNet. The default five are
            the fewest with a normal cell at each of three sizes.
        channels: of a node in the first cells, in [1, 512]; 36 and 48 as published. With the default four, cells of
            the set "darts" cost about as much as the small networks that tasks bring as baselines.
        nodes: of a cell, in [1, 8]; 4 as published.
        none_allowed: whether an edge may be nothing; as published it may not.
        stem: "small" for small images, "large" for ImageNet (three halvings before the cells).
        auxiliary: weight of the auxiliary loss, >= 0; 0.4 as published, 0 = no auxiliary head.
        drop_path: probability at the end of the run, in [0, 1); 0.2 as published, 0 = off.
        cutout: side of the square cut out of training images, in pixels, in [0, 1024]; 16 as published, 0 = off.
        choke: channels in the middle of choke convolutions, in [1, 4096].
    """

    operations: OperationSet = "darts"
    cells: int = 5
    channels: int = 4
    nodes: int = 4
    none_allowed: bool = False
    stem: Literal["small", "large"] = "small"
    auxiliary: float = 0.0
    drop_path: float = 0.0
    cutout: int = 0
    choke: int = 32
    slots: frozenset[str] = field(init=False, repr=False, compare=False)

    name = "darts"
    version = 1

    def __post_init__(self) -> None:
        operation_set(self.operations)
        for setting, least, most in (("nodes", 1, MOST_NODES), ("cutout", 0, 1024)):
            value = getattr(self, setting)
            if type(value) is not int or not least <= value <= most:
                raise InvalidSetting(f"darts.{setting}", value, f"an int in [{least}, {most}]")
        if type(self.none_allowed) is not bool:
            raise InvalidSetting("darts.none_allowed", self.none_allowed, "true or false")
        if not 0 <= self.auxiliary <= 10:
            raise InvalidSetting("darts.auxiliary", self.auxiliary, "a number in [0, 10], e.g. 0.4")
        if not 0 <= self.drop_path < 1:
            raise InvalidSetting("darts.drop_path", self.drop_path, "a number in [0, 1), e.g. 0.2")
        extras = {"loss": self.auxiliary > 0, "on_progress": self.drop_path > 0, "augment": self.cutout > 0}
        object.__setattr__(self, "slots", frozenset({"model", *(slot for slot, used in extras.items() if used)}))
        self.plan(DESIGNS["darts-v2"].cells)  # checks the settings of the network

    @property
    def choices(self) -> tuple[str, ...]:
        """Operations that an edge may be."""
        return tuple(name for name in operation_set(self.operations) if self.none_allowed or name != NONE)

    def suggest(self, trial: Suggester) -> CellPair:
        """Asks for the two edges of every node of both cells; see `questions`."""
        return ask(trial, nodes=self.nodes, operations=self.choices)

    def require(self, signature: Signature, recipe: Recipe) -> None:
        """Checks that the data are images which the network can halve, of two classes or more, in batches.

        Raises:
            InvalidSetting: they are not.
        """
        require_images(signature, halvings=self.plan(DESIGNS["one-shot"].cells).halvings)
        require_batches(recipe)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe with the network of these cells as its model, and the extras of the settings."""
        changes: dict[str, Any] = {"model": NetworkFactory(plan=self.plan(self.pair(genotype).canonical()))}
        if self.auxiliary:
            changes["loss"] = AuxiliaryLoss(loss=recipe.loss, weight=self.auxiliary)
        if self.drop_path:
            changes["on_progress"] = RisingDropPath(progress=recipe.on_progress, peak=self.drop_path)
        if self.cutout:
            changes["augment"] = Cutout(augment=recipe.augment, length=self.cutout)
        return recipe.replace(**changes)

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Draw:
        """Changes one edge: its operation or its source, with equal chance (Real et al. 2019, AmoebaNet).

        A child that is the same function is thrown away.
        """
        redrawn = 0
        parent = self.pair(genotype)
        while True:
            cells = mutant(parent, rng, operations=self.choices)
            if cells.canonical() != parent.canonical() or redrawn == MOST_REDRAWS:
                return Draw(genotype=self.from_pair(cells), redrawn={SAME: redrawn} if redrawn else {})
            redrawn += 1

    def crossover(self, first: Genotype, second: Genotype, rng: np.random.Generator) -> Draw:
        """Takes each node, with both of its edges, from either parent with equal chance."""
        return Draw(genotype=self.from_pair(child(self.pair(first), self.pair(second), rng)))

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest shared by cells that differ in the order of a node's edges or in edges that are nothing."""
        cells = self.pair(genotype).canonical()
        return digest([self.name, self.version, style_of(self.operations).dilated, cells.to_json()])

    def describe(self, genotype: Genotype) -> str:
        """Returns both cells in short form: an edge s,n is the operation s on state n."""
        cells = self.pair(genotype).canonical()
        return f"normal {format_cell(cells.normal)}; reduce {format_cell(cells.reduce)}"

    def listing(self, genotype: Genotype) -> tuple[tuple[str, str], ...]:
        """Returns the nodes of both cells, in short form and in words."""
        return listing(self.pair(genotype).canonical())

    def reductions(self, genotype: Genotype) -> tuple[Genotype, ...]:
        """Returns the cells with one convolution less, a skip connection (max pooling where sizes halve) instead."""
        return tuple(self.from_pair(cells) for cells in reductions(self.pair(genotype), operations=self.choices))

    def draw(self, genotype: Genotype, axes: Any) -> None:
        """Draws both cells side by side."""
        draw_cells(self.pair(genotype).canonical(), axes)

    def source(self, genotype: Genotype, *, advice: Mapping[str, float] = MappingProxyType({})) -> str:
        """Returns a file with the whole network that needs torch only."""
        return network_source(self.plan(self.pair(genotype).canonical()), advice=advice)

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns the published designs that these settings allow."""
        found = {}
        for name, design in DESIGNS.items():
            try:
                found[name] = self.from_pair(design.cells)
            except InvalidGenotype:
                continue
        return found

    def pair(self, genotype: Genotype) -> CellPair:
        """Returns the cells that a genotype stands for.

        Raises:
            InvalidGenotype: a missing or illegal answer.
        """
        return self.suggest(RecordedAnswers(genotype))

    def from_pair(self, cells: CellPair) -> Genotype:
        """Returns the genotype of a pair of cells.

        Raises:
            InvalidGenotype: these settings do not allow it (number of nodes, edges of a node, operations).
        """
        return answers(cells, nodes=self.nodes, operations=self.choices)

    def plan(self, cells: CellPair) -> NetworkPlan:
        """Returns the plan of the network in which cells are judged.

        Raises:
            InvalidSetting: a setting of the network out of its range.
        """
        return NetworkPlan(
            cells=cells,
            style=style_of(self.operations, choke=self.choke),
            depth=self.cells,
            channels=self.channels,
            stem=self.stem,
            auxiliary=self.auxiliary > 0,
        )
