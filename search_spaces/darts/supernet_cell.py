"""A cell in which every node is fed by all states before it through all operations at once.

Why: this is the relaxed cell that differentiable search trains. Source: DARTS (Liu et al. 2019), section 2.2. The rule:
edges are grouped by the state they leave, not by the node they enter, because they share what they read; edge j of node
i has row i (i + 3) / 2 + j of the weights.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from search_spaces.darts.blocks import ReluConvNorm
from search_spaces.darts.depthwise import FASTEST
from search_spaces.darts.operations import FactorizedReduce
from search_spaces.darts.partial_channels import bypass, joined, split_channels, weighted_sum
from search_spaces.darts.state_edges import StateEdges

if TYPE_CHECKING:
    from search_spaces.darts.supernet import SupernetPlan

INPUTS = 2
"""States that a cell is given."""


def edge_row(node: int, source: int) -> int:
    """Returns the row of the weights of the edge from a state to a node; node 0 is state 2."""
    return node * (node + 3) // 2 + source


class SupernetCell(nn.Module):
    """(state before the last, last state) -> all nodes side by side.

    Attributes:
        states: per state that edges leave, all of them.
    """

    def __init__(
        self, plan: "SupernetPlan", channels: int, *, before: tuple[int, int], reduces: bool, after_reduction: bool
    ) -> None:
        super().__init__()
        self.nodes, self.partial, self.reduces = plan.nodes, plan.partial, reduces
        self.input0 = (FactorizedReduce if after_reduction else ReluConvNorm)(before[0], channels, affine=False)
        self.input1 = ReluConvNorm(before[1], channels, affine=False)
        self.states = nn.ModuleList(
            StateEdges(
                plan.names,
                channels // plan.partial,
                style=plan.style,
                edges=plan.nodes - self.first_node(state),
                stride=self.stride(state),
            )
            for state in range(plan.nodes + 1)
        )

    def first_node(self, state: int) -> int:
        """Returns the first node that a state leads to."""
        return max(0, state - INPUTS + 1)

    def stride(self, state: int) -> int:
        """Returns the stride of the edges from a state."""
        return 2 if self.reduces and state < INPUTS else 1

    def forward(self, before: Tensor, last: Tensor, weights: Tensor, edges: Tensor | None) -> Tensor:
        """Computes the nodes.

        Args:
            before: output of the cell before the last.
            last: output of the last cell.
            weights: of all operations of all edges, [edges, operations]; those of the edges included.
            edges: of all edges, [edges], with partial channels; None without.
        """
        inputs = [self.input0(before), self.input1(last)]
        nodes = self._mixed(inputs, weights) if edges is None else self._partly_mixed(inputs, weights, edges)
        return torch.cat(nodes, dim=1)

    def _mixed(self, inputs: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
        sums: list[Tensor | None] = [None] * self.nodes
        states = list(inputs)
        for source in range(self.nodes + 1):
            self._spread(states[source], source, weights, sums)
            finished = sums[source - 1] if source else None
            states += [] if finished is None else [finished]
        return states[INPUTS:]

    def _partly_mixed(self, inputs: Sequence[Tensor], weights: Tensor, edges: Tensor) -> list[Tensor]:
        sums: list[Tensor | None] = [None] * self.nodes
        states, rests = list(inputs), []
        for source in range(self.nodes + 1):
            mixed, rest = split_channels(states[source], partial=self.partial)
            rests.append(bypass(rest, stride=self.stride(source)))
            self._spread(mixed.contiguous(memory_format=FASTEST), source, weights, sums)
            finished = sums[source - 1] if source else None
            if finished is not None:
                first = edge_row(source - 1, 0)
                passed = weighted_sum(edges[first : first + source + 1], rests)
                states.append(joined(finished, passed, partial=self.partial))
        return states[INPUTS:]

    def _spread(self, state: Tensor, source: int, weights: Tensor, sums: list[Tensor | None]) -> None:
        """Adds what leaves a state to the nodes that it leads to."""
        reached = range(self.first_node(source), self.nodes)
        outputs = self.states[source](state, weights[[edge_row(node, source) for node in reached]])
        for node, output in zip(reached, outputs.split(state.shape[1], dim=1), strict=True):
            known = sums[node]
            sums[node] = output if known is None else known + output
