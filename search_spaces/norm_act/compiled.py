"""A norm-act graph as one differentiable function that saves its input and small values only.

Why: recorded node by node, a layer of ten nodes keeps ten full-size tensors for its backward pass; here the backward
pass computes them again, block by block. The rule: derivatives of the derivative are taken through the reference path
(`backward` under `create_graph`), so they are exact.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from search_spaces.norm_act.derivative import PARAMETERS, derive
from search_spaces.norm_act.expressions import Expressions
from search_spaces.norm_act.graph import Nodes
from search_spaces.norm_act.kernels import full_kernels, small_kernels
from search_spaces.norm_act.program import Program
from search_spaces.norm_act.reference import Parameters, evaluate

BLOCK_ELEMENTS = 1 << 18
"""Elements of one block on CPU (1 MiB in float32): a few of them stay in cache, and calls cost under 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The two programs of one graph for one shape.

    Attributes:
        nodes: as returned by `reference.share`.
        groups: channel groups.
        eps: guard and variance offset.
        forward: x and parameters -> output, batch moments, saved values.
        backward: x, adjoint, parameters and saved values -> five gradients, that of x first.
        inputs: "x", "g" and parameter names -> their numbers.
        saved: numbers of the small values that the forward pass hands to the backward pass.
        moments: how many batch moments there are.
    """

    nodes: Nodes
    groups: int
    eps: float
    forward: Program
    backward: Program
    inputs: dict[str, int]
    saved: tuple[int, ...]
    moments: int


@lru_cache(maxsize=512)
def compile_graph(nodes: Nodes, sizes: tuple[int, int, int], *, groups: int, eps: float) -> Compiled:
    """Compiles a graph for one shape; remembered.

    Args:
        nodes: as returned by `reference.share`.
        sizes: samples, channels, positions; each >= 1.
        groups: channel groups of `whcg`; divides the channels.
        eps: guard and variance offset, in (0, 1].
    """
    derived = derive(nodes, sizes=dict(zip("ncp", sizes, strict=True)), eps=eps)
    e, inputs = derived.expressions, derived.inputs
    full, small = full_kernels(eps), small_kernels(eps, groups)
    early = [number for name, number in inputs.items() if name != "g"]
    made = _closure(derived.output, *derived.moments, table=e, stop=set())
    saved = _saved(derived.gradients, made, table=e)
    forward = Program(
        e, known=early, output=derived.output, results=(*derived.moments, *saved), full=full, small=small
    )
    x_gradient, *others = derived.gradients
    backward = Program(
        e, known=(*inputs.values(), *saved), output=x_gradient, results=others, full=full, small=small
    )
    return Compiled(
        nodes=nodes,
        groups=groups,
        eps=eps,
        forward=forward,
        backward=backward,
        inputs=inputs,
        saved=saved,
        moments=len(derived.moments),
    )


def apply(compiled: Compiled, x: Tensor, *, parameters: Parameters) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Computes what `reference.evaluate` does in training; contiguous `x`, differentiable.

    Returns:
        The output, shaped as x, and the raw batch statistics, each [channels] or [1], without gradient.
    """
    given = (parameters.v0, parameters.v1, parameters.gamma, parameters.beta)
    output, *moments = _Layer.apply(compiled, x, *given)  # type: ignore[no-untyped-call]
    return output, tuple(moments)


class _Layer(torch.autograd.Function):
    """Both programs as one autograd function."""

    @staticmethod
    def forward(ctx: Any, compiled: Compiled, x: Tensor, *vectors: Tensor | None) -> tuple[Tensor, ...]:
        given = _inputs(compiled, x, vectors)
        like = given[compiled.inputs["x"]]
        output, small = compiled.forward.run(given, like, samples_per_block=_samples_per_block(like))
        moments = tuple(value.reshape(-1) for value in small[: compiled.moments])
        ctx.compiled = compiled
        ctx.save_for_backward(x, *vectors, *small[compiled.moments :])
        ctx.mark_non_differentiable(*moments)
        return output.expand(like.shape).reshape(x.shape), *moments

    @staticmethod
    def backward(ctx: Any, adjoint: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        compiled: Compiled = ctx.compiled
        x, *vectors = ctx.saved_tensors[:5]
        if torch.is_grad_enabled():
            return None, *_exact(compiled, adjoint, inputs=(x, *vectors), needed=ctx.needs_input_grad[1:])
        given = _inputs(compiled, x, tuple(vectors))
        like = given[compiled.inputs["x"]]
        given[compiled.inputs["g"]] = adjoint.reshape(like.shape)
        given |= zip(compiled.saved, ctx.saved_tensors[5:], strict=True)
        of_x, others = compiled.backward.run(given, like, samples_per_block=_samples_per_block(like))
        shaped = [
            None if vector is None else gradient.expand(1, vector.numel(), 1).reshape(vector.shape)
            for gradient, vector in zip(others, vectors, strict=True)
        ]
        return None, of_x.expand(like.shape).reshape(x.shape), *shaped


def _exact(
    compiled: Compiled, adjoint: Tensor, *, inputs: tuple[Tensor | None, ...], needed: tuple[bool, ...]
) -> list[Tensor | None]:
    """Gradients through the reference operations, themselves differentiable."""
    x, v0, v1, gamma, beta = inputs
    assert x is not None and gamma is not None and beta is not None
    parameters = Parameters(v0=v0, v1=v1, gamma=gamma, beta=beta)
    output, _ = evaluate(compiled.nodes, x, parameters, groups=compiled.groups, eps=compiled.eps)
    wanted = [tensor for tensor, need in zip(inputs, needed, strict=True) if need and tensor is not None]
    found = iter(torch.autograd.grad(output, wanted, adjoint, create_graph=True, allow_unused=True))
    return [next(found) if need and tensor is not None else None for tensor, need in zip(inputs, needed, strict=True)]


def _inputs(compiled: Compiled, x: Tensor, vectors: tuple[Tensor | None, ...]) -> dict[int, Tensor]:
    named = zip(PARAMETERS, vectors, strict=True)
    given = {compiled.inputs[name]: vector.view(1, -1, 1) for name, vector in named if vector is not None}
    return {compiled.inputs["x"]: x.flatten(2), **given}


def _samples_per_block(x: Tensor) -> int:
    if x.device.type != "cpu":
        return x.shape[0]
    return max(1, BLOCK_ELEMENTS // (x.shape[1] * x.shape[2]))


def _closure(*wanted: int, table: Expressions, stop: set[int]) -> set[int]:
    found, open_ = set[int](), list(wanted)
    while open_:
        number = open_.pop()
        if number not in found:
            found.add(number)
            if number not in stop:
                open_ += table[number].arguments
    return found


def _saved(gradients: tuple[int, ...], made: set[int], *, table: Expressions) -> tuple[int, ...]:
    """Small values that the forward pass computes and the backward pass needs."""
    small = {n for n in made if not table.full(n) and table[n].op not in ("given", "constant")}
    needed = _closure(*gradients, table=table, stop=small)
    return tuple(sorted(needed & small))
