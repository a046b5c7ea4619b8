"""Each score against a closed form, an independent reference or hand numbers on tiny nets."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from automl.contracts import RungJob
from automl.training.runner import Runner
from automl.training.zero_cost import (
    SCORES,
    grad_norm,
    grasp,
    jacob_cov,
    naswot,
    snip,
    synflow,
    zero_cost_scores,
)

MakeJob = Callable[..., RungJob]
GEN = torch.Generator().manual_seed(3)
BATCH = (torch.randn(8, 3, generator=GEN), torch.randint(2, (8,), generator=GEN))


def network(seed: int = 0, hidden: int = 5) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 2))


def linear(weight: list[list[float]]) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=False)
    layer.weight.data = torch.tensor(weight)
    return layer


def test_synflow_of_two_linear_layers_is_twice_the_sum_over_paths() -> None:
    first, second = [[1.0, -2.0], [0.5, 3.0], [-1.0, 1.0]], [[2.0, -1.0, 4.0]]
    model = nn.Sequential(linear(first), linear(second))
    paths = float((np.abs(second) @ np.abs(first)).sum())
    assert paths == 17.5
    assert synflow(model, mse_loss, (torch.zeros(4, 2), torch.zeros(4, 1))) == pytest.approx(2 * paths, abs=1e-12)


@pytest.mark.parametrize("width", [1, 3])
def test_synflow_does_without_batch_normalization(width: int) -> None:
    plain = nn.Sequential(nn.Conv2d(1, width, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * width, 2))
    norm = nn.BatchNorm2d(width)
    with torch.no_grad():
        norm.running_mean += 7
        norm.weight *= 0
    normed = nn.Sequential(plain[0], norm, *plain[1:])
    batch = (torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.long))
    scores = [zero_cost_scores(m, cross_entropy, batch=batch, wanted=["synflow"], seed=0) for m in (plain, normed)]
    assert scores[0] == scores[1] and scores[0]["synflow"]


def test_synflow_of_a_deep_network_neither_overflows_nor_vanishes() -> None:
    model = nn.Sequential(*(linear([[100.0, 100.0], [100.0, 100.0]]) for _ in range(60)))
    assert synflow(model, mse_loss, (torch.zeros(1, 2), torch.zeros(1, 2))) == pytest.approx(60 * 2 * 200.0**60)


@settings(max_examples=20)
@given(st.floats(0.1, 10), st.integers(0, 20))
def test_synflow_grows_with_the_product_of_the_layers_scales(scale: float, seed: int) -> None:
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    before = zero_cost_scores(model, cross_entropy, batch=BATCH, wanted=["synflow"], seed=seed)["synflow"]
    with torch.no_grad():
        model[0].weight *= -scale
    after = zero_cost_scores(model, cross_entropy, batch=BATCH, wanted=["synflow"], seed=seed)["synflow"]
    assert after == pytest.approx(scale * before, rel=1e-5)


def test_gradient_scores_of_one_linear_layer_by_hand() -> None:
    # L = (w x - y)^2 with w = (2, -1), x = (1, 3), y = 1: w x = -1, dL/dw = 2 (-1 - 1) x = (-4, -12)
    model, batch = linear([[2.0, -1.0]]), (torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]]))
    assert grad_norm(model, mse_loss, batch) == pytest.approx(math.sqrt(160))
    assert snip(model, mse_loss, batch) == pytest.approx(4 * 2 + 12 * 1)
    # H = 2 x x', H g = 2 x (x . g) = 2 (-40) x = (-80, -240); -(H g) . w = 160 - 240
    assert grasp(model, mse_loss, batch) == pytest.approx(-80)


def test_grad_norm_and_snip_sum_over_weights_and_leave_biases_out() -> None:
    model = network()
    cross_entropy(model(BATCH[0]), BATCH[1]).backward()
    weights = [model[0].weight, model[2].weight]
    slopes = [weight.grad for weight in weights]
    assert grad_norm(model, cross_entropy, BATCH) == pytest.approx(
        sum(math.sqrt(sum(float(s) ** 2 for s in slope.flatten())) for slope in slopes), rel=1e-5
    )
    products = [
        abs(float(w) * float(s))
        for weight, slope in zip(weights, slopes, strict=True)
        for w, s in zip(weight.detach().flatten(), slope.flatten(), strict=True)
    ]
    assert snip(model, cross_entropy, BATCH) == pytest.approx(sum(products), rel=1e-5)


def test_grasp_agrees_with_finite_differences_of_the_gradient() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    batch = (BATCH[0].double(), BATCH[1])
    weights = [model[0].weight, model[2].weight]

    def gradients() -> list[Tensor]:
        return list(torch.autograd.grad(cross_entropy(model(batch[0]), batch[1]), weights))

    start, step = gradients(), 1e-5
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, slope in zip(weights, start, strict=True):
                weight += sign * step * slope
        ends.append(gradients())
        with torch.no_grad():
            for weight, slope in zip(weights, start, strict=True):
                weight -= sign * step * slope
    expected = -sum(
        float((weight.detach() * (up - down) / (2 * step)).sum())
        for weight, up, down in zip(weights, *ends, strict=True)
    )
    assert grasp(model, cross_entropy, batch) == pytest.approx(expected, rel=1e-6)


def test_jacob_cov_follows_its_published_formula() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
    leaf = BATCH[0].clone().requires_grad_()
    model(leaf).sum().backward()
    assert leaf.grad is not None
    values = np.linalg.eigvalsh(np.corrcoef(leaf.grad.double().numpy()))
    expected = -np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5))
    assert jacob_cov(model, cross_entropy, BATCH) == pytest.approx(expected, rel=1e-6)


def test_jacob_cov_is_largest_for_uncorrelated_gradients() -> None:
    class Rows(nn.Module):
        """Its gradient at example i is row i."""

        def __init__(self, rows: list[list[float]]) -> None:
            super().__init__()
            self.rows = torch.tensor(rows)

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.rows).sum(dim=1, keepdim=True)

    batch = (torch.zeros(3, 4), torch.zeros(3))
    apart = [[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]]
    alike = [[1.0, 1.0, -1.0, -1.0], [1.0, 1.0, -1.0, -1.1], [1.0, -1.0, -1.0, 1.0]]
    best = jacob_cov(Rows(apart), mse_loss, batch)
    assert best == pytest.approx(-3, abs=1e-4)
    worse = jacob_cov(Rows(alike), mse_loss, batch)
    assert worse is not None and worse < -100
    assert jacob_cov(Rows([*apart[:2], [1.0, 1.0, 1.0, 1.0]]), mse_loss, batch) is None, "a constant gradient"


def test_naswot_is_the_log_determinant_of_the_agreement() -> None:
    examples = torch.tensor([[1.0, -1.0, -2.0], [1.0, 3.0, -2.0]])
    assert naswot(nn.ReLU(), mse_loss, (examples, examples)) == pytest.approx(math.log(3 * 3 - 2 * 2))


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_no_score_depends_on_the_order_of_hidden_units_or_of_examples(seed: int) -> None:
    model = network(seed, hidden=40)
    rng = np.random.default_rng(seed)
    units, rows = torch.tensor(rng.permutation(40)), torch.tensor(rng.permutation(8))
    twin = network(seed, hidden=40)
    with torch.no_grad():
        twin[0].weight.copy_(model[0].weight[units])
        twin[0].bias.copy_(model[0].bias[units])
        twin[2].weight.copy_(model[2].weight[:, units])
    one = zero_cost_scores(model, cross_entropy, batch=BATCH, wanted=list(SCORES), seed=0)
    other = zero_cost_scores(twin, cross_entropy, batch=(BATCH[0][rows], BATCH[1][rows]), wanted=list(SCORES), seed=0)
    smooth = [name for name in SCORES if name != "jacob_cov"]  # 1 / (rounding of a zero eigenvalue + 1e-5)
    defined = [name for name in smooth if one[name] is not None]
    assert [other[name] for name in defined] == pytest.approx([one[name] for name in defined], rel=1e-3, abs=1e-5)
    assert [name for name in smooth if other[name] is not None] == defined


def test_only_what_is_wanted_is_scored_and_strange_names_are_left_to_others() -> None:
    found = zero_cost_scores(network(), cross_entropy, batch=BATCH, wanted=["snip", "onnx", "flops"], seed=0)
    assert list(found) == ["snip"]


def test_what_is_undefined_is_null() -> None:
    tokens = torch.tensor([[1, 2, 0], [0, 1, 2]])
    model = nn.Sequential(nn.Embedding(3, 4), nn.Flatten(), nn.Linear(12, 2))
    found = zero_cost_scores(model, cross_entropy, batch=(tokens, torch.tensor([0, 1])), wanted=list(SCORES), seed=0)
    assert {name for name, score in found.items() if score is None} == {"synflow", "jacob_cov", "naswot"}

    twice = BATCH[0][[0, 0]], BATCH[1][[0, 0]]
    assert zero_cost_scores(network(), cross_entropy, batch=twice, wanted=["naswot"], seed=0) == {"naswot": None}


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return slope * 1


class Once(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _Once.apply(x)


def test_a_score_that_the_model_has_no_second_derivative_for_is_null_and_the_others_stand() -> None:
    model = nn.Sequential(nn.Linear(3, 4), Once(), nn.ReLU(), nn.Linear(4, 2))
    found = zero_cost_scores(model, cross_entropy, batch=BATCH, wanted=list(SCORES), seed=0)
    assert found["grasp"] is None and found["snip"] is not None


def test_the_model_and_torchs_generator_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 2)).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    first = zero_cost_scores(model, cross_entropy, batch=BATCH, wanted=list(SCORES), seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training and all(parameter.grad is None for parameter in model.parameters())
    torch.rand(3)
    assert zero_cost_scores(model, cross_entropy, batch=BATCH, wanted=list(SCORES), seed=5) == first
    assert zero_cost_scores(model, cross_entropy, batch=BATCH, wanted=["snip"], seed=6) != {"snip": first["snip"]}


@pytest.mark.parametrize("task", ["stripes", "own-network"])
def test_a_probe_answers_requests_for_scores_and_measures_the_rest_as_before(
    runner: Runner, job: MakeJob, task: str
) -> None:
    asked = runner.run(job(task, kind="probe", steps=(0, 0), requests=tuple(SCORES))).measurements[0]
    plain = runner.run(job(task, kind="probe", steps=(0, 0))).measurements[0]
    again = runner.run(job(task, kind="probe", steps=(0, 0), requests=("naswot", "snip"))).measurements[0]
    timeless = {name: value for name, value in asked.items() if name not in ("milliseconds", *SCORES)}
    assert timeless == {name: value for name, value in plain.items() if name != "milliseconds"}
    assert all(isinstance(asked[name], float) for name in SCORES)
    assert (again["naswot"], again["snip"]) == (asked["naswot"], asked["snip"]), "each score by itself"


def test_a_memory_error_of_a_score_comes_through(runner: Runner, job: MakeJob) -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        runner.run(job(kind="probe", factor=13.0, steps=(0, 0), requests=("snip",)))
