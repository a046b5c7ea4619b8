"""Kernels: instruction names -> calls of torch on preallocated tensors.

Why: every call names the tensor that it writes, so a step allocates nothing that has the size of the parameters. The
rule: a kernel reads slots of one block and writes one slot; `rewritable` says which operands may lie where it writes.

Measured with torch 2.13 on one core of an AMD EPYC with AVX-512, 131072 float32 numbers: a product 6 us, a comparison
that writes booleans 73 us, one that writes floats 15 us, `masked_fill` 71 us, `threshold` 12 us, `sqrt` 53 us,
`pow(-0.5)` 19 us, `reciprocal` 10 us. Hence the detours below.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor

from search_spaces.optimizer_program.vocabulary import EPS, FUNCTIONS

Slots: TypeAlias = list[Tensor]
"""The tensors of one block, by slot; 0-d numbers among them."""
Kernel: TypeAlias = Callable[[Slots, list[float]], object]
"""Takes the slots and the host numbers by node."""

KEEP: Final = 4
"""Slot of the factor that weight decay leaves of w, after the slots of w, g, v1, v2."""
MASK: Final = 5
"""Slot of a block of booleans."""
FIRST_FREE: Final = 6

_THRESHOLD: Final = torch.ops.aten.threshold.out
"""x above a bound, a constant below; NaN stays."""
_ONE_CALL: Final[Mapping[str, Callable[..., object]]] = {
    "abs": torch.abs, "cos": torch.cos, "sin": torch.sin, "tan": torch.tan, "arcsin": torch.asin,
    "arccos": torch.acos, "arctan": torch.atan, "sinh": torch.sinh, "cosh": torch.cosh, "tanh": torch.tanh,
    "arcsinh": torch.asinh, "arccosh": torch.acosh, "arctanh": torch.atanh, "exp": torch.exp, "exp2": torch.exp2,
    "expm1": torch.expm1, "square": torch.square, "sign": torch.sign, "negative": torch.neg, "add": torch.add,
    "sub": torch.sub, "mul": torch.mul, "power": torch.pow, "maximum": torch.maximum, "minimum": torch.minimum,
    "scale": torch.mul, "shift": torch.add, "ln": torch.log, "lg": torch.log10, "lb": torch.log2,
    "quotient": torch.div, "inverse": torch.reciprocal,
}  # fmt: skip
_OF_MAGNITUDE: Final[Mapping[str, Callable[..., object]]] = {
    "log": torch.log, "log10": torch.log10, "log2": torch.log2,
}  # fmt: skip
NEEDS_MASK: Final = frozenset({"div", "select"})
_FIRST_ONLY: Final = frozenset({"scaled_fma", "scaled_addcmul", "scaled_addcdiv"})
_LAST_ONLY: Final = frozenset({"div_nonnegative"})
_NONE: Final = frozenset({"cbrt", "sdiv", "div_finite", "reciprocal"})


def rewritable(operation: str, operands: int) -> tuple[int, ...]:
    """Returns the places of the operands whose memory the result may take."""
    if operation in _NONE:
        return ()
    if operation in _LAST_ONLY:
        return (operands - 1,)
    return (0,) if operation in _FIRST_ONLY else tuple(range(operands))


def build(operation: str, out: int, operands: Sequence[int], numbers: Sequence[int]) -> Kernel:
    """Returns the kernel of an instruction.

    Args:
        operation: its name.
        out: slot that it writes.
        operands: slots that it reads.
        numbers: nodes of the host numbers that it takes.
    """
    if operation in _ONE_CALL:
        call = _unary if len(operands) == 1 else _binary
        return call(_ONE_CALL[operation], out, *operands)
    if operation in _OF_MAGNITUDE:
        return _of_magnitude(_OF_MAGNITUDE[operation], out, *operands)
    return _BUILDERS[operation](out, *operands, *numbers)


def decay(slots: Slots, numbers: list[float]) -> None:
    """Multiplies w by what weight decay leaves."""
    slots[0].mul_(slots[KEEP])


def _unary(function: Callable[..., object], out: int, a: int) -> Kernel:
    return lambda slots, numbers: function(slots[a], out=slots[out])


def _binary(function: Callable[..., object], out: int, a: int, b: int) -> Kernel:
    return lambda slots, numbers: function(slots[a], slots[b], out=slots[out])


def _of_magnitude(function: Callable[..., object], out: int, a: int) -> Kernel:
    return lambda slots, numbers: function(torch.abs(slots[a], out=slots[out]), out=slots[out])


def _exp10(out: int, a: int) -> Kernel:
    return lambda slots, numbers: torch.pow(10.0, slots[a], out=slots[out])


def _cube(out: int, a: int) -> Kernel:
    return lambda slots, numbers: torch.pow(slots[a], 3, out=slots[out])


def _cbrt(out: int, a: int) -> Kernel:
    return lambda slots, numbers: torch.abs(slots[a], out=slots[out]).pow_(1 / 3).copysign_(slots[a])


def _log1p(out: int, a: int) -> Kernel:
    return lambda slots, numbers: torch.add(slots[a], 1, out=slots[out]).abs_().log_()


def _copy(out: int, a: int) -> Kernel:
    return lambda slots, numbers: slots[out].copy_(slots[a])


def _root(out: int, a: int) -> Kernel:
    def run(slots: Slots, numbers: list[float]) -> None:
        _square_root(slots[a], slots[out])

    return run


def _sqrt(out: int, a: int) -> Kernel:
    def run(slots: Slots, numbers: list[float]) -> None:
        _square_root(torch.abs(slots[a], out=slots[out]), slots[out])

    return run


def _square_root(given: Tensor, out: Tensor) -> None:
    """Exact at 0 and infinity as well: 1 / (1 / 0) is 0."""
    if out.device.type == "cpu":
        torch.pow(given, -0.5, out=out).reciprocal_()
    else:
        torch.sqrt(given, out=out)


def _div(out: int, a: int, b: int) -> Kernel:
    def run(slots: Slots, numbers: list[float]) -> None:
        below = slots[b]
        zero = torch.eq(below, 0, out=slots[MASK]) if below.ndim else below == 0
        torch.div(slots[a], below, out=slots[out]).masked_fill_(zero, 0.0)

    return run


def _div_finite(out: int, a: int, b: int) -> Kernel:
    def run(slots: Slots, numbers: list[float]) -> None:
        torch.div(slots[a], _infinite_for_zero(slots[b], slots[out]), out=slots[out])

    return run


def _div_nonnegative(out: int, a: int, b: int) -> Kernel:
    def run(slots: Slots, numbers: list[float]) -> None:
        torch.div(slots[a], _THRESHOLD(slots[b], 0.0, math.inf, out=slots[out]), out=slots[out])

    return run


def _reciprocal(out: int, a: int) -> Kernel:
    return lambda slots, numbers: _infinite_for_zero(slots[a], slots[out]).reciprocal_()


def _reciprocal_nonnegative(out: int, a: int) -> Kernel:
    return lambda slots, numbers: _THRESHOLD(slots[a], 0.0, math.inf, out=slots[out]).reciprocal_()


def _infinite_for_zero(given: Tensor, out: Tensor) -> Tensor:
    """Writes given + (infinity where it is 0): a finite number over it is 0 there."""
    zero = torch.eq(given, 0, out=out)
    return torch.threshold_(zero.neg_(), -0.5, math.inf).add_(given)


def _sdiv(out: int, a: int, b: int) -> Kernel:
    def run(slots: Slots, numbers: list[float]) -> None:
        guard, below = slots[out], slots[b]
        torch.lt(below.expand_as(guard), 0, out=guard).mul_(-2 * EPS).add_(EPS).add_(below)
        torch.div(slots[a], guard, out=guard)

    return run


def _select(out: int, condition: int, a: int, b: int) -> Kernel:
    def run(slots: Slots, numbers: list[float]) -> None:
        given = slots[condition]
        positive = torch.gt(given, 0, out=slots[MASK]) if given.ndim else given > 0
        torch.where(positive, slots[a], slots[b], out=slots[out])

    return run


def _lerp(out: int, a: int, b: int, share: int) -> Kernel:
    return lambda slots, numbers: torch.lerp(slots[a], slots[b], numbers[share], out=slots[out])


def _affine(out: int, added: int, a: int, factor: int) -> Kernel:
    return lambda slots, numbers: torch.add(slots[added], slots[a], alpha=numbers[factor], out=slots[out])


def _addcmul(out: int, kept: int, a: int, b: int, factor: int) -> Kernel:
    return lambda slots, numbers: torch.addcmul(slots[kept], slots[a], slots[b], value=numbers[factor], out=slots[out])


def _addcdiv(out: int, kept: int, a: int, b: int, factor: int) -> Kernel:
    return lambda slots, numbers: torch.addcdiv(slots[kept], slots[a], slots[b], value=numbers[factor], out=slots[out])


def _scaled(after: Callable[..., Kernel]) -> Callable[..., Kernel]:
    """Returns the builder of a kernel that multiplies what it keeps first."""

    def builder(out: int, kept: int, first_factor: int, *others: int) -> Kernel:
        scale, then = _binary(torch.mul, out, kept, first_factor), after(out, out, *others)

        def run(slots: Slots, numbers: list[float]) -> None:
            scale(slots, numbers)
            then(slots, numbers)

        return run

    return builder


_BUILDERS: Final[Mapping[str, Callable[..., Kernel]]] = {
    "exp10": _exp10, "cube": _cube, "cbrt": _cbrt, "log1p": _log1p, "copy": _copy, "root": _root, "sqrt": _sqrt,
    "div": _div, "div_finite": _div_finite, "div_nonnegative": _div_nonnegative, "reciprocal": _reciprocal,
    "reciprocal_nonnegative": _reciprocal_nonnegative, "sdiv": _sdiv, "select": _select, "lerp": _lerp,
    "affine": _affine, "fma": _affine, "addcmul": _addcmul, "addcdiv": _addcdiv, "scaled_fma": _scaled(_affine),
    "scaled_addcmul": _scaled(_addcmul), "scaled_addcdiv": _scaled(_addcdiv),
}  # fmt: skip
_REDUCED: Final = frozenset({
    "interp", "dot", "cosine_sim", "global_norm", "norm", "clip", "pi", "e", "eps", "leaf_dot", "row_mean", "col_mean",
    "randn",
})  # fmt: skip
"""Functions that `lowering` expresses by others, or that are no kernels over blocks."""
assert {function.name for function in FUNCTIONS} - _REDUCED <= {*_ONE_CALL, *_OF_MAGNITUDE, *_BUILDERS}
