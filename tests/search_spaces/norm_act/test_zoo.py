"""Every published design against its formula, and against numbers computed from the papers' formulas (table 1.8)."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from search_spaces.norm_act.graph import Nodes
from search_spaces.norm_act.reference import Parameters, evaluate, share
from search_spaces.norm_act.zoo import DESIGNS

torch.set_num_threads(1)
EPS, GROUPS = 1e-5, 2


def run(nodes: Nodes, x: Tensor, v0: Tensor | None = None, v1: Tensor | None = None, *, eps: float = EPS) -> Tensor:
    zeros, ones = torch.zeros(x.shape[1], dtype=x.dtype), torch.ones(x.shape[1], dtype=x.dtype)
    v0, v1 = zeros if v0 is None else v0, ones if v1 is None else v1
    parameters = Parameters(v0=v0, v1=v1, gamma=ones, beta=zeros)
    return evaluate(share(nodes), x, parameters, groups=GROUPS, eps=eps)[0]


def std(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return torch.sqrt(x.var(axes, keepdim=True, unbiased=False) + EPS)


def rms(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return torch.sqrt((x**2).mean(axes, keepdim=True) + EPS)


def by_group(f: Callable[..., Tensor], x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    groups = f(x.reshape(n, GROUPS, c // GROUPS, h, w), (2, 3, 4))
    return groups.expand(n, GROUPS, c // GROUPS, 1, 1).reshape(n, c, 1, 1)


BWH, WHC, WH = (0, 2, 3), (1, 2, 3), (2, 3)
FORMULAS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "bn-relu": lambda x, v0, v1: functional.batch_norm(x, None, None, v1.flatten(), v0.flatten(), training=True).relu(),
    "gn-relu": lambda x, v0, v1: functional.group_norm(x, GROUPS, v1.flatten(), v0.flatten()).relu(),
    "ln-relu": lambda x, v0, v1: (functional.layer_norm(x, x.shape[1:]) * v1 + v0).relu(),
    "in-relu": lambda x, v0, v1: (functional.instance_norm(x) * v1 + v0).relu(),
    "bn-silu": lambda x, v0, v1: functional.silu(
        functional.batch_norm(x, None, None, v1.flatten(), v0.flatten(), training=True)
    ),
    "gn-silu": lambda x, v0, v1: functional.silu(functional.group_norm(x, GROUPS, v1.flatten(), v0.flatten())),
    "evonorm-b0": lambda x, v0, v1: x / torch.maximum(std(x, BWH), v1 * x + std(x, WH)),
    "evonorm-b1": lambda x, v0, v1: x / torch.maximum(std(x, BWH), (x + 1) * rms(x, WH)),
    "evonorm-b2": lambda x, v0, v1: x / torch.maximum(std(x, BWH), rms(x, WH) - x),
    "evonorm-s0": lambda x, v0, v1: x * torch.sigmoid(v1 * x) / by_group(std, x),
    "evonorm-s1": lambda x, v0, v1: x * torch.sigmoid(x) / by_group(std, x),
    "evonorm-s2": lambda x, v0, v1: x * torch.sigmoid(x) / by_group(rms, x),
    "frn": lambda x, v0, v1: x / rms(x, WH),
    "frn-tlu": lambda x, v0, v1: torch.maximum(x / rms(x, WH), v0),
    "rmsnorm": lambda x, v0, v1: functional.rms_norm(x, x.shape[1:], eps=EPS),
    "powernorm": lambda x, v0, v1: x / rms(x, BWH),
    "relu": lambda x, v0, v1: functional.relu(x),
    "squared-relu": lambda x, v0, v1: functional.relu(x) ** 2,
    "prelu": lambda x, v0, v1: functional.prelu(x, v0.flatten()),
    "silu": lambda x, v0, v1: functional.silu(x),
    "swish-beta": lambda x, v0, v1: x * torch.sigmoid(v1 * x),
    "tanh": lambda x, v0, v1: torch.tanh(x),
    "sigmoid": lambda x, v0, v1: torch.sigmoid(x),
    "softplus": lambda x, v0, v1: functional.softplus(x, threshold=1e9),
    "softsign": lambda x, v0, v1: functional.softsign(x),
    "mish": lambda x, v0, v1: functional.mish(x),
    "crrelu": lambda x, v0, v1: functional.relu(x) + v0 * x * torch.exp(-(x**2) / 2),
}


def test_every_design_has_a_formula_here():
    assert set(FORMULAS) == set(DESIGNS)


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_a_design_equals_its_published_formula(name):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((5, 4, 3, 2), generator=generator, dtype=torch.float64) * 1.3 + 0.2
    v0, v1 = (0.9 * torch.rand(4, generator=generator, dtype=torch.float64) for _ in range(2))
    expected = FORMULAS[name](x, v0.view(1, -1, 1, 1), v1.view(1, -1, 1, 1))
    torch.testing.assert_close(run(DESIGNS[name], x, v0, v1), expected, rtol=1e-12, atol=1e-12)


def table_input() -> Tensor:
    return torch.tensor([((7 * i) % 11 - 5) / 4 for i in range(32)], dtype=torch.float64).reshape(2, 4, 2, 2)


TABLE = {
    "evonorm-s0": (
        [-0.344658441, 0.385335840, -0.233718001, 1.202976162], [0.936496800, 0, -0.344517919, 0.652528433],
        6.083646081, 9.974866004,
    ),
    "evonorm-s2": (
        [-0.343631156, 0.384187313, -0.233021384, 1.199390587], [0.924716687, 0, -0.340184258, 0.644320334],
        6.040125528, 9.830915044,
    ),
    "evonorm-b0": (
        [-1.429474033, 0.344358098, -0.571789613, 0.567671716], [0.562390111, 0, -1.404630243, 0.490797498],
        -6.800366639, 19.913997246,
    ),
    "evonorm-b2": (
        [-0.567671716, 0.571789613, -0.344358098, 1.429474033], [1.404630243, 0, -0.555433121, 1.053472683],
        8.153563630, 20.681697109,
    ),
    "bn-relu": (
        [0, 0.679000165, 0, 1.536684585], [1.009577987, 0, 0, 0.658420427],
        13.686888987, 15.891799787,
    ),
    "gn-relu": (
        [0, 0.541672111, 0, 1.470252873], [1.120887880, 0, 0, 0.800634200],
        13.980986422, 15.797127435,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_design_gives_the_numbers_of_the_table(name):
    y = run(DESIGNS[name], table_input())
    first, last, total, squares = TABLE[name]
    assert y[0, 0].flatten().tolist() == pytest.approx(first, abs=1e-9)
    assert y[1, 3].flatten().tolist() == pytest.approx(last, abs=1e-9)
    assert (float(y.sum()), float((y**2).sum())) == pytest.approx((total, squares), abs=1e-8)


def test_b0_with_the_eps_of_timm():
    y = run(DESIGNS["evonorm-b0"], table_input(), eps=1e-3)
    assert (float(y.sum()), float((y**2).sum())) == pytest.approx((-6.792464586, 19.884383341), abs=1e-8)


def test_s1_is_s0_with_v1_equal_to_one():
    x = table_input()
    assert torch.equal(run(DESIGNS["evonorm-s1"], x), run(DESIGNS["evonorm-s0"], x))


def test_crrelu_gives_the_published_numbers():
    x = torch.tensor([-3, -1, -0.5, 0, 0.5, 1, 3], dtype=torch.float64).reshape(1, 1, 1, 7)
    y = run(DESIGNS["crrelu"], x, v0=torch.full((1,), 0.01, dtype=torch.float64))
    expected = [-0.00033327, -0.006065307, -0.004412485, 0, 0.504412485, 1.006065307, 3.00033327]
    assert y.flatten().tolist() == pytest.approx(expected, abs=1e-9)


def test_rmsnorm_gives_the_published_numbers():
    x = torch.tensor([1, -2, 3], dtype=torch.float64).reshape(1, 3, 1, 1)
    y = evaluate(
        share(DESIGNS["rmsnorm"]),
        x,
        Parameters(v0=None, v1=None, gamma=torch.ones(3, dtype=x.dtype), beta=torch.zeros(3, dtype=x.dtype)),
        groups=1,
        eps=EPS,
    )[0]
    assert y.flatten().tolist() == pytest.approx([0.462909554, -0.925819108, 1.388728662], abs=1e-9)


@pytest.mark.parametrize("name", ["evonorm-s0", "evonorm-s1", "evonorm-s2", "gn-relu", "ln-relu", "frn"])
def test_batch_independent_designs_are_so_to_the_last_bit(name):
    x, other = table_input(), table_input()
    other[1] = other[1] * 3 + 1
    assert torch.equal(run(DESIGNS[name], x)[0], run(DESIGNS[name], other)[0])


@pytest.mark.parametrize("name", ["evonorm-b0", "evonorm-b1", "evonorm-b2", "bn-relu", "powernorm"])
def test_batch_designs_depend_on_the_other_examples(name):
    x, other = table_input(), table_input()
    other[1] = other[1] * 3 + 1
    assert not torch.equal(run(DESIGNS[name], x)[0], run(DESIGNS[name], other)[0])


def test_gn_relu_is_scale_invariant_and_s0_is_not():
    x = table_input()
    gn, s0 = DESIGNS["gn-relu"], DESIGNS["evonorm-s0"]
    torch.testing.assert_close(run(gn, 3 * x, eps=1e-14), run(gn, x, eps=1e-14), rtol=1e-9, atol=1e-9)
    assert (run(s0, 3 * x) - run(s0, x)).abs().max() > 0.1


SMOOTH = [name for name in sorted(DESIGNS) if name.startswith("evonorm") or name in ("mish", "softplus", "bn-silu")]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_equal_central_differences(name):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: run(DESIGNS[name], x), (x,), eps=1e-6, atol=1e-5, fast_mode=True)
