"""What the operations of several edges read of the one state they leave: each form is made once.

Why: the ReLU, the copies side by side and the phases of a state are the same for all edges and kernel sizes. The rule:
features of E edges lie side by side, edge after edge, [batch, E * channels, height, width].
"""

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from search_spaces.darts.depthwise import FASTEST, depthwise
from search_spaces.darts.pixel_phases import to_phases


class EdgeInputs:
    """Forms of one state.

    Attributes:
        edges: E, how many edges leave the state.
        stride: of these edges, 1 or 2.
        rectified: relu(state), [batch, channels, height, width].
        even: whether both sides are.
    """

    def __init__(self, state: Tensor, *, edges: int, stride: int) -> None:
        self.edges, self.stride = edges, stride
        self.rectified = torch.relu(state)
        self.even = state.shape[2] % 2 == 0 and state.shape[3] % 2 == 0

    @cached_property
    def even_pixels(self) -> Tensor:
        """Those in even rows and columns, [batch, channels, h, w]."""
        return self.rectified[:, :, ::2, ::2].contiguous(memory_format=FASTEST)

    @cached_property
    def odd_pixels(self) -> Tensor:
        """Those in odd rows and columns, [batch, channels, h, w]; odd sides end in zeros."""
        height, width = self.rectified.shape[2:]
        padded = functional.pad(self.rectified, (0, width % 2, 0, height % 2))
        return padded[:, :, 1::2, 1::2].contiguous(memory_format=FASTEST)

    @cached_property
    def side_by_side(self) -> Tensor:
        """A copy per edge, [batch, E * channels, height, width]."""
        return self._copies(self.rectified)

    @cached_property
    def even_side_by_side(self) -> Tensor:
        """A copy per edge of the even pixels, [batch, E * channels, h, w]."""
        return self._copies(self.even_pixels)

    @cached_property
    def phases_side_by_side(self) -> Tensor:
        """A copy per edge, in phases, [4 * batch, E * channels, h, w]."""
        return self._copies(to_phases(self.rectified))

    def in_phases(self, *, dilation: int) -> bool:
        """Whether `first_depthwise` of this dilation leaves its result in phases."""
        return self.even and self.stride == 1 and dilation == 2

    def first_depthwise(self, weight: Tensor, *, dilation: int) -> Tensor:
        """Returns the depthwise convolution of every edge, with the stride of the edges; maybe `in_phases`.

        Args:
            weight: [E * channels, 1, k, k].
            dilation: 1 or 2.
        """
        if dilation == 1:
            return depthwise(self.side_by_side, weight, stride=self.stride)
        if self.stride == 2:
            return depthwise(self.even_side_by_side, weight)  # all that a dilation of 2 sees from an even place
        if self.even:
            return depthwise(self.phases_side_by_side, weight)
        return functional.conv2d(self.side_by_side, weight, None, 1, weight.shape[-1] - 1, 2, weight.shape[0])

    def _copies(self, x: Tensor) -> Tensor:
        copied = torch.cat([x] * self.edges, dim=1) if self.edges > 1 else x
        return copied.contiguous(memory_format=FASTEST)
