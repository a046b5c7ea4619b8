"""The interpreter: the arithmetic of every function against numbers worked out by hand, and how a step is run."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from search_spaces.optimizer_program.program import from_rows
from search_spaces.optimizer_program.reference import (
    CONSTANTS,
    ELEMENTWISE,
    Leaves,
    as_rows,
    cube_root,
    divide,
    divide_away_from_zero,
    run,
    step_noise,
)
from search_spaces.optimizer_program.vocabulary import FUNCTIONS

torch.set_num_threads(1)
NAN, INF, PI, E = math.nan, math.inf, math.pi, math.e
TINY, HUGE = 1e-300, 1e300


def double(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def call(name: str, *arguments: float) -> float:
    return float(ELEMENTWISE[name](*map(double, arguments)))


def step(rows, *, w=((1.0, 2.0),), g=((3.0, 4.0), (12.0,)), v1=None, v2=None, lr=1.0, t=1.0, noise=None) -> Leaves:
    """Returns the update of one step, in float64."""
    g = tuple(map(double, g))
    w = tuple(map(double, w)) if len(w) == len(g) else tuple(torch.ones_like(leaf) for leaf in g)
    v1, v2 = (tuple(map(double, v)) if v else tuple(torch.zeros_like(leaf) for leaf in g) for v in (v1, v2))
    return run(from_rows(rows), w=w, g=g, v1=v1, v2=v2, lr=double(lr), t=double(t), noise=noise)[0]


def lists(leaves: Leaves) -> list:
    return [leaf.tolist() for leaf in leaves]


# Functions of numbers

VALUES: list[tuple[str, tuple[float, ...], float]] = [
    ("abs", (-2.5,), 2.5), ("abs", (0.0,), 0.0), ("abs", (-TINY,), TINY), ("abs", (-HUGE,), HUGE),
    ("cos", (0.0,), 1.0), ("cos", (PI,), -1.0), ("cos", (TINY,), 1.0), ("cos", (INF,), NAN),
    ("sin", (0.0,), 0.0), ("sin", (-PI / 6,), -0.5), ("sin", (TINY,), TINY),
    ("tan", (PI / 4,), 1.0), ("tan", (-PI / 4,), -1.0), ("tan", (TINY,), TINY),
    ("arcsin", (1.0,), PI / 2), ("arcsin", (-0.5,), -PI / 6), ("arcsin", (1.0001,), NAN), ("arcsin", (TINY,), TINY),
    ("arccos", (1.0,), 0.0), ("arccos", (-1.0,), PI), ("arccos", (-1.5,), NAN), ("arccos", (0.0,), PI / 2),
    ("arctan", (1.0,), PI / 4), ("arctan", (-HUGE,), -PI / 2), ("arctan", (0.0,), 0.0),
    ("sinh", (1.0,), 1.1752011936438014), ("sinh", (-HUGE,), -INF), ("sinh", (TINY,), TINY),
    ("cosh", (1.0,), 1.5430806348152437), ("cosh", (0.0,), 1.0), ("cosh", (-HUGE,), INF),
    ("tanh", (0.5,), 0.46211715726000975), ("tanh", (-HUGE,), -1.0), ("tanh", (TINY,), TINY),
    ("arcsinh", (1.0,), 0.881373587019543), ("arcsinh", (-1.0,), -0.881373587019543), ("arcsinh", (0.0,), 0.0),
    ("arcsinh", (HUGE,), 691.4686750787736),
    ("arccosh", (1.0,), 0.0), ("arccosh", (2.0,), 1.3169578969248166), ("arccosh", (0.5,), NAN),
    ("arctanh", (0.5,), 0.5493061443340548), ("arctanh", (1.0,), INF), ("arctanh", (2.0,), NAN),
    ("exp", (1.0,), E), ("exp", (-1000.0,), 0.0), ("exp", (1000.0,), INF), ("exp", (0.0,), 1.0),
    ("exp2", (-1.0,), 0.5), ("exp2", (10.0,), 1024.0), ("exp2", (2000.0,), INF),
    ("exp10", (2.0,), 100.0), ("exp10", (-3.0,), 0.001), ("exp10", (400.0,), INF), ("exp10", (-400.0,), 0.0),
    ("expm1", (1e-20,), 1e-20), ("expm1", (-1000.0,), -1.0), ("expm1", (1000.0,), INF),
    ("log", (E,), 1.0), ("log", (-E,), 1.0), ("log", (0.0,), -INF), ("log", (HUGE,), 690.7755278982137),
    ("log10", (-1000.0,), 3.0), ("log10", (TINY,), -300.0), ("log10", (0.0,), -INF),
    ("log2", (-8.0,), 3.0), ("log2", (0.25,), -2.0), ("log2", (0.0,), -INF),
    ("log1p", (E - 1,), 1.0), ("log1p", (-1 - E,), 1.0), ("log1p", (0.0,), 0.0), ("log1p", (-1.0,), -INF),
    ("square", (-3.0,), 9.0), ("square", (1e200,), INF), ("square", (1e-200,), 0.0),
    ("sqrt", (9.0,), 3.0), ("sqrt", (-9.0,), 3.0), ("sqrt", (0.0,), 0.0), ("sqrt", (TINY,), 1e-150),
    ("cube", (-2.0,), -8.0), ("cube", (1e150,), INF), ("cube", (1e-150,), 0.0),
    ("cbrt", (-8.0,), -2.0), ("cbrt", (27.0,), 3.0), ("cbrt", (0.0,), 0.0), ("cbrt", (HUGE,), 1e100),
    ("cbrt", (-TINY,), -1e-100),
    ("sign", (-HUGE,), -1.0), ("sign", (0.0,), 0.0), ("sign", (TINY,), 1.0), ("sign", (-0.0,), 0.0),
    ("reciprocal", (4.0,), 0.25), ("reciprocal", (0.0,), 0.0), ("reciprocal", (-0.0,), 0.0),
    ("reciprocal", (-HUGE,), -TINY),
    ("reciprocal", (INF,), 0.0), ("reciprocal", (1e-310,), INF),
    ("negative", (2.0,), -2.0), ("negative", (-HUGE,), HUGE),
    ("add", (0.25, -1.0), -0.75), ("add", (HUGE, 1.0), HUGE), ("add", (1.7e308, 1.7e308), INF),
    ("sub", (0.25, 1.0), -0.75), ("sub", (INF, INF), NAN),
    ("mul", (-0.5, 3.0), -1.5), ("mul", (1e200, -1e200), -INF), ("mul", (1e-200, 1e-200), 0.0),
    ("mul", (0.0, INF), NAN),
    ("div", (1.0, -4.0), -0.25), ("div", (1.0, 0.0), 0.0), ("div", (0.0, 0.0), 0.0), ("div", (5.0, -0.0), 0.0),
    ("div", (1.0, TINY), HUGE), ("div", (1.0, 1e-310), INF), ("div", (1.0, INF), 0.0), ("div", (1.0, NAN), NAN),
    ("power", (2.0, 0.5), 1.4142135623730951), ("power", (-2.0, 3.0), -8.0), ("power", (-2.0, 0.5), NAN),
    ("power", (0.0, 0.0), 1.0), ("power", (0.0, -1.0), INF), ("power", (0.9, 1000.0), 1.747871251722651e-46),
    ("maximum", (-1.0, 2.0), 2.0), ("maximum", (NAN, 2.0), NAN), ("maximum", (-INF, -HUGE), -HUGE),
    ("minimum", (-1.0, 2.0), -1.0), ("minimum", (2.0, NAN), NAN),
    ("interp", (10.0, 2.0, 0.75), 4.0), ("interp", (10.0, 2.0, 0.0), 10.0), ("interp", (10.0, 2.0, 1.0), 2.0),
    ("interp", (10.0, 2.0, 1.5), -2.0), ("interp", (10.0, 2.0, -1.0), 18.0),
    ("select", (0.5, 1.0, 2.0), 1.0), ("select", (0.0, 1.0, 2.0), 2.0), ("select", (-HUGE, 1.0, 2.0), 2.0),
    ("select", (TINY, 1.0, NAN), 1.0), ("select", (NAN, 1.0, 2.0), 2.0),
    ("sdiv", (3.0, 2.0), 3 / 2.00000001), ("sdiv", (3.0, -2.0), -3 / 2.00000001), ("sdiv", (0.0, 0.0), 0.0),
    ("sdiv", (1.0, -HUGE), -TINY),
]  # fmt: skip


@pytest.mark.parametrize(("name", "numbers", "expected"), VALUES, ids=[f"{name}{given}" for name, given, _ in VALUES])
def test_a_function_of_numbers_gives_the_value_worked_out_by_hand(name, numbers, expected):
    # 1e-13: the cube root is a power of 1 / 3, which is no double, and 1e300 makes that visible
    assert call(name, *numbers) == pytest.approx(expected, rel=1e-13, abs=1e-16, nan_ok=True)


@pytest.mark.parametrize(("divisor", "expected"), [(0.0, 1e8), (-1e-8, -5e7), (1e-8, 5e7)])
def test_a_division_away_from_zero_adds_exactly_1e_8(divisor, expected):
    assert call("sdiv", 1.0, divisor) == pytest.approx(expected, rel=1e-14)


def test_every_function_of_numbers_has_a_value_here():
    assert {name for name, *_ in VALUES} == set(ELEMENTWISE)


def test_tiny_results_are_not_lost_in_the_tolerance():
    for name in ("sin", "tan", "arcsin", "sinh", "tanh", "abs"):
        assert call(name, TINY) == pytest.approx(TINY, rel=1e-12, abs=0)
    assert call("expm1", 1e-20) == pytest.approx(1e-20, rel=1e-12, abs=0)
    assert call("cbrt", -TINY) == pytest.approx(-1e-100, rel=1e-12, abs=0)
    assert call("sqrt", -TINY) == pytest.approx(1e-150, rel=1e-12, abs=0)


def test_the_constants_are_those_of_mathematics():
    assert dict(CONSTANTS) == {"pi": 3.141592653589793, "e": 2.718281828459045, "eps": 1e-8}
    rows = [("x0", "pi"), ("x1", "e"), ("x0", "sub", "x0", "x1"), ("update", "mul", "g", "x0")]
    assert lists(step(rows))[1] == pytest.approx([12 * 0.423310825130748])


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_division_of_finite_numbers_is_never_undefined(a, b):
    assert not math.isnan(float(divide(double(a), double(b))))
    quotient = float(divide_away_from_zero(double(a), double(b)))
    assert not math.isnan(quotient) and quotient * a * (-1 if b < 0 else 1) >= 0


@given(st.floats(-1e60, 1e60))
def test_a_cube_root_cubed_is_the_number(x):
    root = float(cube_root(double(x)))
    assert root**3 == pytest.approx(x, rel=1e-13, abs=1e-300)


def test_functions_take_a_number_a_leaf_and_a_tree_together():
    rows = [("x0", "norm", "g"), ("x0", "mul", "x0", 2.0), ("x1", "sub", "x0", "lr"), ("update", "add", "g", "x1")]
    assert lists(step(rows)) == [[3 + 9, 4 + 9], [12 + 23]]


# Functions of whole tensors


def one_number(name: str, *arguments: str | float, **given: object) -> list:
    """Returns a function of the tree g = {(3, 4), (12)} and w = ones, times a tree of ones."""
    return lists(step([("x0", name, *arguments), ("update", "mul", "w", "x0")], **given))


def test_lengths_and_products_of_the_tree_3_4_and_12():
    assert one_number("global_norm", "g") == [[13, 13], [13]]
    assert one_number("dot", "g", "g") == [[169, 169], [169]]
    assert one_number("dot", "g", "w") == [[19, 19], [19]]
    assert one_number("norm", "g") == [[5, 5], [12]]
    assert one_number("leaf_dot", "g", "w") == [[7, 7], [12]]


def test_clipping_shortens_all_leaves_alike_and_only_where_they_are_longer():
    half, same = ([("update", "clip", "g", limit)] for limit in (6.5, 20.0))
    assert lists(step(half)) == [[1.5, 2.0], [6.0]]
    assert lists(step(same)) == [[3, 4], [12]] == lists(step([("update", "clip", "g", 13.0)]))
    assert lists(step([("update", "clip", "g", 0.0)])) == [[0, 0], [0]]
    assert lists(step(half, g=((0.0, 0.0), (0.0,)))) == [[0, 0], [0]]
    assert lists(step([("update", "clip", "g", -6.5)])) == [[-1.5, -2.0], [-6.0]], "as in the released code"


def test_the_cosine_of_a_tree_and_its_negative_is_minus_one():
    rows = [("x0", "negative", "g"), ("x1", "cosine_sim", "g", "x0"), ("update", "mul", "w", "x1")]
    assert lists(step(rows)) == [pytest.approx([-1, -1], abs=1e-15), pytest.approx([-1], abs=1e-15)]
    assert one_number("cosine_sim", "g", "v1") == [[0, 0], [0]], "of a zero tree"
    huge = ((3e150, 4e150), (12e150,))
    assert one_number("cosine_sim", "g", "g", g=huge)[1] == pytest.approx([1], abs=1e-15)


def test_means_of_rows_and_columns_keep_the_shape():
    matrix, vector = [[1.0, 2.0, 6.0], [5.0, 4.0, 0.0]], [1.0, 2.0, 6.0]
    rows, columns = (step([("update", name, "g")], g=(matrix, vector, 7.0)) for name in ("row_mean", "col_mean"))
    assert lists(rows) == [[[3, 3, 3], [3, 3, 3]], [3, 3, 3], 7]
    assert lists(columns) == [[[3, 3, 3], [3, 3, 3]], vector, 7]


def test_a_row_of_a_kernel_is_all_entries_of_one_first_index():
    kernel = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert as_rows(kernel).shape == (2, 12) and as_rows(kernel)[1, 0] == 12
    assert as_rows(torch.zeros(5)).shape == (1, 5) and as_rows(torch.tensor(3.0)).shape == (1, 1)
    (update,) = step([("update", "row_mean", "g")], g=(kernel.tolist(),))
    assert update[0].unique().tolist() == [5.5] and update[1].unique().tolist() == [17.5]
    (update,) = step([("update", "col_mean", "g")], g=(kernel.tolist(),))
    assert torch.equal(update[0], kernel[0].double() + 6) and torch.equal(update[0], update[1])


# A step


def test_states_that_are_not_written_come_back_and_inputs_stay_as_they_were():
    tensors = {name: (torch.randn(2, 3), torch.randn(4)) for name in ("w", "g", "v1", "v2")}
    before = {name: [leaf.clone() for leaf in leaves] for name, leaves in tensors.items()}
    rows = [
        ("w", "add", "w", 1.0), ("g", "clip", "g", 0.1), ("v1", "interp", "g", "v1", 0.9),
        ("update", "mul", "v1", "lr"),
    ]  # fmt: skip
    lr = torch.tensor(0.5)
    update, v1, v2 = run(from_rows(rows), **tensors, lr=lr, t=torch.tensor(1.0))
    for name, leaves in tensors.items():
        assert all(torch.equal(leaf, old) for leaf, old in zip(leaves, before[name], strict=True))
    assert all(torch.equal(leaf, old) for leaf, old in zip(v2, before["v2"], strict=True)) and lr == 0.5
    assert all(torch.equal(move, mean * 0.5) for move, mean in zip(update, v1, strict=True))


def test_a_statement_reads_what_the_ones_before_it_wrote():
    rows = [("x0", "mul", "g", 2.0), ("g", "add", "g", "x0"), ("x0", "mul", "g", 2.0), ("update", "add", "x0", "g")]
    assert lists(step(rows)) == [[27, 36], [108]]


def test_the_step_and_the_learning_rate_are_numbers_that_programs_read():
    rows = [("x0", "power", "t", 2.0), ("x0", "mul", "x0", "lr"), ("update", "mul", "g", "x0")]
    assert lists(step(rows, lr=0.5, t=3.0)) == [[13.5, 18], [54]]


def test_randn_gives_the_noise_of_the_step_each_time():
    noise = (double([0.5, -1.0]), double([2.0]))
    rows = [("x0", "randn"), ("x1", "randn"), ("x0", "add", "x0", "x1"), ("update", "add", "g", "x0")]
    assert lists(step(rows, noise=noise)) == [[4, 2], [16]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_function_keeps_dtype_and_shapes(dtype):
    shapes = ((2, 3), (4,), (), (2, 1, 3))
    leaves = tuple(torch.full(shape, 0.25, dtype=dtype) for shape in shapes)
    for function in FUNCTIONS:
        arguments = ["g" if index < 2 and function.name != "clip" else "lr" for index in range(len(function.arguments))]
        arguments[:1] = ["g"] * len(arguments[:1])
        rows = [("x0", function.name, *arguments), ("update", "mul", "g", "x0")]
        one = torch.tensor(1.0, dtype=dtype)
        update, _, _ = run(
            from_rows(rows), w=leaves, g=leaves, v1=leaves, v2=leaves, lr=one, t=one,
            noise=step_noise(shapes, seed=0, step=1, like=one),
        )  # fmt: skip
        assert [tuple(leaf.shape) for leaf in update] == list(shapes), function.name
        assert all(leaf.dtype == dtype for leaf in update), function.name


# Noise


def test_noise_is_the_same_within_a_step_and_new_in_the_next_and_for_another_seed():
    like = torch.zeros(())
    first, again, later, other = (
        step_noise([(40,)], seed=seed, step=number, like=like)[0] for seed, number in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, later) and not torch.equal(first, other) and not torch.equal(later, other)
    assert abs(float(torch.corrcoef(torch.stack([first, later]))[0, 1])) < 0.5


def test_noise_does_not_depend_on_how_parameters_are_cut_nor_on_their_precision():
    single, double_ = torch.zeros(()), torch.zeros((), dtype=torch.float64)
    whole = step_noise([(10,)], seed=3, step=1, like=single)[0]
    parts = step_noise([(2, 3), (), (3,)], seed=3, step=1, like=double_)
    assert [tuple(part.shape) for part in parts] == [(2, 3), (), (3,)] and parts[0].dtype == torch.float64
    assert torch.equal(torch.cat([part.flatten() for part in parts]).float(), whole)


def test_noise_is_standard_normal():
    noise = torch.cat([step_noise([(100,)], seed=0, step=t, like=torch.zeros(()))[0] for t in range(1, 201)])
    assert abs(float(noise.mean())) < 0.03 and abs(float(noise.std()) - 1) < 0.02  # 4 standard errors


def test_a_large_seed_and_step_still_give_noise():
    (noise,) = step_noise([(3,)], seed=2**62, step=10**9, like=torch.zeros(()))
    assert noise.isfinite().all()
