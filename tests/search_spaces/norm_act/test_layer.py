"""The layer against the published formulas and their recorded numbers (float64), its state, and its export."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from automl.errors import InvalidSetting
from search_spaces.norm_act.layer import NormActLayer
from search_spaces.norm_act.operators import BINARY, OPERATORS
from search_spaces.norm_act.zoo import DESIGNS

BATCH_DEPENDENT = ("evonorm-b0", "evonorm-b1", "evonorm-b2", "bn-relu")
SAMPLE_WISE = ("evonorm-s0", "evonorm-s1", "evonorm-s2", "gn-relu", "in-relu", "ln-relu")


@pytest.fixture
def tensor() -> torch.Tensor:
    """The oracle's input: T.flat[i] = (((7*i) mod 11) - 5) / 4."""
    flat = torch.tensor([(((7 * i) % 11) - 5) / 4 for i in range(32)], dtype=torch.float64)
    return flat.view(2, 4, 2, 2)


def _layer(name: str, *, channels: int = 4, groups: int = 2, eps: float = 1e-5) -> NormActLayer:
    return NormActLayer(DESIGNS[name], channels=channels, groups=groups, eps=eps).double()


# name, eps -> y[0, 0], y[1, 3], sum, sum of squares; float64 numbers of the published formulas on `tensor`
ORACLES = {
    ("evonorm-s0", 1e-5): (
        (-0.344658441, 0.385335840, -0.233718001, 1.202976162),
        (0.936496800, 0.0, -0.344517919, 0.652528433), 6.083646081, 9.974866004,
    ),
    ("evonorm-s1", 1e-5): (
        (-0.344658441, 0.385335840, -0.233718001, 1.202976162),
        (0.936496800, 0.0, -0.344517919, 0.652528433), 6.083646081, 9.974866004,
    ),
    ("evonorm-s2", 1e-5): (
        (-0.343631156, 0.384187313, -0.233021384, 1.199390587),
        (0.924716687, 0.0, -0.340184258, 0.644320334), 6.040125528, 9.830915044,
    ),
    ("evonorm-b0", 1e-5): (
        (-1.429474033, 0.344358098, -0.571789613, 0.567671716),
        (0.562390111, 0.0, -1.404630243, 0.490797498), -6.800366639, 19.913997246,
    ),
    ("evonorm-b0", 1e-3): (
        (-1.428549563, 0.344234857, -0.571419825, 0.567537735),
        (0.562189063, 0.0, -1.403260448, 0.490593352), -6.792464586, 19.884383341,
    ),
    ("evonorm-b2", 1e-5): (
        (-0.567671716, 0.571789613, -0.344358098, 1.429474033),
        (1.404630243, 0.0, -0.555433121, 1.053472683), 8.153563630, 20.681697109,
    ),
    ("bn-relu", 1e-5): (
        (0.0, 0.679000165, 0.0, 1.536684585),
        (1.009577987, 0.0, 0.0, 0.658420427), 13.686888987, 15.891799787,
    ),
    ("gn-relu", 1e-5): (
        (0.0, 0.541672111, 0.0, 1.470252873),
        (1.120887880, 0.0, 0.0, 0.800634200), 13.980986422, 15.797127435,
    ),
}  # fmt: skip
B0_EVAL = (
    (-1.249993750, 0.344358098, -0.499997500, 0.567671716),
    (0.562390111, 0.0, -0.999995000, 0.490797498), -4.013566450, 13.783634217,
)  # fmt: skip


def _assert_oracle(output, oracle):
    first, last, total, squares = oracle
    assert output[0, 0].flatten().tolist() == pytest.approx(first, abs=1e-9)
    assert output[1, 3].flatten().tolist() == pytest.approx(last, abs=1e-9)
    assert output.sum().item() == pytest.approx(total, abs=1e-8)
    assert output.square().sum().item() == pytest.approx(squares, abs=1e-8)


@pytest.mark.parametrize(("name", "eps"), ORACLES)
def test_published_layer_gives_its_recorded_numbers(name, eps, tensor):
    _assert_oracle(_layer(name, eps=eps)(tensor), ORACLES[name, eps])


def test_evaluation_uses_the_running_variance(tensor):
    _assert_oracle(_layer("evonorm-b0").eval()(tensor), B0_EVAL)


def test_running_variance_moves_by_a_tenth_of_the_biased_batch_variance(tensor):
    layer = _layer("evonorm-b0")
    layer(tensor)
    expected = (0.976464844, 0.950683594, 0.966796875, 0.950683594)
    assert layer.running_variance_0.tolist() == pytest.approx(expected, abs=1e-9)


def test_batch_norm_relu_equals_torch_in_training_and_evaluation(tensor):
    ours, theirs = _layer("bn-relu"), nn.BatchNorm2d(4).double()
    torch.testing.assert_close(ours(tensor), theirs(tensor).relu(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.running_mean_0, theirs.running_mean, rtol=1e-12, atol=1e-12)
    biased = 0.9 + (theirs.running_var - 0.9) * 7 / 8  # torch keeps the unbiased variance of 8 values
    torch.testing.assert_close(ours.running_variance_1, biased, rtol=1e-12, atol=1e-12)
    theirs.running_var.copy_(biased)
    torch.testing.assert_close(ours.eval()(tensor), theirs.eval()(tensor).relu(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SAMPLE_WISE)
def test_sample_wise_layer_ignores_the_other_samples_bitwise(name, tensor):
    layer, other = _layer(name), tensor.clone()
    other[1] = other[1] * 3 + 1
    assert torch.equal(layer(tensor)[0], layer(other)[0])


@pytest.mark.parametrize("name", BATCH_DEPENDENT)
def test_batch_layer_depends_on_the_batch_in_training_only(name, tensor):
    layer, other = _layer(name), tensor.clone()
    other[1] = other[1] * 3 + 1
    assert not torch.equal(layer(tensor)[0], layer(other)[0])
    layer.eval()
    assert torch.equal(layer(tensor)[0], layer(other)[0])
    assert torch.equal(layer(tensor)[:1], layer(tensor[:1]))


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_gradients_equal_central_differences(name, tensor):
    layer = _layer(name)
    x = (tensor + 0.01 * torch.arange(32, dtype=torch.float64).view_as(tensor).sin() + 0.003).requires_grad_()
    parameters = [p.detach().add(0.1).requires_grad_() for p in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *parameters), eps=1e-6, atol=1e-6)


def test_crrelu_gives_its_recorded_numbers():
    layer = NormActLayer(DESIGNS["crrelu"], channels=1).double()
    nn.init.constant_(layer.v0, 0.01)
    x = torch.tensor([-3, -1, -0.5, 0, 0.5, 1, 3], dtype=torch.float64).view(7, 1, 1, 1)
    expected = (-0.00033327, -0.006065307, -0.004412485, 0, 0.504412485, 1.006065307, 3.00033327)
    assert layer(x).flatten().tolist() == pytest.approx(expected, abs=1e-8)
    slopes = torch.tensor([1e-7, -1e-7, 1.0], dtype=torch.float64).view(3, 1, 1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(slopes).sum(), slopes)
    assert gradient.flatten().tolist() == pytest.approx((1.01, 0.01, 1.0), abs=1e-8)


def test_state_holds_only_what_is_live():
    assert set(_layer("evonorm-s0").state_dict()) == {"v1", "gamma", "beta"}
    assert set(_layer("evonorm-b0").state_dict()) == {"v1", "gamma", "beta", "running_variance_0"}
    assert set(_layer("evonorm-s1").state_dict()) == {"gamma", "beta"}
    dead = (("std_bwh", 0), ("mul", 2, 3), *((op, *(0 for _ in a)) for op, *a in DESIGNS["relu"]))
    assert set(NormActLayer(dead, channels=4).state_dict()) == {"gamma", "beta"}


def test_equal_batch_moments_share_one_running_value():
    nodes = (("std_bwh", 0), ("std_bwh", 0), ("add", 4, 5), ("rms_bwh", 0), ("mul", 6, 7), ("mul", 8, 0))
    names = {name for name, _ in NormActLayer(nodes, channels=4).named_buffers()}
    assert names == {"running_variance_0", "running_square_1"}


def test_state_round_trips_and_copies_are_independent(tensor):
    layer = _layer("evonorm-b0")
    twin, fresh = copy.deepcopy(layer), _layer("evonorm-b0")
    twin(tensor)
    assert not torch.equal(twin.running_variance_0, layer.running_variance_0)
    fresh.load_state_dict(twin.state_dict())
    assert torch.equal(fresh.eval()(tensor), twin.eval()(tensor))


def test_function_transforms_agree_with_plain_autograd(tensor):
    layer = _layer("evonorm-b0")
    parameters, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())
    stacked = {n: torch.stack([p.detach(), p.detach() + 0.5]) for n, p in parameters.items()}
    many = {n: torch.stack([b, b]).clone() for n, b in buffers.items()}

    def loss(values, state):
        return torch.func.functional_call(layer, (values, state), (tensor,)).square().sum()

    found = torch.vmap(torch.func.grad(loss))(stacked, many)
    expected = torch.autograd.grad(layer(tensor).square().sum(), list(parameters.values()))
    for name, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(found[name][0], gradient)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_channels_last_run_on_the_reference_path(dtype, tensor):
    layer = _layer("evonorm-s0").to(dtype)
    x = tensor.to(dtype).to(memory_format=torch.channels_last).requires_grad_()
    layer(x).sum().backward()
    torch.testing.assert_close(layer(x).double(), _layer("evonorm-s0")(tensor), rtol=0.05, atol=0.05)


def test_settings_out_of_range_are_refused():
    with pytest.raises(InvalidSetting, match="eps=0"):
        NormActLayer(DESIGNS["relu"], channels=4, eps=0)
    with pytest.raises(InvalidSetting, match="nodes"):
        NormActLayer((), channels=4)


class _AllOperators(nn.Module):
    """One small layer for each operator, so that one export covers the vocabulary."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(NormActLayer(self.nodes(op), channels=6, groups=3) for op in OPERATORS)
        for buffer in self.buffers():
            nn.init.uniform_(buffer, 0.5, 1.5)

    @staticmethod
    def nodes(op):
        return (("mul", 0, 3), (op, 0, 4)) if op in BINARY else ((op, 0), ("mul", 4, 0))

    def forward(self, x):
        return tuple(layer(x) for layer in self.layers)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True])
def test_every_operator_exports_to_onnx_with_a_dynamic_batch(dynamo, tmp_path):
    model, path = _AllOperators().eval(), str(tmp_path / "model.onnx")
    x = torch.randn(4, 6, 5, 3, generator=torch.Generator().manual_seed(0))
    x[0, 0] = 0
    axes = (
        {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1)},), "opset_version": 18, "verbose": False}
        if dynamo
        else {"dynamic_axes": {"x": {0: "batch"}}, "opset_version": 17}
    )
    torch.onnx.export(model, (x,), path, dynamo=dynamo, input_names=["x"], **axes)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (x, x[:1], torch.cat([x, -x])):
        outputs = session.run(None, {"x": batch.numpy()})
        for operator, ours, theirs in zip(OPERATORS, model(batch), outputs, strict=True):
            np.testing.assert_allclose(theirs, ours.detach().numpy(), rtol=1e-5, atol=1e-5, err_msg=operator)
