"""The traceable step is the interpreter's, with learning rate, step and noise as inputs."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.contracts import TraceableRule
from automl.export.update_step import UpdateStep, export_update_step
from search_spaces.optimizer_program.program import from_rows
from search_spaces.optimizer_program.reference import run, step_noise
from search_spaces.optimizer_program.step_module import StepModule
from search_spaces.optimizer_program.vocabulary import FUNCTIONS
from search_spaces.optimizer_program.zoo import DESIGNS

torch.set_num_threads(1)
SHAPES = ((3, 2), (4,), (), (2, 3, 2))
NUMBERS = 23
NAMES = {"w": (6, 4, 1, 12)}


def cut(flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(part.reshape(shape) for part, shape in zip(flat.split(NAMES["w"]), SHAPES, strict=True))


def step_of(program: Any) -> UpdateStep:
    parameters = {str(index): shape for index, shape in enumerate(SHAPES)}
    return UpdateStep(module=StepModule(program, SHAPES, unit=1e-3), parameters=parameters)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_step_is_the_interpreters_on_leaves_cut_from_the_flat_tensors(data: st.DataObject, programs: Any) -> None:
    program = data.draw(programs(constants=st.sampled_from([0.9, 0.5, 2.0, 1e-08, 3.0])))
    module = StepModule(program, SHAPES, unit=1e-3, seed=5)
    generator = torch.Generator().manual_seed(0)
    w, g, v1, v2 = (torch.randn(NUMBERS, generator=generator, dtype=torch.float64) for _ in range(4))
    lr, t = torch.tensor(0.003, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    noise = [module.noise_at(2, like=w)] if module.noise_names else []
    found = module(w, g, v1, v2, lr, t, *noise)
    update, *states = run(
        program, w=cut(w), g=cut(g), v1=cut(v1), v2=cut(v2), lr=lr / 1e-3, t=t,
        noise=step_noise(SHAPES, seed=5, step=2, like=w),
    )  # fmt: skip
    moved = tuple(one - change for one, change in zip(cut(w), update, strict=True))
    for one, leaves in zip(found, (moved, *states), strict=True):
        expected = torch.cat([leaf.reshape(-1) for leaf in leaves])
        torch.testing.assert_close(one, expected, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_lion_by_hand() -> None:
    """w = 1, g = 0.1 -> sign 1, rate 0.0002 where AdamW has 0.001; v1 = 0.01 g."""
    module = StepModule(from_rows(DESIGNS["lion"]), [(1,)], unit=1e-3)
    one, zero = torch.ones(1), torch.zeros(1)
    w, v1, v2 = module(one, 0.1 * one, zero, zero, torch.tensor(1e-3), torch.tensor(1.0))
    assert (float(w), float(v1), float(v2)) == (pytest.approx(0.9998), pytest.approx(0.001), 0.0)
    assert module.state_names == ("v1", "v2") and module.noise_names == ()


def test_a_rule_that_gives_it_is_traceable() -> None:
    class Rule:
        def step_module(self, shapes: Any) -> StepModule:
            return StepModule(from_rows(DESIGNS["lion"]), shapes, unit=1e-3)

    assert isinstance(Rule(), TraceableRule)


@pytest.mark.parametrize("name", ["adamw-corrected", "lion-raw", "gradient-noise"])
def test_a_design_becomes_a_graph_that_agrees(name: str, tmp_path: Any) -> None:
    report = export_update_step(step_of(from_rows(DESIGNS[name])), tmp_path / "step.onnx", metadata={})
    assert report.inputs == ("w", "g", "v1", "v2", "lr", "t", *(["noise"] if name == "gradient-noise" else []))
    assert report.outputs == ("new_w", "new_v1", "new_v2")


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_becomes_a_graph_that_agrees(name: str, tmp_path: Any) -> None:
    export_update_step(step_of(from_rows(DESIGNS[name])), tmp_path / "step.onnx", metadata={})


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_every_function_becomes_a_graph_that_agrees(function: Any, tmp_path: Any) -> None:
    given = {"interp": ("g", "v1", 0.7), "clip": ("g", "lr"), "arctanh": ("g",)}
    arguments = given.get(function.name, ("g", "v1", "v2")[: len(function.arguments)])
    program = from_rows([("x0", function.name, *arguments), ("update", "mul", "x0", "g"), ("v1", "add", "g", "v1")])
    export_update_step(step_of(program), tmp_path / "step.onnx", metadata={})


def test_the_graph_of_an_entrywise_rule_does_not_grow_with_the_number_of_tensors(tmp_path: Any) -> None:
    few = export_update_step(step_of(from_rows(DESIGNS["lion"])), tmp_path / "few.onnx", metadata={})
    many = UpdateStep(
        module=StepModule(from_rows(DESIGNS["lion"]), [(2,)] * 50, unit=1e-3),
        parameters={str(index): (2,) for index in range(50)},
    )
    assert export_update_step(many, tmp_path / "many.onnx", metadata={}).onnx.nodes == few.onnx.nodes < 40
