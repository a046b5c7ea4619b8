"""The network that a pair of cells is judged by: stem, cells, two reductions, and a classifier.

Why: a cell is only as good as networks made of it. Source: DARTS (Liu et al. 2019, section 3.1.2 and appendix A.2). The
rule: of L cells those at L//3 and 2L//3 are reduction cells with twice the channels; the auxiliary head reads the
second, and its scores stand behind the main ones in a tuple, in training only.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from automl.contracts.recipe import NormActFactory, Recipe, Signature
from automl.errors import InvalidSetting
from search_spaces.darts.blocks import AuxiliaryHead, CellBlock, LargeStem, SmallStem
from search_spaces.darts.cell import Cell, CellPair
from search_spaces.darts.operations import OperationStyle, build_operation
from search_spaces.darts.weights import initialise

MOST_CELLS, MOST_CHANNELS = 64, 512
LARGE_STEM_HALVINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """What a network is built from, except for the shapes of its data.

    Attributes:
        cells: what it is made of.
        style: how the operations are built.
        depth: number of cells, in [1, 64].
        channels: of a node in the first cells, in [1, 512].
        stem: "small" for small images, "large" (three halvings before the cells) for ImageNet.
        auxiliary: whether there is an auxiliary head.
    """

    cells: CellPair
    style: OperationStyle
    depth: int = 5
    channels: int = 4
    stem: Literal["small", "large"] = "small"
    auxiliary: bool = False

    def __post_init__(self) -> None:
        for name, value, most in (("cells", self.depth, MOST_CELLS), ("channels", self.channels, MOST_CHANNELS)):
            if type(value) is not int or not 1 <= value <= most:
                raise InvalidSetting(f"darts.{name}", value, f"an int in [1, {most}]")
        if self.stem not in ("small", "large"):
            raise InvalidSetting("darts.stem", self.stem, "'small' or 'large'")
        if self.stem == "large" and self.channels < 2:
            raise InvalidSetting("darts.channels", self.channels, "at least 2 with the large stem")

    @property
    def normal(self) -> Cell:
        """The cell that keeps the size."""
        return self.cells.normal

    @property
    def reduce(self) -> Cell:
        """The cell that halves it."""
        return self.cells.reduce

    def operation(self, name: str, channels: int, *, stride: int) -> nn.Module:
        """Returns a new operation; see `build_operation`."""
        return build_operation(name, channels, stride=stride, style=self.style)

    @property
    def halvings(self) -> int:
        """How many times the network halves the size of its images."""
        return len({self.depth // 3, 2 * self.depth // 3}) + (LARGE_STEM_HALVINGS if self.stem == "large" else 0)


class Network(nn.Module):
    """Images [batch, image_channels, height, width] -> class scores [batch, classes]."""

    def __init__(self, plan: NetworkPlan, image_channels: int, classes: int) -> None:
        super().__init__()
        self.stem = (LargeStem if plan.stem == "large" else SmallStem)(image_channels, plan.channels)
        before, channels, after_reduction = self.stem.channels, plan.channels, plan.stem == "large"
        self.cells, self.widths = nn.ModuleList(), []
        for index in range(plan.depth):
            reduces = index in (plan.depth // 3, 2 * plan.depth // 3)
            channels = 2 * channels if reduces else channels
            cell = CellBlock(plan, channels, before=before, reduces=reduces, after_reduction=after_reduction)
            self.cells.append(cell)
            self.widths.append(cell.channels)
            before, after_reduction = (before[1], cell.channels), reduces
        self.classifier = nn.Linear(before[1], classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """[batch, image_channels, h, w] -> [batch, classes]."""
        return self.scores(self.through(self.stem(images), 0, len(self.cells)))

    def through(self, states: tuple[Tensor, Tensor], first: int, stop: int) -> tuple[Tensor, Tensor]:
        """Returns the last two states after the cells in [first, stop)."""
        for index in range(first, stop):
            states = states[1], self.cells[index](*states)
        return states

    def scores(self, states: tuple[Tensor, Tensor]) -> Tensor:
        """Returns the class scores from the last two states."""
        scores: Tensor = self.classifier(states[1].mean((2, 3)))
        return scores

    def set_drop_path(self, probability: float) -> None:
        """Sets with which probability an operation is left out, per example, while training; in [0, 1)."""
        for cell in self.cells:
            cell.drop_probability = probability  # type: ignore[assignment]


class AuxiliaryNetwork(Network):
    """A network that gives, in training, the tuple (scores, scores of a head on the second reduction cell)."""

    def __init__(self, plan: NetworkPlan, image_channels: int, classes: int) -> None:
        super().__init__(plan, image_channels, classes)
        self.early = 2 * plan.depth // 3 + 1
        self.auxiliary = AuxiliaryHead(self.widths[self.early - 1], classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """[batch, image_channels, h, w] -> [batch, classes], twice in training."""
        states = self.through(self.stem(images), 0, self.early)
        scores = self.scores(self.through(states, self.early, len(self.cells)))
        return (scores, self.auxiliary(states[1])) if self.training else scores


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFactory:
    """The model slot of a recipe.

    Attributes:
        plan: of the network.
    """

    plan: NetworkPlan

    def __call__(self, signature: Signature, norm_act: NormActFactory, generator: torch.Generator) -> nn.Module:
        """Returns a new network; the norms are its own, because its operations end in a norm without an activation.

        Raises:
            InvalidSetting: the data are no images, too small ones, or of a single class.
        """
        image_channels, classes = require_images(signature, halvings=self.plan.halvings)
        network = (AuxiliaryNetwork if self.plan.auxiliary else Network)(self.plan, image_channels, classes)
        initialise(network, generator)
        return network


def require_images(signature: Signature, *, halvings: int) -> tuple[int, int]:
    """Returns (channels of the images, classes).

    Raises:
        InvalidSetting: the data are no images, smaller than 2**halvings on a side, or of a single class.
    """
    if len(signature.inputs) != 3 or len(signature.outputs) != 1:
        allowed = "inputs (channels, height, width) and outputs (classes,): cells are searched for tasks with images"
        raise InvalidSetting("signature", signature, allowed)
    channels, height, width = signature.inputs
    if min(height, width) < 2**halvings:
        allowed = f"images of at least {2**halvings} x {2**halvings}: the network halves them {halvings} times"
        raise InvalidSetting("signature.inputs", signature.inputs, allowed)
    if signature.outputs[0] < 2:
        raise InvalidSetting("signature.outputs", signature.outputs, "at least two classes")
    return channels, signature.outputs[0]


def require_batches(recipe: Recipe) -> None:
    """Checks that batches hold more than one example.

    Raises:
        InvalidSetting: they do not.
    """
    if recipe.batch_size < 2:
        raise InvalidSetting("task.batch_size", recipe.batch_size, "at least 2: cells normalize over the batch")
