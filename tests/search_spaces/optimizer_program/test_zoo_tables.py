"""The zoo against published numbers (tables computed from the papers' formulas) and against torch's optimizers."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from search_spaces.optimizer_program.program import Rows, from_rows, is_valid
from search_spaces.optimizer_program.reference import run
from search_spaces.optimizer_program.reference_optimizers import SGDP, Adafactor, AdamP, OrthoGrad
from search_spaces.optimizer_program.zoo import DESIGNS

torch.set_num_threads(1)


def double(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def course(
    rows: Rows, w: object, gradients: Sequence[object], *, lr: float, decay: float = 0.0
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Returns (update, w, v1, v2) of one tensor after each step; w loses its part `decay` before each update."""
    leaf, seen = double(w), []
    first = second = torch.zeros_like(leaf)
    for t, g in enumerate(gradients, 1):
        trees = {"w": (leaf,), "g": (double(g),), "v1": (first,), "v2": (second,)}
        (update,), (first,), (second,) = run(from_rows(rows), **trees, lr=double(lr), t=double(t))
        leaf = leaf * (1 - decay) - update
        seen.append((update, leaf, first, second))
    return seen


def final(rows: Rows, w: object, gradients: Sequence[object], *, lr: float, decay: float = 0.0) -> list[float]:
    """Returns the parameters after all steps."""
    return course(rows, w, gradients, lr=lr, decay=decay)[-1][1].flatten().tolist()


P, G1, G2 = [[1, 2], [-1, 0.5]], [[0.5, -1], [0.25, 2]], [[-0.5, 0.5], [1, 1]]


def test_momentum_with_coupled_decay_gives_the_table():
    rows = (("x0", "mul", "w", 0.01), ("g", "add", "g", "x0"), *DESIGNS["momentum"])
    assert final(rows, P, [G1, G2], lr=1.0) == pytest.approx(
        [0.952151, 2.134102, -1.144576, 0.0187505], abs=1e-9
    )


@pytest.mark.parametrize(
    ("name", "lr", "decay", "expected"),
    [
        ("adamw-corrected", 100.0, 0.001, [0.90336416, 2.122535703, -1.186338644, 0.305882537]),
        ("rmsprop", 10.0, 0.0, [0.97088813, 2.055098669, -1.197042747, 0.355098682]),
        ("rmsprop-tf", 1.0, 0.0, [0.995521863, 2.013801248, -1.015440243, 0.45779823]),
        ("lion", 500.0, 0.001, [0.998101, 1.995902, -1.197901, 0.2991005]),
    ],
)
def test_a_design_gives_the_table_after_two_steps(name, lr, decay, expected):
    assert final(DESIGNS[name], P, [G1, G2], lr=lr, decay=decay) == pytest.approx(expected, abs=1e-9)


def test_adafactor_gives_the_unfactored_table_on_a_vector():
    flat = [[x for row in part for x in row] for part in (P, G1, G2)]
    assert final(DESIGNS["adafactor"], flat[0], flat[1:], lr=100.0) == pytest.approx(
        [1.0, 2.033729077, -1.22899711, 0.333729077], abs=1e-9
    )


def test_adafactor_gives_the_factored_numbers_on_a_matrix():
    moved = final(DESIGNS["adafactor"], [[0, 0], [0, 0]], [[[1, 2], [3, 4]]], lr=1000.0)
    assert moved == pytest.approx([-0.774596669, -1.095445115, -1.039230485, -0.979795897], abs=1e-9)


LION_GRADIENTS = [(0.1, -0.2, 0.0), (-0.05, 0.3, 0.4), (0.2, 0.0, -0.1)]
LION_TABLE = [
    ((0.899, -1.898, 0.4995), (0.001, -0.002, 0.0)),
    ((0.998101, -1.996102, 0.3990005), (0.00049, 0.00102, 0.004)),
    ((0.897102899, -2.094105898, 0.4986014995), (0.0024851, 0.0010098, 0.00296)),
]


def test_lion_gives_the_table_of_three_steps():
    steps = course(DESIGNS["lion"], (1, -2, 0.5), LION_GRADIENTS, lr=500.0, decay=0.1 * 0.01)
    for (_, w, m, _), (weights, momenta) in zip(steps, LION_TABLE, strict=True):
        assert w.tolist() == pytest.approx(weights, abs=1e-12)
        assert m.tolist() == pytest.approx(momenta, abs=1e-15)


def test_lion_equals_the_released_code_bit_for_bit():
    w, m, lr = double((1, -2, 0.5)), double((0, 0, 0)), 500.0 * 0.0002
    steps = course(DESIGNS["lion"], (1, -2, 0.5), LION_GRADIENTS, lr=500.0, decay=lr * 0.01)
    for g, (_, moved, mean, _) in zip(LION_GRADIENTS, steps, strict=True):  # lion_pytorch.py
        w = w.clone().mul_(1 - lr * 0.01)
        w.add_((m * 0.9 + double(g) * (1 - 0.9)).sign_(), alpha=-lr)
        m = m * 0.99 + double(g) * (1 - 0.99)
        assert torch.equal(moved, w) and torch.equal(mean, m)


RAW_GRADIENTS = [(0.1, -0.2, 0.05), (-0.05, 0.3, 0.4)]
KEPT_OF_RAW = (0, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 19)
"""The 13 statements that the outputs depend on."""


def raw_course(rows: Rows, gradients: Sequence[object] = RAW_GRADIENTS, lr: float = 1.0):
    return course(rows, (1, -2, 0.5), gradients, lr=lr)


def same_numbers(steps, others) -> bool:
    """Whether updates, parameters and states of two courses are equal to the last bit."""
    pairs = [pair for one, other in zip(steps, others, strict=True) for pair in zip(one, other, strict=True)]
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_raw_program_gives_the_published_constants():
    (first, w1, v1, _), (second, w2, _, _) = raw_course(DESIGNS["lion-raw"])
    assert first.tolist() == pytest.approx((0.00031712, -0.000417064, 0.000267148), abs=5e-10)
    assert w1.tolist() == pytest.approx((0.99968288, -1.999582936, 0.499732852), abs=5e-10)
    assert second.tolist() == pytest.approx((-0.000117264, 0.00001733, 0.000267121), abs=5e-10)
    assert w2.tolist() == pytest.approx((0.999800144, -1.999600266, 0.49946573), abs=5e-9)
    assert v1.tolist() == pytest.approx((1.0, 1.0, 1.0), abs=1e-6), "v1 is cosh(update)"


def test_the_raw_program_keeps_its_mean_in_the_second_state():
    (_, _, _, v2), _ = raw_course(DESIGNS["lion-raw"])
    assert v2.tolist() == pytest.approx((0.00017833, -0.000358482, 0.000089053), abs=5e-10)


def test_thirteen_of_the_raw_statements_give_the_identical_trajectory():
    rng = np.random.default_rng(0)
    gradients = [tuple(g) for g in rng.normal(size=(20, 3)) * 0.5]
    reduced = [DESIGNS["lion-raw"][index] for index in KEPT_OF_RAW]
    full, short = (raw_course(rows, gradients, 0.7) for rows in (DESIGNS["lion-raw"], reduced))
    assert same_numbers(full, short)


@pytest.mark.parametrize("left_out", KEPT_OF_RAW)
def test_each_of_the_thirteen_is_needed(left_out):
    rows = [DESIGNS["lion-raw"][index] for index in KEPT_OF_RAW if index != left_out]
    lr = 0.2  # less than the lengths of the gradients, so that clipping matters
    same = is_valid(from_rows(rows)) and same_numbers(raw_course(DESIGNS["lion-raw"], lr=lr), raw_course(rows, lr=lr))
    assert not same


def test_cosh_of_the_raw_program_never_reaches_w():
    without = [("v1", "sin", "w") if row[1] == "cosh" else row for row in DESIGNS["lion-raw"]]
    for (_, w, v1, _), (_, other, changed, _) in zip(raw_course(DESIGNS["lion-raw"]), raw_course(without), strict=True):
        assert torch.equal(w, other) and not torch.equal(v1, changed)


def test_two_chained_means_are_the_one_of_lion():
    rows = (
        ("v1", "interp", "g", "v2", 0.9), ("v2", "interp", "g", "v1", 1.1), ("update", "sign", "v1"),
    )  # fmt: skip
    gradients = list(np.random.default_rng(1).normal(size=(200, 50)))
    chained = course(rows, [0.0] * 50, gradients, lr=1.0)
    published = course(DESIGNS["lion"], [0.0] * 50, gradients, lr=5000.0)
    for (one, _, _, mean), (other, _, momentum, _) in zip(chained, published, strict=True):
        assert torch.equal(one, other)
        # A rounding of about 1e-16 a step, of which 1 / (1 - 0.99) = 100 steps are kept.
        torch.testing.assert_close(mean, momentum, rtol=0, atol=1e-14)


def test_chained_means_of_the_raw_constants_keep_998_thousandths():
    a, b = 0.8999999761581421, 1.109133005142212
    assert ((1 - b) + b * (1 - a), a * b) == pytest.approx((0.0017803218, 0.9982196782), abs=1e-10)
    states = [v2[0].item() for _, _, _, v2 in raw_course(DESIGNS["lion-raw"], [(0.1, 0, 0), (0, 0, 0)])]
    first = 0.0017803218 * math.asin(0.1)
    assert states == pytest.approx([first, 0.9982196782 * first], rel=1e-7)


def test_a_bias_correction_can_be_kept_as_state():
    rows = (("v1", "interp", 1.0, "v1", 0.9), ("update", "mul", "g", "v1"))
    steps = course(rows, [1.0], [[1.0]] * 5, lr=1.0)
    assert [v1.item() for _, _, v1, _ in steps] == pytest.approx([0.1, 0.19, 0.271, 0.3439, 0.40951], abs=1e-12)


NOISE_TABLE = {
    0.3: {0: 0.547722558, 1: 0.452665482, 10: 0.283255035, 100: 0.153947361, 1000: 0.081929680},
    1.0: {0: 1.0, 1: 0.826450318, 10: 0.517150575, 100: 0.281068142, 1000: 0.149582445},
}


@pytest.mark.parametrize("eta", NOISE_TABLE)
def test_gradient_noise_has_the_published_deviation(eta):
    program = tuple(
        (*statement[:2], eta, *statement[3:]) if statement[2:3] == (0.01,) else statement
        for statement in from_rows(DESIGNS["gradient-noise"])
    )
    zero, ones = (double([0.0]),), (double([1.0]),)
    for published, deviation in NOISE_TABLE[eta].items():
        t = double(published + 1)  # the paper counts from 0
        update, _, _ = run(program, w=zero, g=zero, v1=zero, v2=zero, lr=double(10.0), t=t, noise=ones)
        assert update[0].item() == pytest.approx(deviation, abs=1e-9)


@pytest.mark.parametrize("name", ["orthograd", "orthograd-global"])
def test_orthograd_turns_the_gradient_and_keeps_its_length(name):
    assert final(DESIGNS[name], (3, 4), [(1, 0)], lr=10.0) == pytest.approx((3 - 0.8, 4 + 0.6), abs=1e-12)


# Against optimizers


def torch_course(
    optimizer: Callable[..., torch.optim.Optimizer], w: object, gradients: Sequence[object]
) -> list[list[float]]:
    """Returns the parameters after each step."""
    parameter = torch.nn.Parameter(double(w))
    stepper, seen = optimizer([parameter]), []
    for g in gradients:
        parameter.grad = double(g)
        stepper.step()
        seen.append(parameter.flatten().tolist())
    return seen


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw-corrected": lambda ps: torch.optim.AdamW(ps, lr=1e-3, weight_decay=0.0),
    "momentum": lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9),
    "nesterov": lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "sgd": lambda ps: torch.optim.SGD(ps, lr=0.1),
    "rmsprop": lambda ps: torch.optim.RMSprop(ps, lr=1e-3),
    "orthograd": lambda ps: OrthoGrad(torch.optim.SGD(ps, lr=0.1)),
}


def assert_same_course(rows: Rows, optimizer, w: object, gradients: Sequence[object], *, lr: float = 1.0) -> None:
    steps, expected = course(rows, w, gradients, lr=lr), torch_course(optimizer, w, gradients)
    for (_, moved, _, _), parameters in zip(steps, expected, strict=True):
        assert moved.flatten().tolist() == pytest.approx(parameters, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_design_equals_the_optimizer_of_its_name(name):
    rng = np.random.default_rng(4)
    assert_same_course(DESIGNS[name], OPTIMIZERS[name], rng.normal(size=(3, 4)), list(rng.normal(size=(20, 3, 4))))


@pytest.mark.parametrize(
    ("name", "optimizer", "lr"),
    [("adamp", lambda ps: AdamP(ps, lr=0.1), 100.0), ("sgdp", lambda ps: SGDP(ps, lr=0.1), 1.0)],
)
def test_projecting_designs_equal_the_references_where_rows_decide_nothing(name, optimizer, lr):
    assert_same_course(DESIGNS[name], optimizer, P, [G1, G2], lr=lr)  # adamp projects the whole tensor at step 2


@pytest.mark.parametrize("shape", [(17, 20), (9,)])
def test_adafactor_equals_the_reference_on_large_matrices_and_vectors(shape):
    rng = np.random.default_rng(3)
    gradients = list(rng.normal(size=(10, *shape)))
    assert_same_course(DESIGNS["adafactor"], lambda ps: Adafactor(ps, lr=1e-3), rng.normal(size=shape), gradients)
