"""A step's graph agrees with its module, or is not written."""

from typing import Any

import onnxruntime
import pytest
import torch
from torch import nn

from automl.errors import ExportError
from automl.export.onnx_model import read_metadata
from automl.export.update_step import UpdateStep, export_update_step, update_step_of
from automl.training.update_rules import AdamW

torch.set_num_threads(1)
PARAMETERS = {"weight": (2, 3), "bias": (2,)}


class Momentum(nn.Module):
    """v <- 0.9 v + g; w <- w - lr v / t, so that every input matters."""

    state_names = ("velocity",)

    def forward(self, w: Any, g: Any, velocity: Any, lr: Any, t: Any) -> Any:
        new = 0.9 * velocity + g
        return w - lr * new / t, new


class Epsilon(Momentum):
    """Adds a number that onnxscript's optimizer takes for 0."""

    def forward(self, w: Any, g: Any, velocity: Any, lr: Any, t: Any) -> Any:
        return w - lr * g / (g.abs() + 1e-8), velocity


class Plain(nn.Module):
    """Uses neither its state nor the step."""

    state_names = ("spare",)

    def forward(self, w: Any, g: Any, spare: Any, lr: Any, t: Any) -> Any:
        return w - lr * g, spare


class Noisy(nn.Module):
    state_names = ()
    noise_names = ("noise",)

    def forward(self, w: Any, g: Any, lr: Any, t: Any, noise: Any) -> Any:
        return (w - lr * (g + noise),)


class Roots(Momentum):
    """NaN where a gradient is negative, infinity where it is 0."""

    def forward(self, w: Any, g: Any, velocity: Any, lr: Any, t: Any) -> Any:
        return w - lr * torch.log(g), velocity


class Lying(Momentum):
    """Computes something else while it is traced, as a branch on a value does."""

    wrong = 1e-3

    def forward(self, w: Any, g: Any, velocity: Any, lr: Any, t: Any) -> Any:
        new_w, new = super().forward(w, g, velocity, lr, t)
        return (new_w - lr * self.wrong * g, new) if torch.compiler.is_exporting() else (new_w, new)


class LyingOnState(Lying):
    def forward(self, w: Any, g: Any, velocity: Any, lr: Any, t: Any) -> Any:
        new_w, new = Momentum.forward(self, w, g, velocity, lr, t)
        return (new_w, new * (1 + self.wrong)) if torch.compiler.is_exporting() else (new_w, new)


class Unexportable(Momentum):
    def forward(self, w: Any, g: Any, velocity: Any, lr: Any, t: Any) -> Any:
        return w - float(lr) * g.numpy().sum(), velocity


def step(module: nn.Module) -> UpdateStep:
    return UpdateStep(module=module, parameters=PARAMETERS)


def test_the_graph_drives_a_loop_of_its_own(tmp_path: Any) -> None:
    report = export_update_step(step(Momentum()), tmp_path / "step.onnx", metadata={"study": "toy"})
    assert report.inputs == ("w", "g", "velocity", "lr", "t")
    assert report.outputs == ("new_w", "new_velocity")
    session = onnxruntime.InferenceSession(str(tmp_path / "step.onnx"), providers=["CPUExecutionProvider"])
    w, velocity = torch.ones(8), torch.zeros(8)
    for t, lr in ((1.0, 0.1), (2.0, 0.2)):
        values = (w, torch.ones(8), velocity, torch.tensor(lr), torch.tensor(t))
        given = {name: one.numpy() for name, one in zip(report.inputs, values, strict=True)}
        w, velocity = (torch.from_numpy(one) for one in session.run(None, given))
    assert w.tolist() == pytest.approx([1 - 0.1 - 0.2 * 1.9 / 2] * 8)
    assert velocity.tolist() == pytest.approx([1.9] * 8)


def test_the_report_and_the_file_say_what_it_is(tmp_path: Any) -> None:
    report = export_update_step(step(Momentum()), tmp_path / "step.onnx", metadata={"study": "toy"}).to_json()
    assert report["parameters"] == [["weight", [2, 3]], ["bias", [2]]]
    assert {case["result"] for case in report["cases"]} == {"change of w", "velocity"}
    assert {"first step", "late step", "zero gradients", "tiny gradients", "large values"} <= {
        case["name"] for case in report["cases"]
    }
    assert all(case["max_abs"] <= case["allowed"] for case in report["cases"])
    stored = read_metadata(tmp_path / "step.onnx")
    assert stored["study"] == "toy" and stored["parameters"] == '[["weight",[2,3]],["bias",[2]]]'


@pytest.mark.parametrize("module", [Plain(), Noisy(), Roots(), Epsilon()], ids=lambda module: type(module).__name__)
def test_unused_inputs_noise_nan_and_small_constants_are_carried(module: nn.Module, tmp_path: Any) -> None:
    export_update_step(step(module), tmp_path / "step.onnx", metadata={})
    session = onnxruntime.InferenceSession(str(tmp_path / "step.onnx"), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    assert names == ["w", "g", *module.state_names, "lr", "t", *getattr(module, "noise_names", ())]


@pytest.mark.parametrize("module", [Lying(), LyingOnState()], ids=lambda module: type(module).__name__)
def test_a_graph_that_computes_something_else_is_not_left_behind(module: nn.Module, tmp_path: Any) -> None:
    with pytest.raises(ExportError, match="does not compute what the rule does"):
        export_update_step(step(module), tmp_path / "step.onnx", metadata={})
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_cannot_be_traced_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ExportError, match="Not exportable"):
        export_update_step(step(Unexportable()), tmp_path / "step.onnx", metadata={})
    assert list(tmp_path.iterdir()) == []


def test_only_a_traceable_rule_has_a_step_and_it_covers_what_is_trained() -> None:
    class Rule(AdamW):
        def step_module(self, shapes: Any) -> nn.Module:
            assert shapes == [(2, 3)]
            return Momentum()

    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert update_step_of(AdamW(), model) is None
    found = update_step_of(Rule(), model)
    assert found is not None and found.parameters == {"weight": (2, 3)} and found.numbers == 6
