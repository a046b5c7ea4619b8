"""One convolution operation of the family, for all edges that leave a state together.

Why: a supernet has hundreds of small convolutions, and side by side they cost a fraction. Sources: DARTS (Liu et al.
2019, section 3.1.1), sharpDARTS (Hundt et al. 2019, section 3.1). The rule: all operations are stages of ReLU,
depthwise, pointwise and batch norm; only the first stage strides and dilates, and only the last norm has a scale.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.darts.depthwise import depthwise
from search_spaces.darts.edge_inputs import EdgeInputs
from search_spaces.darts.operations import OperationStyle, middle_channels
from search_spaces.darts.pixel_phases import from_phases
from search_spaces.darts.running_norm import RunningNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionShape:
    """A convolution operation of the family as numbers.

    Attributes:
        kernel: side of the depthwise kernels, odd.
        dilation: of the first stage, 1 or 2.
        widths: channels before the first stage and behind each.
    """

    kernel: int
    dilation: int
    widths: tuple[int, ...]

    @classmethod
    def of(cls, name: str, channels: int, *, style: OperationStyle) -> "ConvolutionShape":
        """Returns the shape of an operation called like "dil_conv_3x3"."""
        kind, _, sides = name.rpartition("_")
        dilated = kind.startswith("dil_")
        between = () if dilated and style.dilated == "once" else (middle_channels(kind, channels, choke=style.choke),)
        return cls(
            kernel=int(sides[0]), dilation=2 if dilated else 1, widths=(channels, *between, channels)
        )


class EdgeConvolution(nn.Module):
    """The operation on every edge.

    Attributes:
        depthwise: per stage [E * channels before, 1, k, k], edge after edge.
        pointwise: per stage [E * channels behind, channels before, 1, 1], edge after edge.
        norms: per stage.
    """

    def __init__(self, shape: ConvolutionShape, *, edges: int) -> None:
        super().__init__()
        self.shape, self.edges = shape, edges
        before, behind = shape.widths[:-1], shape.widths[1:]
        self.depthwise = nn.ParameterList(
            torch.empty(edges * width, 1, shape.kernel, shape.kernel) for width in before
        )
        self.pointwise = nn.ParameterList(
            torch.empty(edges * wide, width, 1, 1) for width, wide in zip(before, behind, strict=True)
        )
        self.norms = nn.ModuleList(RunningNorm(edges * wide) for wide in behind)

    def deviations(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yields every weight, depthwise before pointwise, with the standard deviation of He et al. by fan-out."""
        for spatial, pointwise, wide in zip(self.depthwise, self.pointwise, self.shape.widths[1:], strict=True):
            yield spatial, math.sqrt(2) / self.shape.kernel
            yield pointwise, math.sqrt(2 / wide)

    def forward(self, inputs: EdgeInputs, scale: Tensor) -> Tensor:
        """Computes all edges.

        Args:
            inputs: forms of the state.
            scale: of the outputs, [E * channels], contiguous.

        Returns:
            [batch, E * channels, height, width]; see `in_phases`.
        """
        x = inputs.first_depthwise(self.depthwise[0], dilation=self.shape.dilation)
        last = len(self.norms) - 1
        for stage in range(last):
            x = torch.relu_(self.norms[stage](self._pointwise(x, stage)))
            x = from_phases(x) if stage == 0 and inputs.in_phases(dilation=self.shape.dilation) else x
            x = depthwise(x, self.depthwise[stage + 1])
        normed: Tensor = self.norms[last](self._pointwise(x, last), scale)
        return normed

    def in_phases(self, inputs: EdgeInputs) -> bool:
        """Whether the output is left in phases, see `pixel_phases`."""
        return len(self.norms) == 1 and inputs.in_phases(dilation=self.shape.dilation)

    def _pointwise(self, x: Tensor, stage: int) -> Tensor:
        return functional.conv2d(x, self.pointwise[stage], None, 1, 0, 1, self.edges)
