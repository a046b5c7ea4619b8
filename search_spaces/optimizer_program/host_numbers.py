"""Scalar functions on Python floats: what a compiled program computes once per step instead of on the device.

Why: learning rate, step and constants are known outside the device; as Python floats they cost no kernel and can be
folded into the kernels that use them. The rule: the numbers are those of `reference` in float64; where Python raises
(overflow, a point outside the domain) the reference operation is asked, which gives infinity or NaN.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

import torch

from search_spaces.optimizer_program.reference import ELEMENTWISE
from search_spaces.optimizer_program.vocabulary import EPS

_THIRD: Final = 1 / 3


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _maximum(a: float, b: float) -> float:
    return a if a >= b or a != a else b


def _minimum(a: float, b: float) -> float:
    return a if a <= b or a != a else b


_FUNCTIONS: Final[Mapping[str, Callable[..., float]]] = {
    "abs": abs, "cos": math.cos, "sin": math.sin, "tan": math.tan, "arcsin": math.asin, "arccos": math.acos,
    "arctan": math.atan, "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "arcsinh": math.asinh,
    "arccosh": math.acosh, "arctanh": math.atanh, "exp": math.exp, "exp2": math.exp2,
    "exp10": lambda x: math.pow(10.0, x), "expm1": math.expm1, "log": lambda x: math.log(abs(x)),
    "log10": lambda x: math.log10(abs(x)), "log2": lambda x: math.log2(abs(x)),
    "log1p": lambda x: math.log(abs(1 + x)), "square": lambda x: x * x, "sqrt": lambda x: math.sqrt(abs(x)),
    "cube": lambda x: x * x * x, "cbrt": lambda x: _sign(x) * math.pow(abs(x), _THIRD), "sign": _sign,
    "reciprocal": lambda x: 1 / x if x else 0.0, "negative": operator.neg,
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": lambda a, b: a / b if b else 0.0,
    "power": math.pow, "maximum": _maximum, "minimum": _minimum, "interp": lambda x, y, a: y * a + x * (1 - a),
    "pi": lambda: math.pi, "e": lambda: math.e, "eps": lambda: EPS,
    "select": lambda c, a, b: a if c > 0 else b, "sdiv": lambda a, b: a / (b - EPS if b < 0 else b + EPS),
}  # fmt: skip
assert _FUNCTIONS.keys() == {*ELEMENTWISE, "pi", "e", "eps"}


def evaluate(name: str, values: list[float]) -> float:
    """Returns the value of a function of numbers, in float64; never raises."""
    try:
        return _FUNCTIONS[name](*values)
    except (OverflowError, ValueError, ZeroDivisionError):
        return float(ELEMENTWISE[name](*(torch.tensor(value, dtype=torch.float64) for value in values)))
