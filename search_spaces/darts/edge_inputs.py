"""What the operations of several edges read of the one state they leave: each form is made once.

Why: the ReLU, the copies side by side and the phases of a state are the same for all edges and kernel sizes. The rule:
features of E edges lie side by side, edge after edge, [batch, E * channels, height, width].
"""

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from search_spaces.darts.depthwise import FASTEST, depthwise
from search_spaces.darts.pixel_phases import phase_kernels, phases_as_batch, phases_as_channels


class EdgeInputs:
    """Forms of one state.

    Attributes:
        edges: E, how many edges leave the state.
        stride: of these edges.
        rectified: relu(state), [batch, channels, height, width].
    """

    def __init__(self, state: Tensor, *, edges: int, stride: int) -> None:
        self.edges, self.stride = edges, stride
        self.rectified = torch.relu(state)
        self.even = state.shape[2] % 2 == 0 and state.shape[3] % 2 == 0

    @cached_property
    def phases(self) -> Tensor:
        """The four phases side by side, [batch, 4 * channels, h, w]."""
        return phases_as_channels(self.rectified)

    def phase(self, index: int) -> Tensor:
        """Returns one of them, [batch, channels, h, w]."""
        return self.phases.chunk(4, dim=1)[index]

    @cached_property
    def side_by_side(self) -> Tensor:
        """A copy per edge, [batch, E * channels, height, width]."""
        return self._copies(self.rectified)

    @cached_property
    def phases_side_by_side(self) -> Tensor:
        """Per edge the four phases, [batch, E * 4 * channels, h, w]."""
        return self._copies(self.phases)

    @cached_property
    def first_phase_side_by_side(self) -> Tensor:
        """A copy per edge of phase 0, [batch, E * channels, h, w]."""
        return self._copies(self.phase(0))

    @cached_property
    def batched_phases_side_by_side(self) -> Tensor:
        """A copy per edge, phases in the batch, [4 * batch, E * channels, h, w]."""
        return self._copies(phases_as_batch(self.rectified))

    def in_phases(self, *, dilation: int) -> bool:
        """Whether `first_depthwise` of this dilation leaves its result in phases, as `phases_as_batch` makes them."""
        return self.even and self.stride == 1 and dilation == 2

    def first_depthwise(self, weight: Tensor, *, dilation: int) -> Tensor:
        """Returns the depthwise convolution of every edge, with the stride of the edges; maybe `in_phases`.

        Args:
            weight: [E * channels, 1, k, k].
            dilation: 1 or 2.
        """
        if not self.even:
            padding = dilation * (weight.shape[-1] // 2)
            return functional.conv2d(
                self.side_by_side, weight, None, self.stride, padding, dilation, weight.shape[0]
            )
        match self.stride, dilation:
            case 1, 1:
                return depthwise(self.side_by_side, weight)
            case 1, _:
                return depthwise(self.batched_phases_side_by_side, weight)
            case _, 1:
                return self._over_phases(weight)
        return depthwise(self.first_phase_side_by_side, weight)

    def _over_phases(self, weight: Tensor) -> Tensor:
        parts = depthwise(self.phases_side_by_side, phase_kernels(weight, groups=self.edges))
        batch, _, height, width = parts.shape
        split = parts.permute(0, 2, 3, 1).reshape(batch, height, width, self.edges, 4, -1)
        return split.sum(4).flatten(3).permute(0, 3, 1, 2)

    def _copies(self, x: Tensor) -> Tensor:
        copied = torch.cat([x] * self.edges, dim=1) if self.edges > 1 else x
        return copied.contiguous(memory_format=FASTEST)
