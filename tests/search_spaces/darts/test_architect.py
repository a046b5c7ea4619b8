"""Gradients of architecture weights: the paper's toy, an exact quadratic, the published losses."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import Parameter

from search_spaces.darts.architect import Unrolled, first_order, kept, second_order, statistics, zero_one_loss
from search_spaces.darts.flat_weights import FlatWeights, clipped, norm
from search_spaces.darts.hessian import dominant_eigenvalue


def weights_of(*parameters: Parameter) -> FlatWeights:
    return FlatWeights.of([(f"w{index}", one) for index, one in enumerate(parameters)], decays=lambda name, one: True)


def plain_move(weights: FlatWeights, rate: float) -> Callable[..., dict[str, Tensor]]:
    return lambda gradients: {name: one.detach() - rate * gradients[name] for name, one in weights.buffers.items()}


@pytest.mark.parametrize(
    ("rate", "end"), [(0.0, 2.0), (0.1, 1.666667), (0.2, 1.428571), (0.3, 1.25), (0.5, 1.0), (0.7, 0.833333)]
)
def test_the_toy_of_the_paper_converges_to_2_over_1_plus_2_xi(rate: float, end: float) -> None:
    """Figure 2: L_train = (w - alpha)^2, L_val = alpha w - 2 alpha + 1 from (alpha, w) = (2, -2)."""
    alpha = Parameter(torch.tensor([2.0], dtype=torch.float64))
    w = Parameter(torch.tensor([-2.0], dtype=torch.float64))
    weights = weights_of(w)

    def train() -> Tensor:
        return torch.square(w - alpha).sum()

    def valid() -> Tensor:
        return (alpha * w - 2 * alpha + 1).sum()

    for _ in range(400):
        unrolled = Unrolled(weights=weights, move=plain_move(weights, rate), rate=rate)
        (slope,) = second_order([alpha], unrolled, train=train, valid=valid)
        with torch.no_grad():
            alpha.sub_(0.05 * slope)
        weights.load(plain_move(weights, 0.1)(weights.gradients(train())))
    assert alpha.item() == pytest.approx(end, abs=1e-5)
    assert w.item() == pytest.approx(end, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 0.5))
def test_the_finite_difference_is_the_exact_gradient_of_a_quadratic(seed: int, rate: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    alpha = Parameter(torch.randn(4, generator=generator, dtype=torch.float64))
    w = Parameter(torch.randn(4, generator=generator, dtype=torch.float64))

    def train_at(at: Tensor) -> Tensor:
        return torch.square(a @ at - b @ alpha).sum()

    def valid_at(at: Tensor) -> Tensor:
        return torch.square(at - 1).sum() + torch.square(alpha * at).sum()

    free = w.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(train_at(free), [free], create_graph=True)
    (exact,) = torch.autograd.grad(valid_at(free - rate * slope), [alpha])
    weights = weights_of(w)
    unrolled = Unrolled(weights=weights, move=plain_move(weights, rate), rate=rate)
    (found,) = second_order([alpha], unrolled, train=lambda: train_at(w), valid=lambda: valid_at(w))
    assert torch.allclose(found, exact, rtol=1e-6, atol=1e-8)


def test_the_weights_stand_where_they_were_and_xi_of_zero_is_the_first_order() -> None:
    alpha, w = Parameter(torch.tensor([0.3, -0.7])), Parameter(torch.tensor([[1.1, 0.9]]))
    weights = weights_of(w)
    before = w.detach().clone()

    def valid() -> Tensor:
        return torch.exp(w * alpha).sum()

    for rate in (0.0, 0.3):
        unrolled = Unrolled(weights=weights, move=plain_move(weights, rate), rate=rate)
        (slope,) = second_order([alpha], unrolled, train=lambda: torch.sin(w * alpha).sum(), valid=valid)
        assert torch.equal(w, before)
        assert torch.equal(slope, first_order([alpha], valid=valid)[0]) == (rate == 0)


def test_a_loss_that_does_not_reach_the_weights_has_no_second_term() -> None:
    alpha, w = Parameter(torch.tensor([0.5])), Parameter(torch.tensor([1.0]))
    weights = weights_of(w)
    unrolled = Unrolled(weights=weights, move=plain_move(weights, 0.1), rate=0.1)
    (slope,) = second_order([alpha], unrolled, train=lambda: (w * alpha).sum(), valid=lambda: torch.square(alpha).sum())
    assert slope.item() == 1.0


def test_zero_one_loss_has_the_value_of_the_table() -> None:
    assert zero_one_loss([torch.tensor([0.0, 2.0, -1.0], dtype=torch.float64)]).item() == pytest.approx(
        -0.0661314938, abs=1e-10
    )


def test_running_statistics_are_those_of_before() -> None:
    layer = nn.BatchNorm1d(2)
    with kept(statistics(layer)):
        layer(torch.randn(8, 2) + 3)
        assert layer.running_mean is not None and layer.running_mean.abs().sum() > 0
    assert layer.running_mean.abs().sum() == 0
    with kept(layer.buffers()):
        layer(torch.randn(8, 2))
    assert layer.num_batches_tracked is not None and layer.num_batches_tracked.item() == 1


def test_parameters_are_views_of_their_group() -> None:
    matrix, bias = Parameter(torch.ones(2, 2)), Parameter(torch.zeros(2))
    named = [("b", bias), ("m", matrix)]
    weights = FlatWeights.of(named, decays=lambda name, one: one.ndim > 1)
    assert {name: len(buffer) for name, buffer in weights.buffers.items()} == {"decayed": 4, "plain": 2}
    weights.load({"decayed": torch.arange(4.0), "plain": torch.tensor([7.0, 8.0])})
    assert matrix.tolist() == [[0, 1], [2, 3]] and bias.tolist() == [7, 8]
    gradients = weights.gradients((matrix * 3).sum())
    assert gradients["decayed"].tolist() == [3] * 4 and gradients["plain"].tolist() == [0, 0]


@given(st.floats(0.1, 20.0))
def test_gradients_are_shortened_as_torch_does(most: float) -> None:
    parameters = [Parameter(torch.zeros(3)), Parameter(torch.zeros(2))]
    values = [torch.tensor([1.0, -2.0, 3.0]), torch.tensor([4.0, 0.5])]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = value.clone()
    nn.utils.clip_grad_norm_(parameters, most)
    short = clipped({"a": values[0], "b": values[1]}, most=most)
    assert torch.allclose(short["a"], parameters[0].grad) and torch.allclose(short["b"], parameters[1].grad)
    assert float(norm(short)) <= most * (1 + 1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(2.0, 50.0))
def test_the_eigenvalue_is_the_largest_of_a_quadratic_form(seed: int, largest: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    basis, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))
    values = torch.tensor([largest, 1.0, 0.5, -0.3, 0.1, 0.0], dtype=torch.float64)
    matrix = basis @ torch.diag(values) @ basis.T
    first, second = Parameter(torch.ones(2, dtype=torch.float64)), Parameter(torch.ones(4, dtype=torch.float64))
    point = torch.cat([first, second])
    found = dominant_eigenvalue(point @ matrix @ point / 2, [first, second], seed=seed)
    assert found == pytest.approx(largest, rel=5e-3)


def test_the_eigenvalue_of_a_linear_loss_is_zero_and_of_a_broken_one_unknown() -> None:
    alpha = Parameter(torch.ones(3))
    assert dominant_eigenvalue((alpha * 2).sum(), [alpha], seed=0) == 0.0
    assert dominant_eigenvalue(torch.square(alpha).sum() * torch.nan, [alpha], seed=0) is None
