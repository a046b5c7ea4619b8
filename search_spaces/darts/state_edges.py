"""All mixed operations that leave one state of a cell, computed together.

Why: edge by edge, a supernet spends its time on small kernels and on pooling the same state again and again. Source:
DARTS (Liu et al. 2019), equation (2). The rule: what does not depend on an edge (pools, identity, their norms) is
computed once; what has weights is computed for all edges side by side; `none` is not computed.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.darts.depthwise import FASTEST
from search_spaces.darts.edge_convolution import ConvolutionShape, EdgeConvolution
from search_spaces.darts.edge_inputs import EdgeInputs
from search_spaces.darts.operations import OperationStyle
from search_spaces.darts.pixel_phases import from_phases
from search_spaces.darts.pooling import average_pool, max_pool
from search_spaces.darts.running_norm import RunningNorm


class StateEdges(nn.Module):
    """E edges from one state, every operation on each.

    Attributes:
        convolutions: operation -> module.
        reductions: skip connections with stride 2; None with stride 1, where they are the identity.
    """

    def __init__(
        self, operations: Sequence[str], channels: int, *, style: OperationStyle, edges: int, stride: int
    ) -> None:
        super().__init__()
        self.channels, self.edges, self.stride = channels, edges, stride
        self.columns = {name: column for column, name in enumerate(operations)}
        self.pools = nn.ModuleDict({name: RunningNorm(channels) for name in operations if "_pool_" in name})
        self.convolutions = nn.ModuleDict(
            {
                name: EdgeConvolution(ConvolutionShape.of(name, channels, style=style), edges=edges)
                for name in operations
                if "_conv_" in name
            }
        )
        skips = "skip_connect" in self.columns
        self.reductions = EdgeReduction(channels, edges=edges) if skips and stride == 2 else None
        self.shared = [*self.pools, *(("skip_connect",) if skips and stride == 1 else ())]

    def forward(self, state: Tensor, weights: Tensor) -> Tensor:
        """Mixes.

        Args:
            state: [batch, channels, height, width].
            weights: [E, operations], what each output is multiplied by.

        Returns:
            The mixed output of every edge, [batch, E * channels, h, w].
        """
        inputs = EdgeInputs(state, edges=self.edges, stride=self.stride)
        scales = weights.t().repeat_interleave(self.channels, dim=1)  # rows are contiguous, as norms need them
        in_pixels = [self._shared(state, weights)] if self.shared else []
        in_phases: list[Tensor] = []
        if self.reductions is not None:
            in_pixels.append(self.reductions(inputs, scales[self.columns["skip_connect"]]))
        for name, convolution in self.convolutions.items():
            output = convolution(inputs, scales[self.columns[name]])
            (in_phases if convolution.in_phases(inputs) else in_pixels).append(output)  # type: ignore[operator]
        if in_phases:
            in_pixels.append(from_phases(_sum(in_phases)))
        return _sum(in_pixels)

    def _shared(self, state: Tensor, weights: Tensor) -> Tensor:
        """Returns the weighted pools and identities of every edge: one pointwise convolution of E x operations."""
        outputs = [norm(self._pool(name, state)) for name, norm in self.pools.items()]
        outputs += [state] if len(self.shared) > len(outputs) else []
        mixed = weights[:, [self.columns[name] for name in self.shared]].contiguous()
        kernel = torch.kron(mixed, torch.eye(self.channels, dtype=mixed.dtype, device=mixed.device))
        return functional.conv2d(torch.cat(outputs, dim=1), kernel[:, :, None, None])

    def _pool(self, name: str, state: Tensor) -> Tensor:
        return (max_pool if name.startswith("max") else average_pool)(state, stride=self.stride)


class EdgeReduction(nn.Module):
    """The `FactorizedReduce` of every edge.

    Attributes:
        even: 1x1 convolutions on pixels at even places, [E * channels / 2, channels, 1, 1], edge after edge.
        odd: the same on those at odd places.
    """

    def __init__(self, channels: int, *, edges: int) -> None:
        super().__init__()
        self.edges, self.wide = edges, channels // 2
        self.even = nn.Parameter(torch.empty(edges * self.wide, channels, 1, 1))
        self.odd = nn.Parameter(torch.empty(edges * self.wide, channels, 1, 1))
        self.norm = RunningNorm(edges * channels)

    def deviations(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yields every weight with the standard deviation of He et al. by fan-out."""
        yield self.even, math.sqrt(2 / self.wide)
        yield self.odd, math.sqrt(2 / self.wide)

    def forward(self, inputs: EdgeInputs, scale: Tensor) -> Tensor:
        """Returns all edges, [batch, E * channels, h, w]; `scale` of the outputs is [E * channels]."""
        halves = (functional.conv2d(inputs.even_pixels, self.even), functional.conv2d(inputs.odd_pixels, self.odd))
        pieces = [torch.split(half, self.wide, dim=1) for half in halves]
        joined = torch.cat([piece for pair in zip(*pieces, strict=True) for piece in pair], dim=1)
        normed: Tensor = self.norm(joined.contiguous(memory_format=FASTEST), scale)
        return normed


def _sum(outputs: Sequence[Tensor]) -> Tensor:
    """Adds into the first, which no backward pass needs."""
    total = outputs[0]
    for output in outputs[1:]:
        total = total.add_(output)
    return total
