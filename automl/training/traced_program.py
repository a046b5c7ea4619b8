"""A traced list of operations, made ready to be run step after step on the same parameters.

Why: for a small network, what surrounds an operation costs as much as the operation. The rule: what follows from the
parameters' places in memory and from nothing else is found once, views and constants alike; every step runs the rest,
through torch's own functions, which are called in half the time of the overloads that a trace is made of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node

from automl.training.traced_operations import OVERWRITING, shares_memory

aten: Any = torch.ops.aten

Step: TypeAlias = Callable[..., list[Tensor]]
"""What differs from step to step -> results."""

QUICK: dict[Any, Callable[..., Any]] = {
    aten.add.Tensor: torch.add,
    aten.baddbmm.default: torch.baddbmm,
    aten.bmm.default: torch.bmm,
    aten.div.Tensor: torch.div,
    aten.exp_.default: torch.exp_,
    aten.expand.default: Tensor.expand,
    aten.gather.default: torch.gather,
    aten.mm.default: torch.mm,
    aten.mul.Tensor: torch.mul,
    aten.mul_.Tensor: Tensor.mul_,
    aten.ne.Scalar: torch.ne,
    aten.neg.default: torch.neg,
    aten.eq.Tensor: torch.eq,
    aten.relu.default: torch.relu,
    aten.relu_.default: torch.relu_,
    aten.select.int: torch.select,
    aten.sub.Tensor: torch.sub,
    aten.sub_.Tensor: Tensor.sub_,
    aten.sum.dim_IntList: torch.sum,
    aten.transpose.int: torch.transpose,
    aten.unsqueeze.default: torch.unsqueeze,
    aten.view.default: Tensor.view,
    aten.where.self: torch.where,
}
"""Overload -> the same function as torch's users call it, with the same arguments."""

CONSTANTS = frozenset({aten.arange.default, aten.scalar_tensor.default, aten.zeros.default, aten.ones.default})
"""Operations without tensors among their arguments that always give the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedProgram:
    """Operations, those that are done once in front.

    Attributes:
        once: what stays where it is over a run -> what is found once.
        every_step: that, what is found once, then what differs from step to step -> results.
    """

    once: GraphModule
    every_step: GraphModule

    def bind(self, kept: Sequence[Tensor]) -> Step:
        """Returns what runs a step on tensors that stay where they are, though their numbers change."""
        found, run = self.once.forward(*kept), self.every_step.forward

        def step(*given: Tensor) -> list[Tensor]:
            results: list[Tensor] = run(*kept, *found, *given)
            return results

        return step


def program_of(traced: GraphModule, *, kept: int) -> TracedProgram:
    """Returns a program.

    Args:
        traced: tensors -> list of tensors; left as it is.
        kept: how many of its arguments, the first ones, stay where they are.
    """
    nodes = list(traced.graph.nodes)
    arguments = [node for node in nodes if node.op == "placeholder"]
    fixed = set(arguments[:kept])
    for node in nodes:
        if node.op == "call_function" and _is_fixed(node, fixed):
            fixed.add(node)
    found = [node for node in nodes if node in fixed and node.op == "call_function"]
    needed = [node for node in found if set(node.users) - fixed]
    once = _graph(arguments[:kept], found, needed)
    rest = [node for node in nodes if node.op == "call_function" and node not in fixed]
    results = nodes[-1].args[0]
    every_step = _graph([*arguments[:kept], *needed, *arguments[kept:]], rest, results)
    return TracedProgram(once=once, every_step=every_step)


def _is_fixed(node: Node, fixed: set[Node]) -> bool:
    """Returns whether a result follows from where the parameters lie: a view of them, or a constant."""
    inputs = set(node.all_input_nodes)
    if node.target in OVERWRITING or _is_written(node) or not inputs <= fixed:
        return False
    return shares_memory(node) if inputs else node.target in CONSTANTS


def _is_written(node: Node) -> bool:
    """Returns whether an operation writes into `node`, or is itself one that writes."""
    written = [node, *node.users]
    return any(isinstance(one.target, torch._ops.OpOverload) and one.target._schema.is_mutable for one in written)


def _graph(arguments: Sequence[Node], nodes: Sequence[Node], results: Sequence[Node]) -> GraphModule:
    graph, places = Graph(), dict[Node, Node]()
    for node in arguments:
        places[node] = graph.placeholder(node.name)
    for node in nodes:
        places[node] = graph.node_copy(node, places.__getitem__)
        places[node].target = QUICK.get(node.target, node.target)
    graph.output([places[node] for node in results])
    return GraphModule(torch.nn.Module(), graph)
