"""One step of the grid: from every width to every width, by every primitive.

Why: the grid's time is spent here. What operations that read one width share, their pooling and their first ReLU, is
computed once. The rule: a width that nothing reaches is None, and stays so through whatever would read it.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from search_spaces.darts.hypercuboid.operations import ResizablePool, SharpSepConv

State: TypeAlias = Tensor | None
"""Features of one width, [batch, channels, height, width]; None where nothing leads there."""

Active: TypeAlias = Sequence[Sequence[Sequence[bool]]]
"""[width before][width behind][primitive]: whether the operation is computed."""


Outputs: TypeAlias = list[tuple[int, Tensor]]
"""(primitive, output) of the computed operations between two widths."""


class GridStep(nn.Module):
    """All operations between two columns of the grid; batch norms learn no scale, which the weights would undo.

    Attributes:
        resizes: what a `ResizablePool` does behind its pooling; [before][behind], flat.
        convolutions: [before][behind], flat.
    """

    def __init__(self, sizes: Sequence[int], *, stride: int) -> None:
        super().__init__()
        self.widths = len(sizes)
        pairs = [(before, behind) for before in sizes for behind in sizes]
        self.pool = nn.MaxPool2d(3, stride=stride, padding=1)
        self.resizes = nn.ModuleList(ResizablePool(*pair, stride=stride, affine=False).resize for pair in pairs)
        self.convolutions = nn.ModuleList(SharpSepConv(*pair, stride=stride, affine=False) for pair in pairs)

    def forward(self, states: Sequence[State], weights: Tensor, active: Active) -> list[State]:
        """Mixes.

        Args:
            states: per width before.
            weights: [before, behind, primitive].
            active: which are computed; none that reads a width that is None.

        Returns:
            Per width behind, the weighted sum of the computed operations into it.
        """
        sums: list[State] = [None] * self.widths
        for before, state in enumerate(states):
            if state is None:
                continue
            for behind, outputs in enumerate(self._from_width(before, state, active[before])):
                for primitive, output in outputs:
                    weighted = weights[before, behind, primitive] * output
                    known = sums[behind]
                    sums[behind] = weighted if known is None else known + weighted
        return sums

    def _from_width(self, before: int, state: Tensor, active: Sequence[Sequence[bool]]) -> list[Outputs]:
        """Returns what the computed operations make of one width: per width behind, (primitive, output)."""
        outputs: list[Outputs] = [[] for _ in active]
        pooled = self.pool(state) if any(pools for pools, _ in active) else state
        ready = torch.relu(state) if any(convolves for _, convolves in active) else state
        for behind, (pools, convolves) in enumerate(active):
            place = before * self.widths + behind
            if pools:
                outputs[behind].append((0, self.resizes[place](pooled)))
            if convolves:
                outputs[behind].append((1, self.convolutions[place](ready)))
        return outputs
