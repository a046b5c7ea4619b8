"""The meaning of programs: an interpreter that goes statement by statement, tensor by tensor.

Why: it is the definition that the compiled form, the exported file and the ONNX graph are held against, so it is as
plain as possible. The rule: nothing given is changed; everything is a torch operation, so that it can be traced.

Source: Chen et al. 2023 (Lion); see `vocabulary` for where the arithmetic departs from their code.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor

from search_spaces.optimizer_program.program import LR, OUTPUTS, V1, V2, G, Program, T, W
from search_spaces.optimizer_program.vocabulary import EPS, FUNCTIONS

Leaves: TypeAlias = tuple[Tensor, ...]
"""One tensor per parameter."""
Value: TypeAlias = Tensor | Leaves
"""A scalar is a 0-d tensor; leaves are 0-d tensors, one per parameter; a tree has tensors of the parameters' shapes."""


def run(
    program: Program,
    *,
    w: Leaves,
    g: Leaves,
    v1: Leaves,
    v2: Leaves,
    lr: Tensor,
    t: Tensor,
    noise: Leaves | None = None,
) -> tuple[Leaves, Leaves, Leaves]:
    """Runs one step.

    Args:
        program: valid.
        w: parameters.
        g: gradients, shapes of w.
        v1: first state, shapes of w.
        v2: second state, shapes of w.
        lr: learning rate as the program sees it, 0-d.
        t: step from 1, 0-d.
        noise: what `randn` gives in this step; None = the program does not ask for it.

    Returns:
        (update, v1, v2), each with the shapes of w.
    """
    values: dict[int, Value] = {W: w, G: g, V1: v1, V2: v2, LR: lr, T: t}
    for index, target, *arguments in program:
        function = FUNCTIONS[index]
        read = [values[a] if isinstance(a, int) else lr.new_tensor(a) for a in arguments]
        if function.name == "randn":
            assert noise is not None
            values[target] = noise
        elif function.name in CONSTANTS:
            values[target] = lr.new_tensor(CONSTANTS[function.name])
        elif function.name in _WHOLE:
            values[target] = _WHOLE[function.name](*read)
        else:
            values[target] = _per_leaf(ELEMENTWISE[function.name], read)
    update, first, second = (values[output] for output in OUTPUTS)
    assert isinstance(update, tuple) and isinstance(first, tuple) and isinstance(second, tuple)
    return update, first, second


def step_noise(shapes: Sequence[Sequence[int]], *, seed: int, step: int, like: Tensor) -> Leaves:
    """Returns what `randn` gives at `step` (from 1): the same for every call in that step.

    Args:
        shapes: of the parameters; the numbers are drawn in their order.
        seed: of the rule.
        step: from 1.
        like: gives dtype and device; the numbers are drawn in float32 on the CPU, so that they do not depend on either.
    """
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % (1 << 63))
    flat = torch.randn(sum(math.prod(shape) for shape in shapes), generator=generator).to(like)
    parts = torch.split(flat, [math.prod(shape) for shape in shapes])
    return tuple(part.reshape(tuple(shape)) for part, shape in zip(parts, shapes, strict=True))


def as_rows(leaf: Tensor) -> Tensor:
    """Returns a leaf as the matrix [rows, entries of a row]: the first index and all others; a vector is one row."""
    return leaf.reshape(leaf.shape[0], -1) if leaf.ndim > 1 else leaf.reshape(1, -1)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """Returns a / b, and 0 where b is 0."""
    return torch.where(b == 0, torch.zeros_like(b), a / torch.where(b == 0, torch.ones_like(b), b))


def divide_away_from_zero(a: Tensor, b: Tensor) -> Tensor:
    """Returns a / (b + 1e-8) for b >= 0 and a / (b - 1e-8) for b < 0."""
    return a / torch.where(b < 0, b - EPS, b + EPS)


def cube_root(x: Tensor) -> Tensor:
    """Returns the real cube root."""
    return x.sign() * x.abs().pow(1 / 3)


ELEMENTWISE: Final[Mapping[str, Callable[..., Tensor]]] = {
    "abs": torch.abs, "cos": torch.cos, "sin": torch.sin, "tan": torch.tan, "arcsin": torch.asin,
    "arccos": torch.acos, "arctan": torch.atan, "sinh": torch.sinh, "cosh": torch.cosh, "tanh": torch.tanh,
    "arcsinh": torch.asinh, "arccosh": torch.acosh, "arctanh": torch.atanh, "exp": torch.exp, "exp2": torch.exp2,
    "exp10": lambda x: torch.pow(10.0, x), "expm1": torch.expm1, "log": lambda x: x.abs().log(),
    "log10": lambda x: x.abs().log10(), "log2": lambda x: x.abs().log2(), "log1p": lambda x: (1 + x).abs().log(),
    "square": lambda x: x * x, "sqrt": lambda x: x.abs().sqrt(), "cube": lambda x: x * x * x, "cbrt": cube_root,
    "sign": torch.sign, "reciprocal": lambda x: divide(torch.ones_like(x), x), "negative": torch.neg,
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": divide, "power": torch.pow,
    "maximum": torch.maximum, "minimum": torch.minimum,
    "interp": lambda x, y, a: y * a + x * (1 - a),
    "select": lambda c, a, b: torch.where(c > 0, a, b), "sdiv": divide_away_from_zero,
}  # fmt: skip
"""Functions of numbers, applied entry by entry."""

CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e, "eps": EPS}
"""Functions without arguments."""


def _per_leaf(function: Callable[..., Tensor], read: Sequence[Value]) -> Value:
    """Applies a function of numbers to scalars, or to each leaf with scalars and leaf numbers broadcast."""
    count = max((len(value) for value in read if isinstance(value, tuple)), default=None)
    if count is None:
        return function(*read)
    columns = [value if isinstance(value, tuple) else (value,) * count for value in read]
    return tuple(function(*row) for row in zip(*columns, strict=True))


def _sum(leaves: Sequence[Tensor]) -> Tensor:
    return torch.stack([leaf.sum() for leaf in leaves]).sum()


def _dot(x: Leaves, y: Leaves) -> Tensor:
    return _sum([a * b for a, b in zip(x, y, strict=True)])


def _cosine(x: Leaves, y: Leaves) -> Tensor:
    return divide(_dot(x, y), _dot(x, x).sqrt() * _dot(y, y).sqrt())


def _clip(x: Leaves, limit: Tensor) -> Leaves:
    length = _dot(x, x).sqrt()
    factor = torch.where(length > limit, divide(limit, length), torch.ones_like(length))
    return tuple(leaf * factor for leaf in x)


_WHOLE: Final[Mapping[str, Callable[..., Value]]] = {
    "dot": _dot,
    "cosine_sim": _cosine,
    "global_norm": lambda x: _dot(x, x).sqrt(),
    "norm": lambda x: tuple((leaf * leaf).sum().sqrt() for leaf in x),
    "clip": _clip,
    "leaf_dot": lambda x, y: tuple((a * b).sum() for a, b in zip(x, y, strict=True)),
    "row_mean": lambda x: tuple(_mean(leaf, dim=1) for leaf in x),
    "col_mean": lambda x: tuple(_mean(leaf, dim=0) for leaf in x),
}
"""Functions of whole leaves or whole trees."""


def _mean(leaf: Tensor, *, dim: int) -> Tensor:
    matrix = as_rows(leaf)
    return matrix.mean(dim=dim, keepdim=True).expand_as(matrix).reshape(leaf.shape)


assert {*ELEMENTWISE, *CONSTANTS, *_WHOLE, "randn"} == {function.name for function in FUNCTIONS}
