"""Rewrites a traced list of operations into a faster one that computes the same.

Why: what `vmap` and autograd leave behind was never meant to be run as it stands. The rule: a rewrite replaces a few
operations by ones that give the same up to rounding, each row by itself, so that no row depends on its neighbours; it
is written for any model, and looks at nothing but the operations and their shapes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node
from torch.utils._pytree import tree_map

aten: Any = torch.ops.aten

def tidy(graph: GraphModule, given: Sequence[Tensor]) -> None:
    """Rewrites in place until no rule applies, then lets results overwrite arguments that have had their use.

    Args:
        graph: as traced.
        given: what it was traced with; it is run once, as a rewrite may have changed how results lie in memory.
    """
    for node in graph.graph.nodes:
        node.meta["val"] = tree_map(_shape_only, node.meta.get("val"))
    changing = _changing(graph)
    changed = True
    while changed:
        changed = False
        for node in graph.graph.nodes:
            if node.op != "call_function" or changing & _near(node):
                continue
            for rule in RULES:
                other = rule(node) if node.users else None
                if other is not None:
                    node.replace_all_uses_with(other)
                    changed = True
        graph.graph.eliminate_dead_code()
    graph.recompile()
    _Layouts(graph).run(*given)
    _write_in_place(graph)
    graph.recompile()


class _Layouts(Interpreter):
    """Notes how each result lies in memory; a view that does not fit any more becomes a copy."""

    def run_node(self, n: Node) -> Any:
        """Runs one operation."""
        try:
            result = super().run_node(n)
        except RuntimeError:
            if n.target is not aten.view.default:
                raise
            n.target = aten.reshape.default
            result = super().run_node(n)
        n.meta["val"] = tree_map(_shape_only, result)
        return result


def summed_slices(pieces: Sequence[Tensor], shape: Sequence[int], axis: int, starts: Sequence[int]) -> Tensor:
    """Returns zeros [shape] to which each piece is added from its start on along an axis: the gradient of slices."""
    total = pieces[0].new_zeros(shape)
    for piece, start in zip(pieces, starts, strict=True):
        total.narrow(axis, start, piece.shape[axis]).add_(piece)
    return total


def _without_identity(node: Node) -> Node | None:
    """x * 1, and views and expansions to the same shape, are x."""
    source = _source(node)
    if source is None:
        return None
    if node.target is aten.mul.Scalar and type(node.args[1]) is int and node.args[1] == 1:
        return source
    same = node.target in (aten.view.default, aten._unsafe_view.default, aten.expand.default)
    return source if same and _shape(node) == _shape(source) else None


def _times_one(node: Node) -> Node | None:
    """x 1 is x; autograd begins with such a factor."""
    source, ones = _source(node), node.args[1] if node.target is aten.mul.Tensor else None
    while isinstance(ones, Node) and ones.target in (aten.view.default, aten.expand.default):
        ones = ones.args[0]
    if source is None or not isinstance(ones, Node) or ones.target is not aten.ones_like.default:
        return None
    return source if _kind(source) == _kind(node) else None


def _with_one_view(node: Node) -> Node | None:
    """A view of a view is one view."""
    source = _source(node, aten.view.default, aten._unsafe_view.default)
    if source is None or node.target not in (aten.view.default, aten._unsafe_view.default):
        return None
    return _put(node, aten.view.default, source.args[0], node.args[1])


def _transposed_back(node: Node) -> Node | None:
    """(x^T)^T = x."""
    source = _source(node, aten.transpose.int)
    return source.args[0] if source is not None and _is_transpose(node) and _is_transpose(source) else None  # type: ignore[return-value]


def _with_bias(node: Node) -> Node | None:
    """bias + a b is one product."""
    if node.target is not aten.add.Tensor or node.kwargs or len(_shape(node)) != 3:
        return None
    arguments: Any = node.args
    for bias, product in (arguments, arguments[::-1]):
        is_product = isinstance(product, Node) and product.target is aten.bmm.default and len(product.users) == 1
        if is_product and isinstance(bias, Node) and 1 in _shape(bias):
            return _put(node, aten.baddbmm.default, bias, *product.args)
    return None


def _transposed_product(node: Node) -> Node | None:
    """(a b)^T = b^T a^T, so that what follows finds it in one piece."""
    source = _source(node, aten.bmm.default, aten.baddbmm.default)
    if source is None or not _is_transpose(node) or len(source.users) > 1:
        return None
    turned = [_put(node, aten.transpose.int, one, 1, 2) for one in source.args]
    return _put(node, source.target, *turned[:-2], turned[-1], turned[-2])


def _sum_of_transposed(node: Node) -> Node | None:
    """The sum over one axis of x^T is that over the other axis of x."""
    source = _source(node, aten.transpose.int)
    if source is None or node.target is not aten.sum.dim_IntList or not _is_transpose(source):
        return None
    if node.args[1] not in ([1], [2]) or node.kwargs:
        return None
    total = _put(node, aten.sum.dim_IntList, source.args[0], [3 - node.args[1][0]])  # type: ignore[index,operator]
    return _put(node, aten.view.default, total, list(_shape(node)))


def _before_the_view(node: Node) -> Node | None:
    """What is done to each number can be done before a view, where the next rules find it beside its product."""
    inputs = node.all_input_nodes
    if node.target not in EACH_NUMBER or any(one.target is not aten.view.default for one in inputs):
        return None
    origins: dict[Any, Any] = {one: one.args[0] for one in inputs}
    if len({_shape(origin) for origin in origins.values()}) > 1:
        return None
    args = [origins[one] if isinstance(one, Node) else one for one in node.args]
    return _put(node, aten.view.default, _put(node, node.target, *args), list(_shape(node)))


def _one_gradient_of_slices(node: Node) -> Node | None:
    """The sum of gradients of slices is written into one tensor of zeros, not into one each."""
    if node.target is not aten.add.Tensor or node.kwargs:
        return None
    parts = [_slices_of(one) for one in node.args]
    if parts[0] is None or parts[1] is None or parts[0][1:3] != parts[1][1:3]:
        return None
    (first, shape, axis, starts), (second, _, _, more) = parts[0], parts[1]
    return _put(node, summed_slices, [*first, *second], shape, axis, [*starts, *more])


def _slices_of(node: Any) -> tuple[list[Node], Any, Any, list[int]] | None:
    """Returns pieces, shape, axis and starts of a sum of slices with one user, [..., start:end] or as rewritten."""
    if not isinstance(node, Node) or len(node.users) > 1:
        return None
    arguments: Any = node.args
    if node.target is summed_slices:
        pieces, shape, axis, starts = arguments
        return list(pieces), list(shape), axis, list(starts)
    if node.target is aten.slice_backward.default and arguments[5] == 1 and arguments[3] >= 0:
        return [arguments[0]], list(arguments[1]), arguments[2], [arguments[3]]
    return None


EACH_NUMBER = frozenset({aten.relu.default, aten.threshold_backward.default})

RULES: tuple[Callable[[Node], Node | None], ...] = (
    _without_identity,
    _times_one,
    _with_one_view,
    _transposed_back,
    _with_bias,
    _transposed_product,
    _sum_of_transposed,
    _before_the_view,
    _one_gradient_of_slices,
)

IN_PLACE = {
    aten.relu.default: aten.relu_.default,
    aten.exp.default: aten.exp_.default,
    aten.sub.Tensor: aten.sub_.Tensor,
    aten.mul.Tensor: aten.mul_.Tensor,
}
"""Operation on each number -> the same, which overwrites its first argument."""
OVERWRITING = frozenset({*IN_PLACE.values(), aten.threshold_backward.grad_input})


def _write_in_place(graph: GraphModule) -> None:
    """Lets operations overwrite their first argument: what stays in the cache is not fetched, and no page is new."""
    order = {node: place for place, node in enumerate(graph.graph.nodes)}
    for node in graph.graph.nodes:
        source = _source(node)
        if source is None or not _is_free(source, node, order):
            continue
        if node.target in IN_PLACE:
            node.target = IN_PLACE[node.target]
        elif node.target is aten.threshold_backward.default:
            node.target, node.kwargs = aten.threshold_backward.grad_input, {"grad_input": source}


def _is_free(source: Node, node: Node, order: dict[Node, int]) -> bool:
    """Returns whether `source` made something that lies as `node` does, at which nobody looks after `node`."""
    if source.op != "call_function" or not source.all_input_nodes or _kind(source) != _kind(node):
        return False
    if shares_memory(source) and source.target not in OVERWRITING:
        return False
    if sum(one is source for one in node.args) != 1:
        return False
    waiting, later = [source], False
    while waiting:
        for user in waiting.pop().users:
            if user is not node:
                later = later or order[user] > order[node]
                waiting += [user] if shares_memory(user) else []
    return not later


def shares_memory(node: Node) -> bool:
    """Returns whether a result may lie in the memory of an argument."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return node.target is not summed_slices
    returns = node.target._schema.returns
    return node.target is aten._unsafe_view.default or any(one.alias_info is not None for one in returns)


def _changing(graph: GraphModule) -> set[Node]:
    """Returns what layers write in place, such as running statistics, and all that shares its memory."""
    found: set[Node] = set()
    for node in reversed(graph.graph.nodes):
        writes = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
        if writes or (node in found and node.op == "call_function" and shares_memory(node)):
            found.update([node, *node.all_input_nodes])
    for node in graph.graph.nodes:
        if node.op == "call_function" and shares_memory(node) and found & set(node.all_input_nodes):
            found.add(node)
    return found


def _kind(node: Node) -> Any:
    value = node.meta.get("val")
    return (value.shape, value.dtype, value.stride()) if isinstance(value, Tensor) else node


def _source(node: Node, *targets: Any) -> Node | None:
    """Returns the first argument, if it is a node, and where targets are given an operation of one of these."""
    source = node.args[0] if node.args else None
    if not isinstance(source, Node) or (targets and source.target not in targets):
        return None
    return source


def _shape(node: Node) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


def _is_transpose(node: Node) -> bool:
    """Returns whether the last two of three axes are swapped."""
    axes = {int(axis) % 3 for axis in node.args[1:]} if node.target is aten.transpose.int else set()  # type: ignore[arg-type]
    return axes == {1, 2} and len(_shape(node)) == 3


def _near(node: Node) -> set[Node]:
    """Returns all that a rule looks at: a node, its arguments and theirs."""
    inputs = set(node.all_input_nodes)
    return {node}.union(inputs, *(one.all_input_nodes for one in inputs))


def _shape_only(value: Any) -> Any:
    """Returns a tensor without numbers, on which operations give the shapes of their results."""
    if not isinstance(value, Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def _put(before: Node, target: Any, *args: Any) -> Node:
    """Adds an operation in front of a node, with the shape of its result."""
    with before.graph.inserting_before(before):
        node = before.graph.call_function(target, args)
    node.meta["val"] = target(*tree_map(lambda one: one.meta["val"] if isinstance(one, Node) else one, args))
    return node
