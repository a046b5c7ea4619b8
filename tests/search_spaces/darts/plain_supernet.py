"""The supernet edge by edge, as the authors of DARTS and PC-DARTS wrote it: what the fused one must equal.

The rule: every edge has its own modules, and an edge multiplies and adds their outputs one by one.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from search_spaces.darts.blocks import ReluConvNorm, SmallStem
from search_spaces.darts.operations import FactorizedReduce, build_operation
from search_spaces.darts.state_edges import StateEdges
from search_spaces.darts.supernet import Supernet, SupernetPlan
from search_spaces.darts.weighting import mixing_weights


class MixedOperation(nn.Module):
    """One edge."""

    def __init__(self, plan: SupernetPlan, channels: int, stride: int) -> None:
        super().__init__()
        self.partial = plan.partial
        mixed = channels // plan.partial
        self.operations = nn.ModuleList()
        for name in plan.names:
            operation = build_operation(name, mixed, stride=stride, style=plan.style)
            if "pool" in name:
                operation = nn.Sequential(operation, nn.BatchNorm2d(mixed, affine=False))
            self.operations.append(operation)
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        if self.partial == 1:
            return sum(weight * operation(x) for weight, operation in zip(weights, self.operations, strict=True))
        mixed, rest = x[:, : x.shape[1] // self.partial], x[:, x.shape[1] // self.partial :]
        mixed = sum(weight * operation(mixed) for weight, operation in zip(weights, self.operations, strict=True))
        rest = rest if mixed.shape[2] == x.shape[2] else self.pool(rest)
        return shuffled(torch.cat([mixed, rest], dim=1), self.partial)


def shuffled(x: Tensor, groups: int) -> Tensor:
    """Channel shuffle of ShuffleNet."""
    batch, channels, height, width = x.shape
    return x.view(batch, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


class PlainCell(nn.Module):
    """All edges of a cell, node after node."""

    def __init__(self, plan: SupernetPlan, before: tuple[int, int], channels: int, reduces: bool, after: bool) -> None:
        super().__init__()
        self.nodes = plan.nodes
        self.input0 = (FactorizedReduce if after else ReluConvNorm)(before[0], channels, affine=False)
        self.input1 = ReluConvNorm(before[1], channels, affine=False)
        self.edges = nn.ModuleList(
            MixedOperation(plan, channels, 2 if reduces and source < 2 else 1)
            for node in range(plan.nodes)
            for source in range(2 + node)
        )

    def forward(self, before: Tensor, last: Tensor, weights: Tensor, betas: Tensor | None) -> Tensor:
        states, offset = [self.input0(before), self.input1(last)], 0
        for _ in range(self.nodes):
            outputs = []
            for j, state in enumerate(states):
                output = self.edges[offset + j](state, weights[offset + j])
                outputs.append(output if betas is None else betas[offset + j] * output)
            offset += len(states)
            states.append(sum(outputs))
        return torch.cat(states[2:], dim=1)


class PlainSupernet(nn.Module):
    """See the module."""

    def __init__(self, plan: SupernetPlan, image_channels: int, classes: int) -> None:
        super().__init__()
        self.plan = plan
        shape = (sum(plan.inputs), len(plan.names))
        self.architecture = nn.ParameterDict({"normal": torch.zeros(shape), "reduce": torch.zeros(shape)})
        if plan.partial > 1:
            self.architecture.update({f"{kind}_edges": torch.zeros(shape[0]) for kind in ("normal", "reduce")})
        self.stem = SmallStem(image_channels, plan.channels)
        self.cells = nn.ModuleList()
        before, channels, after = self.stem.channels, plan.channels, False
        for index in range(plan.cells):
            reduces = index in (plan.cells // 3, 2 * plan.cells // 3)
            channels = 2 * channels if reduces else channels
            self.cells.append(PlainCell(plan, before, channels, reduces, after))
            before, after = (before[1], plan.nodes * channels), reduces
        self.classifier = nn.Linear(before[1], classes)

    def forward(self, images: Tensor) -> Tensor:
        first = self.stem(images)[0].contiguous()  # torch's own layout, as the authors' code has it
        states = first, first
        for index, cell in enumerate(self.cells):
            kind = "reduce" if index in self.plan.reductions else "normal"
            weights = mixing_weights(self.architecture[kind], weighting=self.plan.weighting)
            states = states[1], cell(*states, weights, self.betas(kind))
        return self.classifier(states[1].mean((2, 3)))

    def betas(self, kind: str) -> Tensor | None:
        if self.plan.partial == 1:
            return None
        logits = self.architecture[f"{kind}_edges"]
        offsets = [node * (node + 3) // 2 for node in range(self.plan.nodes + 1)]
        return torch.cat([logits[first:stop].softmax(0) for first, stop in pairwise(offsets)])

    def architecture_parameters(self) -> list[nn.Parameter]:
        return list(self.architecture.values())

    def weight_parameters(self) -> list[nn.Parameter]:
        return [one for name, one in self.named_parameters() if not name.startswith("architecture")]

    def mixing(self) -> dict[str, Tensor]:
        return {kind: self.architecture[kind].softmax(-1) for kind in ("normal", "reduce")}


Pairs = list[tuple[Tensor, Tensor]]


def paired(fused: Supernet, plain: PlainSupernet) -> Pairs:
    """Returns (part of a tensor of the fused one, tensor of the plain one): all parameters and running statistics.

    The parts are views, so they can be copied and, as `view_of` shows, looked up in gradients.
    """
    pairs = [(fused.architecture[name], plain.architecture[name]) for name in plain.architecture]
    for name in ("stem", "classifier"):
        pairs += _same(getattr(fused, name), getattr(plain, name))
    for ours, theirs in zip(fused.cells, plain.cells, strict=True):
        pairs += _same(ours.input0, theirs.input0) + _same(ours.input1, theirs.input1)
        for source, state in enumerate(ours.states):
            for place, node in enumerate(range(ours.first_node(source), ours.nodes)):
                pairs += _edge(state, place, theirs.edges[node * (node + 3) // 2 + source])
    return pairs


def _same(ours: nn.Module, theirs: nn.Module) -> Pairs:
    counted = lambda name: not name.endswith("num_batches_tracked")  # noqa: E731
    own, other = ours.state_dict(keep_vars=True), theirs.state_dict(keep_vars=True)
    return [(own[name], other[name]) for name in own if counted(name)]


def _edge(state: StateEdges, place: int, edge: MixedOperation) -> Pairs:
    pairs: Pairs = []
    for name, operation in zip(edge_names(state), edge.operations, strict=True):
        if name in state.pools:
            pairs += _statistics(state.pools[name].statistics, operation[1])
        elif name in state.convolutions:
            fused = state.convolutions[name]
            for stage, module in enumerate(operation):
                pairs.append((_part(fused.depthwise[stage], place, state.edges), module[1].weight))
                pairs.append((_part(fused.pointwise[stage], place, state.edges), module[2].weight))
                pairs += _statistics(_part(fused.norms[stage].statistics, place, state.edges, dim=1), module[3])
        elif name == "skip_connect" and state.reductions is not None:
            pairs.append((_part(state.reductions.even, place, state.edges), operation.even.weight))
            pairs.append((_part(state.reductions.odd, place, state.edges), operation.odd.weight))
            statistics = _part(state.reductions.norm.statistics, place, state.edges, dim=1)
            pairs += _statistics(statistics, operation.norm)
    return pairs


def edge_names(state: StateEdges) -> list[str]:
    """Returns the operations in the order of the columns."""
    return list(state.columns)


def _statistics(ours: Tensor, norm: nn.BatchNorm2d) -> Pairs:
    return [(ours[0], norm.running_mean), (ours[1], norm.running_var)]


def _part(whole: Tensor, place: int, edges: int, dim: int = 0) -> Tensor:
    return whole.chunk(edges, dim=dim)[place]


def plain_copy(fused: Supernet, image_channels: int, classes: int) -> PlainSupernet:
    """Returns a plain supernet of the same weights and statistics."""
    plain = PlainSupernet(fused.plan, image_channels, classes).to(next(fused.parameters()).dtype)
    with torch.no_grad():
        for ours, theirs in paired(fused, plain):
            theirs.copy_(ours)
    return plain
