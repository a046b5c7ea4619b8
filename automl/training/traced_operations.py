"""Rewrites a traced list of operations into a faster one that computes the same.

Why: what `vmap` and autograd leave behind was never meant to be run as it stands. The rule: a rewrite replaces one
operation by ones that give the same up to rounding, each row by itself, so that no row depends on its neighbours.
"""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

NARROW = 32
"""Classes. torch takes softmax over a last axis one row at a time: 7.4 us for 64 rows of 10, and 1.2 us with the axis
moved forward, both copies included; from 93 classes on moving it costs more than it saves."""


def tidy(graph: GraphModule) -> None:
    """Rewrites in place: narrow softmax, then whatever is not used or changes neither shape nor values is dropped."""
    aten: Any = torch.ops.aten
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        if _is_identity(node):
            node.replace_all_uses_with(node.args[0])
        elif node.target is aten._log_softmax.default and _is_narrow(node, node.args[1]):
            node.target, node.args = narrow_log_softmax, (node.args[0],)
        elif node.target is aten._log_softmax_backward_data.default and _is_narrow(node, node.args[2]):
            node.target, node.args = narrow_log_softmax_backward, node.args[:2]
    graph.graph.eliminate_dead_code()
    graph.recompile()


def narrow_log_softmax(scores: Tensor) -> Tensor:
    """Returns log_softmax over the last axis, [..., rows, few]."""
    return scores.transpose(-1, -2).contiguous().log_softmax(-2).transpose(-1, -2).contiguous()


def narrow_log_softmax_backward(slopes: Tensor, logs: Tensor) -> Tensor:
    """Returns the gradient by the scores, slopes - exp(logs) sum(slopes); all [..., rows, few]."""
    return torch.addcmul(slopes, logs.exp(), slopes.sum(-1, keepdim=True), value=-1)


def _is_narrow(node: Node, axis: Any) -> bool:
    shape = node.meta["val"].shape
    return len(shape) > 2 and axis in (-1, len(shape) - 1) and shape[-1] <= NARROW


def _is_identity(node: Node) -> bool:
    aten: Any = torch.ops.aten
    source = node.args[0] if node.args else None
    if not isinstance(source, Node):
        return False
    if node.target is aten.mul.Scalar:
        return type(node.args[1]) is int and bool(node.args[1] == 1)
    if node.target in (aten.view.default, aten.expand.default):
        return bool(node.meta["val"].shape == source.meta["val"].shape)
    return False
