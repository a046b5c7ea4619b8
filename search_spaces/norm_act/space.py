"""The space of normalization-activation layers: what is proposed, and how a proposal changes a recipe.

Why: EvoNorm (Liu et al. 2020, arXiv 2004.02967) found layers that beat BN-ReLU by evolution over graphs of primitive
operators. Most random graphs do not even depend on their input, so draws are screened here, in microseconds, and only
graphs that could be a layer become trials. The rule: a draw passes `Prober.reason`; what was thrown away is counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from torch.nn import Module

from automl.authoring import SuggestedSpace
from automl.canonical import JSON
from automl.contracts.recipe import NormActFactory, Recipe, Role
from automl.contracts.space import Draw, Genotype, Suggester
from automl.contracts.trial import Screen, StudyView, Verdict
from automl.errors import InvalidSetting
from search_spaces.norm_act.canonical_form import simplify
from search_spaces.norm_act.drawing import draw_graph
from search_spaces.norm_act.fingerprint import FLAT, HUGE, prober
from search_spaces.norm_act.formula import formula
from search_spaces.norm_act.graph import (
    FIRST,
    INPUT,
    ZERO,
    Nodes,
    ask,
    pad,
    random_node,
    random_nodes,
    to_genotype,
    to_nodes,
)
from search_spaces.norm_act.layer import NormActLayer
from search_spaces.norm_act.operators import DEFAULT_GROUPS
from search_spaces.norm_act.source import layer_source
from search_spaces.norm_act.zoo import DESIGNS

MOST_NODES = 64
SAME = "same as its parent"
_AFFINE_ONLY: Nodes = (("add", INPUT, ZERO),)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFactory:
    """Builds the layers of a model: the candidate where a normalization is followed by an activation.

    Where the net has a norm without an activation, the layer is its affine only, as in the EvoNorm paper's code. Where
    it has an activation without a norm, the recipe's own stays: a candidate may normalize, and a norm where the net has
    none changes more than this space's slot (behind a global pooling its moments over one position are degenerate).

    Attributes:
        nodes: graph of the layer.
        groups: channel groups of the `whcg` moments.
        replaced: the factory of the recipe that is changed.
    """

    nodes: Nodes
    groups: int
    replaced: NormActFactory

    def __call__(self, channels: int, role: Role) -> Module:
        """Returns a new layer for `channels` channels."""
        if role == "act":
            return self.replaced(channels, role)
        nodes = self.nodes if role == "norm+act" else _AFFINE_ONLY
        return NormActLayer(nodes, channels=channels, groups=self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphScreen:
    """Rejects what `sample` would have redrawn, for proposals of samplers that ask `suggest` themselves.

    Attributes:
        batch_independent: as in `NormActSpace`.
    """

    batch_independent: bool

    @property
    def name(self) -> str:
        """Name in the ledger."""
        return "norm-act-graph"

    @property
    def probes(self) -> tuple[str, ...]:
        """Needs no measurement: the graph's own probe is bounded and runs here."""
        return ()

    def judge(
        self, genotype: Genotype, fingerprint: str, measurements: Mapping[str, Mapping[str, JSON]], study: StudyView
    ) -> Verdict:
        """Keeps a graph that depends on x at each position and stays finite and bounded on the probe."""
        reason = prober().reason(to_nodes(genotype), batch_independent=self.batch_independent)
        limits: dict[str, JSON] = {"largest": HUGE, "smallest spread": FLAT}
        return Verdict(filter=self.name, keep=not reason, reason=reason, threshold=limits)


@dataclass(frozen=True, kw_only=True)
class NormActSpace(SuggestedSpace):
    """Normalization-activation layers as graphs of 24 primitive operators.

    Attributes:
        intermediate: nodes of a graph, dead ones included, in [1, 64]. The paper's 10 hold every design of the zoo.
        batch_independent: whether layers whose output depends on a moment over the batch are refused (the paper's S
            search). Use it where batches are tiny or examples must not influence each other.
        groups: channel groups of the `whcg` moments, >= 1; lowered where it does not divide the channels.
        redraws: draws before giving up, in [1, 1000000]; about 11 are needed for one random graph that passes.
    """

    intermediate: int = 10
    batch_independent: bool = False
    groups: int = DEFAULT_GROUPS
    redraws: int = 10_000

    name = "norm-act"
    version = 1
    slots = frozenset({"norm_act"})

    def __post_init__(self) -> None:
        for setting, value, most in (
            ("intermediate", self.intermediate, MOST_NODES),
            ("groups", self.groups, 1 << 20),
            ("redraws", self.redraws, 1_000_000),
        ):
            if type(value) is not int or not 1 <= value <= most:
                raise InvalidSetting(f"norm_act.{setting}", value, f"an int in [1, {most}]")

    def suggest(self, trial: Suggester) -> Genotype:
        """Asks for each node: operator `op{i}`, then arguments `a{i}`, `b{i}` among the earlier values."""
        return ask(trial, intermediate=self.intermediate)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe with the graph's layer in place of its norm-act layers."""
        nodes = simplify(to_nodes(genotype))
        return recipe.replace(norm_act=LayerFactory(nodes=nodes, groups=self.groups, replaced=recipe.norm_act))

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draws operators and arguments uniformly, as often as needed to pass the screens."""
        return self._until_useful(lambda: random_nodes(rng, intermediate=self.intermediate))

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Draw:
        """Redraws one node: a new operator and new arguments, all uniform (the paper's mutation).

        A child whose canonical form is its parent's is thrown away: it would be trained, and told, twice.
        """
        parent = to_nodes(genotype)
        return self._until_useful(lambda: _mutant(parent, rng), refused=prober().form(parent))

    def crossover(self, first: Genotype, second: Genotype, rng: np.random.Generator) -> Draw:
        """Takes each node, with its arguments, from either parent with equal chance."""
        parents = to_nodes(first), to_nodes(second)
        return self._until_useful(lambda: _child(*parents, rng))

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest shared by graphs that are the same function of x, v0 and v1."""
        return prober().fingerprint(to_nodes(genotype))

    def describe(self, genotype: Genotype) -> str:
        """Returns the formula, without the closing affine."""
        return formula(to_nodes(genotype))

    def draw(self, genotype: Genotype, axes: Any) -> None:
        """Draws the live graph, from the given values on the left to the output on the right."""
        draw_graph(to_nodes(genotype), axes)

    def source(self, genotype: Genotype, *, advice: Mapping[str, float] = MappingProxyType({})) -> str:
        """Returns a file with the layer as an `nn.Module` that needs torch only."""
        return layer_source(to_nodes(genotype), groups=self.groups, advice=advice)

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns the published designs that these settings allow."""
        return {name: self.from_nodes(nodes) for name, nodes in DESIGNS.items() if self._allows(nodes)}

    def screens(self) -> tuple[Screen, ...]:
        """Returns the screen that samplers other than `sample` meet."""
        return (GraphScreen(batch_independent=self.batch_independent),)

    def from_nodes(self, nodes: Nodes) -> Genotype:
        """Returns the genotype of a graph written as nodes; dead nodes are put in front.

        Raises:
            InvalidSetting: it has more than `intermediate` nodes.
        """
        return to_genotype(pad(nodes, intermediate=self.intermediate))

    def _allows(self, nodes: Nodes) -> bool:
        useful = not prober().reason(nodes, batch_independent=self.batch_independent)
        return useful and len(nodes) <= self.intermediate

    def _until_useful(self, draw: Callable[[], Nodes], *, refused: bytes | None = None) -> Draw:
        """Draws until a graph passes the screens and does not have the `refused` form."""
        redrawn: dict[str, int] = {}
        judge = prober()
        for _ in range(self.redraws):
            nodes = draw()
            reason: str = judge.reason(nodes, batch_independent=self.batch_independent)
            if not reason and refused is not None and judge.form(nodes) == refused:
                reason = SAME
            if not reason:
                return Draw(genotype=to_genotype(nodes), redrawn=redrawn)
            redrawn[reason] = redrawn.get(reason, 0) + 1
        counts = ", ".join(f"{reason}: {count}" for reason, count in sorted(redrawn.items()))
        raise InvalidSetting("norm_act.redraws", self.redraws, f"more draws, or more nodes; all failed ({counts})")


def _mutant(parent: Nodes, rng: np.random.Generator) -> Nodes:
    numbers = rng.random(4).tolist()
    place = int(numbers[0] * len(parent))
    return (*parent[:place], random_node(numbers[1:], FIRST + place), *parent[place + 1 :])


def _child(first: Nodes, second: Nodes, rng: np.random.Generator) -> Nodes:
    coins = rng.random(len(first)).tolist()
    return tuple(one if coin < 0.5 else other for one, other, coin in zip(first, second, coins, strict=True))
