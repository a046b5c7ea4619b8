"""The functions and inputs of the language: names, signatures, meaning.

Why: parser, type inference, mutation, canonical form, interpreter and compiler all read this one table, so a function
is added in one place (and gets its arithmetic in `reference`). The rule: functions are total on finite numbers wherever
mathematics allows: a / b is 0 where b is 0, roots and logarithms take |x|; `power`, `arcsin` and their kin may still
give NaN, which ends a trial and nothing else.

Sources: Chen et al. 2023 (Lion), appendix "available functions", and its released code for the arithmetic. Departures:
its `/` and logarithms hide a 1e-8, ours are exact; its `invert` works on integers only and is left out; `power` maps
over trees as everything else does. The functions of EXTENSIONS are ours: what AdamP, Adafactor and gradient noise need.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SCALAR: Final = 0
"""A number: the learning rate, the step, a constant, a norm over everything."""
LEAVES: Final = 1
"""One number per parameter tensor (a leaf)."""
TREE: Final = 2
"""A tensor for each parameter tensor, of its shape."""
KINDS: Final = ("scalar", "number per tensor", "tree")
"""A smaller kind is broadcast to a larger one, so an element-wise result has the largest kind of its arguments."""

ANY: Final = -1
"""Marks an argument that takes every kind, and a result that has the largest kind of the arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the language.

    Attributes:
        name: as written in programs.
        arguments: kind each argument must have; ANY = every kind, constants included.
        result: kind of the result; ANY = the largest of the arguments.
        commutative: whether its two arguments may be exchanged.
        infix: the operator it is written with; "" = written as a call.
        meaning: a phrase for people; {0}, {1}, {2} are the arguments.
    """

    name: str
    arguments: tuple[int, ...]
    result: int = ANY
    commutative: bool = False
    infix: str = ""
    meaning: str


def _unary(**meanings: str) -> tuple[Function, ...]:
    return tuple(Function(name=name, arguments=(ANY,), meaning=meaning) for name, meaning in meanings.items())


def _binary(name: str, infix: str, meaning: str, *, commutative: bool = False) -> Function:
    return Function(name=name, arguments=(ANY, ANY), commutative=commutative, infix=infix, meaning=meaning)


PUBLISHED: Final[tuple[Function, ...]] = (
    *_unary(
        abs="absolute value of {0}",
        cos="cosine of {0}",
        sin="sine of {0}",
        tan="tangent of {0}",
        arcsin="arc sine of {0}; NaN beyond -1 and 1",
        arccos="arc cosine of {0}; NaN beyond -1 and 1",
        arctan="arc tangent of {0}",
        sinh="hyperbolic sine of {0}",
        cosh="hyperbolic cosine of {0}",
        tanh="hyperbolic tangent of {0}",
        arcsinh="inverse hyperbolic sine of {0}",
        arccosh="inverse hyperbolic cosine of {0}; NaN below 1",
        arctanh="inverse hyperbolic tangent of {0}; NaN beyond -1 and 1",
        exp="e to the power of {0}",
        exp2="2 to the power of {0}",
        exp10="10 to the power of {0}",
        expm1="e to the power of {0}, minus 1",
        log="natural logarithm of |{0}|",
        log10="decimal logarithm of |{0}|",
        log2="binary logarithm of |{0}|",
        log1p="natural logarithm of |1 + {0}|",
        square="square of {0}",
        sqrt="square root of |{0}|",
        cube="cube of {0}",
        cbrt="cube root of {0}, with its sign",
        sign="sign of {0}: -1, 0 or 1",
        reciprocal="1 / {0}; 0 where {0} is 0",
        negative="{0} with the opposite sign",
    ),
    _binary("add", "+", "sum of {0} and {1}", commutative=True),
    _binary("sub", "-", "{0} minus {1}"),
    _binary("mul", "*", "product of {0} and {1}", commutative=True),
    _binary("div", "/", "{0} over {1}; 0 where {1} is 0"),
    _binary("power", "", "{0} to the power of {1}"),
    _binary("maximum", "", "larger of {0} and {1}", commutative=True),
    _binary("minimum", "", "smaller of {0} and {1}", commutative=True),
    Function(name="interp", arguments=(ANY, ANY, SCALAR), meaning="(1 - {2}) {0} + {2} {1}: {1} fading towards {0}"),
    Function(
        name="dot", arguments=(TREE, TREE), result=SCALAR, commutative=True,
        meaning="inner product of {0} and {1} over all parameters",
    ),
    Function(
        name="cosine_sim", arguments=(TREE, TREE), result=SCALAR, commutative=True,
        meaning="cosine of the angle between {0} and {1} over all parameters; 0 where one of them is 0",
    ),
    Function(name="global_norm", arguments=(TREE,), result=SCALAR, meaning="length of {0} over all parameters"),
    Function(name="norm", arguments=(TREE,), result=LEAVES, meaning="length of {0}, tensor by tensor"),
    Function(
        name="clip", arguments=(TREE, SCALAR), result=TREE,
        meaning="{0}, shortened to the length {1} where it is longer, over all parameters",
    ),
    Function(name="pi", arguments=(), result=SCALAR, meaning="3.14159..."),
    Function(name="e", arguments=(), result=SCALAR, meaning="2.71828..."),
    Function(name="eps", arguments=(), result=SCALAR, meaning="1e-8"),
)  # fmt: skip

EXTENSIONS: Final[tuple[Function, ...]] = (
    Function(
        name="leaf_dot", arguments=(TREE, TREE), result=LEAVES, commutative=True,
        meaning="inner product of {0} and {1}, tensor by tensor",
    ),
    Function(
        name="row_mean", arguments=(TREE,), result=TREE,
        meaning="mean of {0} over each row: all entries that share the first index",
    ),
    Function(
        name="col_mean", arguments=(TREE,), result=TREE,
        meaning="mean of {0} over the first index; {0} itself for vectors",
    ),
    Function(name="select", arguments=(ANY, ANY, ANY), meaning="{1} where {0} > 0, {2} elsewhere"),
    Function(name="sdiv", arguments=(ANY, ANY), meaning="{0} over {1}, with 1e-8 added to {1} away from 0"),
    Function(name="randn", arguments=(), result=TREE, meaning="standard normal noise, new at each step"),
)  # fmt: skip

FUNCTIONS: Final[tuple[Function, ...]] = (*PUBLISHED, *EXTENSIONS)
INDEX: Final[Mapping[str, int]] = {function.name: index for index, function in enumerate(FUNCTIONS)}

EPS: Final = 1e-8
LARGEST_CONSTANT: Final = 1e10


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What programs may use.

    Attributes:
        name: "lion" (the paper's) or "extended".
        functions: indices into FUNCTIONS.
        step: whether programs may read the step `t`.
    """

    name: str
    functions: tuple[int, ...]
    step: bool


LION: Final = Vocabulary(name="lion", functions=tuple(range(len(PUBLISHED))), step=False)
EXTENDED: Final = Vocabulary(name="extended", functions=tuple(range(len(FUNCTIONS))), step=True)
VOCABULARIES: Final[Mapping[str, Vocabulary]] = {one.name: one for one in (LION, EXTENDED)}
