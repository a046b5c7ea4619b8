"""All paths of the HyperCuboid at once: a supernet whose every step mixes all widths and primitives.

Why: one training of the grid tells which channels, and which operation at which depth, help; it searches sizes by
gradient. Paper: Hundt, Jain, Hager 2019 (arXiv 1903.09900), Differentiable Hyperparameter Grid Search and Max-W
regularisation. The rule: one softmax per (stride, layer) over all widths before, widths behind and primitives, so that
256 numbers stand for the paper's whole grid; an operation with next to no weight is not computed.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from automl.contracts.recipe import Signature
from automl.errors import InvalidSetting
from search_spaces.darts.hypercuboid.network import stem
from search_spaces.darts.hypercuboid.operations import SharpSepConv
from search_spaces.darts.hypercuboid.plan import GridPlan, check_images, stride_of
from search_spaces.darts.hypercuboid.step import Active, GridStep, State
from search_spaces.darts.weights import initialise

FASTEST = torch.channels_last
"""Depthwise convolutions on a CPU: forward and backward of the grid take 0.64 of the time of the default layout."""

Weighting = Literal["softmax", "max-w", "max-w-detached"]

LEAST_WEIGHT = 1 / 32**2
"""An operation of at most this softmax weight is skipped: 32 times less than a uniform one of the paper's grid."""

START = 1e-3
"""Standard deviation of the logits at the start."""


class GridSupernet(nn.Module):
    """Images [batch, image_channels, height, width] -> class scores [batch, classes].

    Attributes:
        architecture: "grid" -> logits, [2 strides, layers / 2, width before, width behind, primitive].
        weighting: what an operation's output is multiplied by; see `operation_weights`.
        always_apply: whether operations of next to no weight are computed as well.
    """

    def __init__(
        self,
        plan: GridPlan,
        signature: Signature,
        *,
        weighting: Weighting = "max-w",
        always_apply: bool = False,
    ) -> None:
        super().__init__()
        check_weighting(weighting)
        sizes = plan.sizes
        self.weighting, self.always_apply = weighting, always_apply
        self.architecture = nn.ParameterDict({"grid": nn.Parameter(torch.zeros(plan.shape))})
        self.stems = nn.ModuleList(stem(signature.inputs[0], channels) for channels in sizes)
        self.steps = nn.ModuleList(GridStep(sizes, stride=stride_of(step)) for step in range(plan.layers))
        self.lasts = nn.ModuleList(SharpSepConv(channels, plan.features) for channels in sizes)
        self.head = nn.Linear(plan.features, signature.outputs[0])

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        weights = operation_weights(self.architecture["grid"], weighting=self.weighting)
        plans = active_operations(self.architecture["grid"], always_apply=self.always_apply)
        states: list[State] = [layer(images).contiguous(memory_format=FASTEST) for layer in self.stems]
        for number, step in enumerate(self.steps):
            states = step(states, weights[number % 2, number // 2], plans[number])
        ends = [layer(state) for layer, state in zip(self.lasts, states, strict=True) if state is not None]
        scores: Tensor = self.head(sum(ends[1:], ends[0]).mean((2, 3)))
        return scores

    def architecture_parameters(self) -> list[nn.Parameter]:
        """Returns what the architecture step trains."""
        return list(self.architecture.values())

    def weight_parameters(self) -> list[nn.Parameter]:
        """Returns what the weight step trains: everything else."""
        own = {id(parameter) for parameter in self.architecture.values()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def mixing(self) -> dict[str, Tensor]:
        """Returns the softmax weights, "grid" -> [layers, widths * widths * primitives], one row per softmax.

        Rows run over the layers of stride 1, then over those of stride 2: a reshape to `GridPlan.shape` undoes it.
        """
        return {"grid": softmax_weights(self.architecture["grid"]).flatten(2).flatten(0, 1)}


def check_weighting(name: str) -> None:
    """Refuses an unknown weighting.

    Raises:
        InvalidSetting: it is none of `Weighting`.
    """
    if name not in get_args(Weighting):
        raise InvalidSetting("hypercuboid.weighting", name, f"one of {list(get_args(Weighting))}")


def softmax_weights(logits: Tensor) -> Tensor:
    """Returns one softmax per (stride, layer): [2, layers / 2, before, behind, primitive] -> same."""
    return torch.softmax(logits.flatten(2), dim=2).view_as(logits)


def operation_weights(logits: Tensor, *, weighting: Weighting) -> Tensor:
    """Returns what each operation is multiplied by: [2, layers / 2, before, behind, primitive] -> same.

    Softmax: w. Max-W: 1 - max w + w, with the maximum over the (stride, layer); so the strongest operation runs at full
    weight, and a weak one cannot win by being easy to scale. Detached: the maximum is a constant to the gradient.
    """
    weights = softmax_weights(logits)
    if weighting == "softmax":
        return weights
    largest = weights.amax(dim=(2, 3, 4), keepdim=True)
    return 1 - (largest.detach() if weighting == "max-w-detached" else largest) + weights


def active_operations(logits: Tensor, *, always_apply: bool) -> list[Active]:
    """Returns which operations are computed, per step of a path: [before][behind][primitive] of bools.

    Computed are those whose softmax weight exceeds `LEAST_WEIGHT` and whose input is there. Where that would leave a
    step without any (the strong operations before lead to other widths), all those whose input is there are computed.
    """
    enough = softmax_weights(logits.detach()) > (-1.0 if always_apply else LEAST_WEIGHT)
    there = torch.ones(logits.shape[2], dtype=torch.bool, device=enough.device)
    plans = []
    for step in enough.transpose(0, 1).flatten(0, 1):
        reached = there[:, None, None].expand_as(step)
        used = torch.where((step & reached).any(), step & reached, reached)
        there = used.any(2).any(0)
        plans.append(used)
    active: list[Active] = torch.stack(plans).tolist()  # read from the device at once
    return active


def build_grid(
    signature: Signature,
    generator: torch.Generator,
    *,
    plan: GridPlan,
    weighting: Weighting = "max-w",
    always_apply: bool = False,
) -> GridSupernet:
    """Builds the supernet; weights and logits come from `generator` only.

    Raises:
        InvalidSetting: the inputs are no images, or too small for the plan's reductions.
    """
    check_images(signature, steps=plan.layers)
    grid = GridSupernet(plan, signature, weighting=weighting, always_apply=always_apply)
    initialise(grid, generator)
    with torch.no_grad():
        for logits in grid.architecture_parameters():
            logits.normal_(0.0, START, generator=generator)
    return grid
