"""Rewrites are exact: held against the interpreter, in both formats, on zeros and on tiny and large numbers."""

import math

import numpy as np
import pytest
import torch

from search_spaces.optimizer_program.algebra import fold
from search_spaces.optimizer_program.canonical_form import form, simplify
from search_spaces.optimizer_program.program import from_rows, to_rows
from search_spaces.optimizer_program.reference import ELEMENTWISE, run
from search_spaces.optimizer_program.vocabulary import INDEX

torch.set_num_threads(1)

ODD = (
    "sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "cube", "cbrt", "sign", "reciprocal",
    "row_mean", "col_mean",
)  # fmt: skip
EVEN = ("abs", "cos", "cosh", "square", "sqrt", "log", "log10", "log2")
KEEPS_ZERO = (*ODD[:12], "expm1", "log1p", "abs", "square", "sqrt")

EQUAL = {
    "x * 1": ("mul g 1", "g"),
    "x / 1": ("div g 1", "g"),
    "x + 0": ("add g 0", "g"),
    "0 + x": ("add 0 g", "g"),
    "x - 0": ("sub g 0", "g"),
    "0 - x": ("sub 0 g", "negative g"),
    "x - x": ("sub g g", "mul w 0"),
    "x * -1": ("mul -1 g", "negative g"),
    "x / -1": ("div g -1", "negative g"),
    "x + x": ("add g g", "mul 2 g"),
    "x - c": ("sub g 3", "add g -3"),
    "x / 4": ("div g 4", "mul g 0.25"),
    "x / -0.5": ("div g -0.5", "mul g -2"),
    "1 / x": ("div 1 g", "reciprocal g"),
    "-1 / x": ("div -1 g", "reciprocal g; negative 0"),
    "x * x": ("mul g g", "square g"),
    "x * x * x": ("mul g g; mul 0 g", "cube g"),
    "x * (x * x)": ("square g; mul g 0", "cube g"),
    "x / x": ("div g g", "sign g; abs 0"),
    "0 / x": ("div 0 g", "sub w w"),
    "x / 0": ("div g 0", "sub w w"),
    "0 * x": ("mul 0 g", "sub w w"),
    "sqrt(x * x)": ("square g; sqrt 0", "abs g"),
    "x / sqrt(x * x)": ("mul g g; sqrt 0; div g 1", "sign g"),
    "|x| / x": ("abs g; div 0 g", "sign g"),
    "sign * x": ("sign g; mul g 0", "abs g"),
    "sign * |x|": ("sign g; abs g; mul 0 1", "g"),
    "||x||": ("abs g; abs 0", "abs g"),
    "sign(sign)": ("sign g; sign 0", "sign g"),
    "sign^2": ("sign g; square 0", "sign g; abs 0"),
    "cbrt(sign)": ("sign g; cbrt 0", "sign g"),
    "1 / sign": ("sign g; reciprocal 0", "sign g"),
    "--x": ("negative g; negative 0", "g"),
    "|x^2|": ("square g; abs 0", "square g"),
    "|exp|": ("exp g; abs 0", "exp g"),
    "x - (-y)": ("negative w; sub g 0", "add g w"),
    "x + (-y)": ("negative w; add g 0", "sub g w"),
    "-x - y": ("negative g; sub 0 w", "add g w; negative 0"),
    "-(x - y)": ("sub g w; negative 0", "sub w g"),
    "-(x + c)": ("add g 3; negative 0", "sub -3 g"),
    "-x * y": ("negative g; mul 0 w", "mul g w; negative 0"),
    "-x * -y": ("negative g; negative w; mul 0 1", "mul g w"),
    "-x * c": ("negative g; mul 0 3", "mul g -3"),
    "-(x / y)": ("negative g; div 0 w", "negative w; div g 0"),
    "-(c / x)": ("div 3 g; negative 0", "div -3 g"),
    "max(x, x)": ("maximum g g", "g"),
    "max(x, -x)": ("negative g; maximum g 0", "abs g"),
    "min(x, -x)": ("negative g; minimum g 0", "abs g; negative 0"),
    "max(-x, -y)": ("negative g; negative w; maximum 0 1", "minimum g w; negative 0"),
    "max(x^2, 0)": ("square g; maximum 0 0.0", "square g"),
    "min(x^2, 0)": ("square g; minimum 0 0.0", "sub w w"),
    "max(x, max(x, y))": ("maximum g w; maximum g 0", "maximum g w"),
    "max(x, min(x, y))": ("minimum g w; maximum g 0", "g"),
    "interp 0": ("interp g w 0", "g"),
    "interp 1": ("interp g w 1", "w"),
    "interp from 0": ("interp 0 g 0.3", "mul g 0.3"),
    "interp of -x, -y": ("negative g; negative w; interp 0 1 0.3", "interp g w 0.3; negative 0"),
    "select(1, x, y)": ("select 1 g w", "g"),
    "select(0, x, y)": ("select 0 g w", "w"),
    "select(c, x, x)": ("select w g g", "g"),
    "clip(-x)": ("negative g; clip 0 lr", "clip g lr; negative 0"),
    "-x / (y + eps)": ("negative g; sdiv 0 w", "sdiv g w; negative 0"),
    "<-x, y>": ("negative g; dot 0 w; mul 1 w", "dot g w; negative 0; mul 1 w"),
    "root of <x, x>": ("dot g g; sqrt 0; mul 1 w", "global_norm g; mul 0 w"),
    "root of leaf <x, x>": ("leaf_dot g g; sqrt 0; mul 1 w", "norm g; mul 0 w"),
    "pi": ("pi; mul 0 g", f"mul g {math.pi!r}"),
    "eps": ("eps; mul 0 g", "mul g 1e-8"),
    "f of constants": ("sqrt 4; add 0 1; mul 1 g", "mul g 3"),
    **{f"{f}(-x)": (f"negative g; {f} 0", f"{f} g; negative 0") for f in ODD},
    **{f"{f}(-x), even": (f"negative g; {f} 0", f"{f} g") for f in EVEN},
    **{f"{f}(|x|)": (f"abs g; {f} 0", f"{f} g") for f in EVEN},
    **{f"{f}(0)": (f"sub g g; {f} 0; add 1 w", "w") for f in KEEPS_ZERO},
}
"""Two ways to write a value; see `written`."""

ROOTS = ("sqrt(x * x)", "x / sqrt(x * x)", "root of <x, x>", "root of leaf <x, x>")
"""Exact with a correctly rounded root, which torch has in float64 only."""

DIFFERENT = {
    "sums in another order": ("add g w; add 0 lr", "add w lr; add 0 g"),
    "x / 3": ("div g 3", f"mul g {1 / 3!r}"),
    "(x - y) + y": ("sub g w; add 0 w", "g"),
    "power 2": ("power g 2", "square g"),
    "sqrt(x)^2": ("sqrt g; square 0", "abs g"),
    "y / (-x), guarded": ("negative w; sdiv g 0", "sdiv g w; negative 0"),
    "max and min": ("maximum g w", "minimum g w"),
    "a scalar for a tree": ("sub w w; add 0 lr", "mul w lr"),
    "kinds kept": ("interp lr g 0.0", "g"),
}


def written(text: str) -> list[list[str | float]]:
    """Rows of statements "function arguments; ..."; the last one is the update, a single name is copied to it.

    An integer argument that numbers an earlier statement of the text is its result, any other number a constant; write
    0.0 for the constant 0 behind the first statement.
    """
    rows: list[list[str | float]] = []
    if " " not in text and text in ("g", "w"):
        return [["update", "mul", text, 1.0]]
    parts = text.split("; ")
    for number, part in enumerate(parts):
        function, *arguments = part.split()
        read = [
            a if a.isidentifier() else f"x{a}" if a.isdigit() and int(a) < number else float(a) for a in arguments
        ]
        rows.append(["update" if number == len(parts) - 1 else f"x{number}", function, *read])
    return rows


def awkward(dtype: torch.dtype, seed: int) -> tuple[torch.Tensor, ...]:
    """Zeros, numbers of all sizes whose cube is normal, and ordinary ones, in three tensors."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.rand(3000, generator=generator, dtype=torch.float64) * 22 - 11
    numbers = torch.randn(3000, generator=generator, dtype=torch.float64) * 10**size
    numbers[::7], numbers[1::7] = 0.0, torch.randn(numbers[1::7].shape, generator=generator, dtype=torch.float64)
    flat = numbers.to(dtype)
    return flat[:2000].reshape(50, 40), flat[2000:2999], flat[2999]


def update_of(rows: list[list[str | float]], dtype: torch.dtype) -> torch.Tensor:
    w, g = awkward(dtype, 1), awkward(dtype, 2)
    zeros, lr = tuple(torch.zeros_like(leaf) for leaf in w), torch.tensor(0.7, dtype=dtype)
    update = run(from_rows(rows), w=w, g=g, v1=zeros, v2=zeros, lr=lr, t=torch.tensor(3.0, dtype=dtype))[0]
    return torch.cat([leaf.expand_as(given).reshape(-1) for leaf, given in zip(update, w, strict=True)])


@pytest.mark.parametrize("name", EQUAL)
def test_both_ways_to_write_a_value_are_one_form(name):
    one, other = (from_rows(written(text)) for text in EQUAL[name])
    assert form(one) == form(other), [to_rows(simplify(one)), to_rows(simplify(other))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EQUAL)
def test_both_ways_give_the_same_numbers(name, dtype):
    one, other = (update_of(written(text), dtype) for text in EQUAL[name])
    finite = one.isfinite() & other.isfinite()
    assert finite.float().mean() > 0.25
    if name in ROOTS and dtype == torch.float32:
        torch.testing.assert_close(one[finite], other[finite], rtol=2e-7, atol=0.0)
    else:
        assert torch.equal(one[finite], other[finite]), "-0 equals 0"


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_is_equal_on_paper_only_is_left_alone(name):
    one, other = (from_rows(written(text)) for text in DIFFERENT[name])
    assert form(one) != form(other)


@pytest.mark.parametrize(("dtype", "lowest"), [(np.float32, 1.1e-19), (np.float64, 1.5e-154)])
def test_the_root_of_a_square_is_the_magnitude_down_to_where_squares_underflow(dtype, lowest):
    """With the root that IEEE 754 asks for; Boldo 2015."""
    x = np.logspace(math.log10(lowest), -math.log10(lowest), 100_001).astype(dtype)
    x = x[x >= lowest]
    assert np.array_equal(np.sqrt(x * x), x)
    with np.errstate(under="ignore"):
        assert dtype(lowest * 1e-9) ** 2 == 0.0


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_constants_are_folded_as_the_interpreter_computes_them(name):
    meaning, arity = ELEMENTWISE[name], {"interp": 3, "select": 3}.get(name)
    for values in ([0.3, 0.7, 0.2], [-1.4, 0.6, 1.0], [2.5, -3.0, 0.0]):
        read = values[: (2 if name in BINARY else 1) if arity is None else arity]
        expected = float(meaning(*(torch.tensor(value, dtype=torch.float64) for value in read)))
        folded = fold(INDEX[name], read)
        assert folded == expected if math.isfinite(expected) else folded is None


BINARY = {"add", "sub", "mul", "div", "power", "maximum", "minimum", "sdiv"}


@pytest.mark.parametrize("text", ["exp 1000.0", "exp10 11.0", "log 0.0", "arccos 2.0"])
def test_what_is_no_legal_constant_is_not_folded(text):
    short = to_rows(simplify(from_rows(written(f"{text}; mul 0 g"))))
    assert [row[1] for row in short] == [text.split()[0], "mul"]


def test_minus_zero_is_zero():
    assert form(from_rows((("update", "add", "g", -0.0),))) == form(from_rows((("update", "mul", "g", 1.0),)))
