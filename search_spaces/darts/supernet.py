"""The supernet of the family: all cells of a space at once, with weights that say how much of each operation.

Why: one training of it tells, by gradient, which operations help where. Sources: DARTS (Liu et al. 2019), sharpDARTS
(Hundt et al. 2019), PC-DARTS (Xu et al. 2020), FairDARTS (Chu et al. 2020), GDAS (Dong, Yang 2019). The rule: cells of
one type share their architecture weights; batch norms learn no scale, which the architecture weights would undo.
"""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from automl.contracts.recipe import Signature
from automl.errors import InvalidSetting
from automl.seeding import child_seed
from search_spaces.darts.blocks import SmallStem
from search_spaces.darts.depthwise import FASTEST
from search_spaces.darts.edge_convolution import EdgeConvolution
from search_spaces.darts.network import MOST_CELLS, MOST_CHANNELS, require_images
from search_spaces.darts.operations import OperationStyle, style_of
from search_spaces.darts.state_edges import EdgeReduction
from search_spaces.darts.supernet_cell import INPUTS, SupernetCell
from search_spaces.darts.vocabulary import operation_set
from search_spaces.darts.weighting import (
    Weighting,
    derivation_weights,
    edge_weights,
    mixing_weights,
    sampled_weights,
)
from search_spaces.darts.weights import initialise

START = 1e-3
"""Standard deviation of the architecture logits at the start; those behind a sigmoid start at 0 (FairDARTS)."""

MOST_NODES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetPlan:
    """What a supernet is built from, except for the shapes of its data.

    Attributes:
        channels: of a node in the first cells, in [1, 512]; a multiple of `partial`. DARTS 16.
        cells: in [1, 64]; those at L // 3 and 2 L // 3 reduce. DARTS 8.
        operations: name of a set of the vocabulary.
        weighting: from logits to weights, see `weighting`.
        partial: K, one channel in K is mixed and edges have weights of their own, >= 1; PC-DARTS 4; 1 = all are mixed.
        nodes: per cell, in [1, 8].
        choke: channels in the middle of choke convolutions, >= 1.
    """

    channels: int = 8
    cells: int = 5
    operations: str = "darts"
    weighting: Weighting = "softmax"
    partial: int = 1
    nodes: int = 4
    choke: int = 32

    def __post_init__(self) -> None:
        for name, value, most in (
            ("channels", self.channels, MOST_CHANNELS),
            ("cells", self.cells, MOST_CELLS),
            ("partial", self.partial, MOST_CHANNELS),
            ("nodes", self.nodes, MOST_NODES),
        ):
            if type(value) is not int or not 1 <= value <= most:
                raise InvalidSetting(f"supernet.{name}", value, f"an int in [1, {most}]")
        if self.channels % self.partial:
            raise InvalidSetting("supernet.partial", self.partial, f"a divisor of channels={self.channels}")
        if self.weighting not in get_args(Weighting):
            raise InvalidSetting("supernet.weighting", self.weighting, f"one of {list(get_args(Weighting))}")
        style_of(self.operations, choke=self.choke)

    @property
    def names(self) -> tuple[str, ...]:
        """The operations, in the order of the columns of the weights."""
        return operation_set(self.operations)

    @property
    def style(self) -> OperationStyle:
        """How the operations are built."""
        return style_of(self.operations, choke=self.choke, affine=False)

    @property
    def inputs(self) -> tuple[int, ...]:
        """Edges into each node."""
        return tuple(range(INPUTS, INPUTS + self.nodes))

    @property
    def reductions(self) -> tuple[int, ...]:
        """Indices of the cells that reduce."""
        return tuple(sorted({self.cells // 3, 2 * self.cells // 3}))


class Supernet(nn.Module):
    """Images [batch, image_channels, height, width] -> class scores [batch, classes].

    Attributes:
        architecture: "normal", "reduce" -> logits of operations, [edges, operations]; with partial channels also
            "normal_edges", "reduce_edges" -> logits of edges, [edges].
        temperature: of "gumbel", > 0; GDAS falls from 10 to 0.1.
        noise: with "gumbel", seed and number of draws so far; so equal snapshots go on equally.
    """

    noise: Tensor

    def __init__(self, plan: SupernetPlan, image_channels: int, classes: int) -> None:
        super().__init__()
        self.plan, self.temperature = plan, 10.0
        shape, kinds = (sum(plan.inputs), len(plan.names)), ("normal", "reduce")
        self.architecture = nn.ParameterDict({kind: nn.Parameter(torch.zeros(shape)) for kind in kinds})
        if plan.partial > 1:
            self.architecture.update({f"{kind}_edges": nn.Parameter(torch.zeros(shape[0])) for kind in kinds})
        if plan.weighting == "gumbel":
            self.register_buffer("noise", torch.zeros(2, dtype=torch.int64))
        self.stem = SmallStem(image_channels, plan.channels)
        before, channels, after_reduction = self.stem.channels, plan.channels, False
        self.cells = nn.ModuleList()
        for index in range(plan.cells):
            reduces = index in plan.reductions
            channels = 2 * channels if reduces else channels
            cell = SupernetCell(plan, channels, before=before, reduces=reduces, after_reduction=after_reduction)
            self.cells.append(cell)
            before, after_reduction = (before[1], channels * plan.nodes), reduces
        self.classifier = nn.Linear(before[1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        states: tuple[Tensor, Tensor] = self.stem(images.contiguous(memory_format=FASTEST))
        weights = {kind: self._weights(kind) for kind in ("normal", "reduce")}
        for cell in self.cells:
            states = states[1], cell(*states, *weights["reduce" if cell.reduces else "normal"])
        scores: Tensor = self.classifier(states[1].mean((2, 3)))
        return scores

    def architecture_parameters(self) -> list[nn.Parameter]:
        """Returns what the architecture step trains."""
        return list(self.architecture.values())

    def weight_parameters(self) -> list[nn.Parameter]:
        """Returns what the weight step trains: everything else."""
        own = {id(parameter) for parameter in self.architecture.values()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def mixing(self) -> dict[str, Tensor]:
        """Returns the weights that cells are derived from, "normal" and "reduce" -> [edges, operations].

        Softmax (or sigmoid) of the logits; with partial channels times the softmax of the edges into the node.
        """
        found = {}
        for kind in ("normal", "reduce"):
            weights, edges = self.architecture[kind], self._edges(kind)
            weights = derivation_weights(weights, weighting=self.plan.weighting)
            found[kind] = weights if edges is None else weights * edges[:, None]
        return found

    def _weights(self, kind: str) -> tuple[Tensor, Tensor | None]:
        """Returns what operations and edges of a type of cell are multiplied by."""
        weights, edges = self._operations(self.architecture[kind]), self._edges(kind)
        return (weights if edges is None else weights * edges[:, None]), edges

    def _operations(self, logits: Tensor) -> Tensor:
        if self.plan.weighting != "gumbel" or not self.training:
            return mixing_weights(logits, weighting=self.plan.weighting)
        self.noise[1] += 1
        seed, draw = self.noise.tolist()
        generator = torch.Generator().manual_seed(child_seed(seed, "gumbel", draw))
        return sampled_weights(logits, temperature=self.temperature, generator=generator)

    def _edges(self, kind: str) -> Tensor | None:
        if self.plan.partial == 1:
            return None
        return edge_weights(self.architecture[f"{kind}_edges"], inputs=self.plan.inputs)


def build_supernet(signature: Signature, generator: torch.Generator, *, plan: SupernetPlan) -> Supernet:
    """Builds a supernet; everything random comes from `generator`.

    In this order: what `initialise` draws (stem, preprocessing, classifier), the weights of the edges in the order of
    `modules()` (He-normal by fan-out as well), the logits, and the seed of the noise.

    Raises:
        InvalidSetting: the data are no images, or too small ones.
    """
    image_channels, classes = require_images(signature, halvings=len(plan.reductions))
    supernet = Supernet(plan, image_channels, classes)
    initialise(supernet, generator)
    with torch.no_grad():
        for part in supernet.modules():
            if isinstance(part, EdgeConvolution | EdgeReduction):
                for weight, deviation in part.deviations():
                    weight.normal_(0.0, deviation, generator=generator)
        if plan.weighting != "sigmoid":
            for logits in supernet.architecture_parameters():
                logits.normal_(0.0, START, generator=generator)
        if plan.weighting == "gumbel":
            supernet.noise[0] = torch.randint(1 << 31, (), generator=generator)
    return supernet
