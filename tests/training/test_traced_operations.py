"""Each rewrite of a trace against what it replaces."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from automl.training.traced_operations import summed_slices, tidy
from automl.training.traced_program import program_of

aten: Any = torch.ops.aten


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def tidied(function: Callable[..., list[Tensor]], *given: Tensor) -> tuple[GraphModule, Counter[Any]]:
    graph = make_fx(function)(*given)
    tidy(graph, given)
    return graph, Counter(node.target for node in graph.graph.nodes if node.op == "call_function")


def transposed_with_bias(bias: Tensor, a: Tensor, b: Tensor) -> list[Tensor]:
    return [(bias[:, None] + a @ b).transpose(1, 2).relu()]


def sum_of_transposed(a: Tensor) -> list[Tensor]:
    return [a.transpose(1, 2).sum([1], keepdim=True)]


def relu_of_a_view(a: Tensor, b: Tensor) -> list[Tensor]:
    return [torch.bmm(a, b).view(2, 15).relu()]


def times_one(a: Tensor) -> list[Tensor]:
    return [a * torch.ones_like(a.sum(1)).view(2, 1, 4)]


def used_again(a: Tensor, b: Tensor) -> list[Tensor]:
    product = torch.bmm(a, b)
    return [product.relu(), product + 1]


def seen_through_a_view(a: Tensor, b: Tensor) -> list[Tensor]:
    product = torch.bmm(a, b)
    part = product[:, 0]
    return [product.exp(), part * 2]


def written_by_a_layer(a: Tensor, b: Tensor) -> list[Tensor]:
    kept = a.clone()
    product = torch.bmm(kept, b)
    kept.add_(1)
    return [product.transpose(1, 2), kept]


CASES = [
    (transposed_with_bias, [numbers(2, 5), numbers(2, 3, 4), numbers(2, 4, 5)]),
    (sum_of_transposed, [numbers(2, 3, 4)]),
    (relu_of_a_view, [numbers(2, 3, 4), numbers(2, 4, 5)]),
    (times_one, [numbers(2, 3, 4)]),
    (used_again, [numbers(2, 3, 4), numbers(2, 4, 5)]),
    (seen_through_a_view, [numbers(2, 3, 4), numbers(2, 4, 5)]),
    (written_by_a_layer, [numbers(2, 3, 4), numbers(2, 4, 5)]),
]


@pytest.mark.parametrize(("function", "given"), CASES, ids=lambda one: getattr(one, "__name__", ""))
def test_what_is_rewritten_computes_the_same(function: Callable[..., list[Tensor]], given: list[Tensor]) -> None:
    before, wanted = [tensor.clone() for tensor in given], function(*given)
    graph, _ = tidied(function, *given)
    step = program_of(graph, kept=1).bind(given[:1])
    for results in (graph(*given), step(*given[1:]), step(*given[1:])):
        for found, one in zip(results, wanted, strict=True):
            torch.testing.assert_close(found, one, rtol=1e-12, atol=1e-12)
    assert all(torch.equal(one, other) for one, other in zip(given, before, strict=True))


def test_bias_and_transposition_become_one_product_and_relu_overwrites_it() -> None:
    _, counts = tidied(*[CASES[0][0], *CASES[0][1]])  # type: ignore[arg-type]
    assert counts[aten.baddbmm.default] == counts[aten.relu_.default] == 1
    assert not counts[aten.bmm.default] + counts[aten.add.Tensor] + counts[aten.relu.default]


@pytest.mark.parametrize("function", [used_again, seen_through_a_view])
def test_nothing_that_is_looked_at_later_is_overwritten(function: Callable[..., list[Tensor]]) -> None:
    _, counts = tidied(function, numbers(2, 3, 4), numbers(2, 4, 5))
    assert not counts[aten.relu_.default] + counts[aten.exp_.default]


def test_gradients_of_slices_are_summed_in_one_tensor() -> None:
    def loss(a: Tensor) -> Tensor:
        return sum((a[:, lag : lag + 3] * (lag + 1)).square().sum() for lag in range(4))  # type: ignore[return-value]

    given = numbers(2, 6)
    graph, counts = tidied(lambda a: [torch.func.grad(loss)(a)], given)
    torch.testing.assert_close(graph(given)[0], torch.func.grad(loss)(given), rtol=1e-12, atol=1e-12)
    assert not counts[aten.slice_backward.default]
    assert counts[summed_slices] >= 1


def test_pieces_are_added_where_they_begin() -> None:
    total = summed_slices([torch.ones(1, 2), torch.full((1, 3), 2.0)], (1, 4), 1, (0, 1))
    assert total.tolist() == [[1, 3, 2, 2]]
