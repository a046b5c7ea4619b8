"""One optimizer step as an ONNX graph, checked against the module it came from.

Why: a found update rule is to run where there is no Python; a graph with the learning rate and the step as inputs can
drive any loop. Its mistakes would be small and persistent, so it is compared on the change of the parameters, not on
the parameters, in which a change of 1e-3 would be lost.
The rule: the graph is written only if it agrees on every case; tolerances are those of `parity`, NaN and infinity stand
at the same places.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnxruntime
import torch
from torch import Tensor
from torch.nn import Module

from automl.canonical import JSON, dumps
from automl.contracts import TraceableRule, UpdateRule
from automl.errors import ExportError
from automl.export.onnx_model import OnnxReport, export_graph
from automl.export.parity import LEAST_TOLERANCE, MOST_TOLERANCE, OWN_MOVEMENTS, different_places, next_floats

FILE_NAME: Final = "update_step.onnx"
_ROUNDING: Final = 4 * 2.0**-23
"""Of a parameter when the change is taken from it, in units of the largest parameter."""
_SEED: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStep:
    """A step that can be exported.

    Attributes:
        module: see `TraceableRule.step_module`; where it has `noise_names`, these are further arguments after t,
            standard normal, [numbers].
        parameters: name -> shape of the tensors that the flat arguments hold one after another.
    """

    module: Module
    parameters: Mapping[str, tuple[int, ...]]

    @property
    def numbers(self) -> int:
        """Length of the flat arguments."""
        return sum(torch.Size(shape).numel() for shape in self.parameters.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCase:
    """One compared result of one step.

    Attributes:
        name: which data, e.g. "zero gradients".
        result: "change of w" or a state.
        max_abs: largest absolute difference.
        allowed: what it may be.
    """

    name: str
    result: str
    max_abs: float
    allowed: float

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How a step was exported, and how well it agrees.

    Attributes:
        onnx: how it was exported.
        inputs: names, in order.
        outputs: names, in order.
        parameters: name -> shape, in the order of the flat tensors.
        cases: every comparison made; all hold.
    """

    onnx: OnnxReport
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[str, tuple[int, ...]]
    cases: tuple[StepCase, ...]

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {
            "onnx": self.onnx.to_json(),
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "parameters": [[name, list(shape)] for name, shape in self.parameters.items()],
            "cases": [case.to_json() for case in self.cases],
        }


def update_step_of(rule: UpdateRule, model: Module) -> UpdateStep | None:
    """Returns the step of a rule on a model's trained parameters, None where the rule cannot show it."""
    if not isinstance(rule, TraceableRule):
        return None
    parameters = {name: tuple(one.shape) for name, one in model.named_parameters() if one.requires_grad}
    return UpdateStep(module=rule.step_module(list(parameters.values())), parameters=parameters)


def export_update_step(step: UpdateStep, path: Path, *, metadata: Mapping[str, str]) -> StepReport:
    """Writes a step as ONNX: (w, g, *states, lr, t) -> (new_w, *new states), all but lr and t flat, [numbers].

    Args:
        step: what is exported, in float32.
        path: file to write.
        metadata: study, trial, genotype digest: stored in the file, beside the order of the parameters.

    Raises:
        ExportError: it cannot be expressed or computes something else; nothing is left behind.
    """
    states: tuple[str, ...] = tuple(step.module.state_names)  # type: ignore[arg-type]
    inputs = ("w", "g", *states, "lr", "t", *_noise_names(step.module))
    outputs = tuple(f"new_{name}" for name in ("w", *states))
    cases = _cases(step, inputs, states)
    order: JSON = [[name, list(shape)] for name, shape in step.parameters.items()]
    # Clones: two arguments that are one tensor would become one input.
    example = {name: one.clone() for name, one in zip(inputs, cases["first step"], strict=True)}
    try:
        report = export_graph(
            step.module, example, path, outputs=outputs, metadata={**metadata, "parameters": dumps(order)}
        )
        compared = _compared(step.module, path, inputs, states, cases=cases)
    except ExportError:
        path.unlink(missing_ok=True)
        raise
    return StepReport(onnx=report, inputs=inputs, outputs=outputs, parameters=step.parameters, cases=compared)


def _noise_names(module: Module) -> tuple[str, ...]:
    return tuple(getattr(module, "noise_names", ()))


def _cases(step: UpdateStep, inputs: Sequence[str], states: Sequence[str]) -> dict[str, tuple[Tensor, ...]]:
    """Returns arguments by name of the case: states as training makes them, then gradients of all sorts."""
    generator = torch.Generator().manual_seed(_SEED)

    def draw(scale: float = 1.0) -> Tensor:
        return scale * torch.randn(step.numbers, generator=generator)

    noise = [draw() for _ in inputs[len(states) + 4 :]]

    def case(w: Tensor, g: Tensor, state: Sequence[Tensor], *, lr: float, t: float) -> tuple[Tensor, ...]:
        return (w, g, *state, torch.tensor(lr), torch.tensor(t), *noise)

    w, none = draw(0.05), torch.zeros(step.numbers)
    cases = {"first step": case(w, draw(0.01), [none] * len(states), lr=1e-3, t=1.0)}
    with torch.no_grad():
        _, *kept = step.module(*cases["first step"])
        cases["second step"] = case(w, draw(0.01), kept, lr=3e-4, t=2.0)
        _, *kept = step.module(*cases["second step"])
    some = draw(0.01) * (draw() > 0)
    cases["late step"] = case(w, draw(0.01), kept, lr=1e-5, t=10_000.0)
    cases["zero gradients"] = case(w, none, kept, lr=1e-3, t=3.0)
    cases["zero gradients and states"] = case(w, none, [none] * len(states), lr=1e-3, t=1.0)
    cases["some zero gradients"] = case(w, some, kept, lr=1e-3, t=3.0)
    cases["zero parameters"] = case(none, draw(0.01), kept, lr=1e-3, t=3.0)
    cases["tiny gradients"] = case(w, draw(1e-12), kept, lr=1e-3, t=3.0)
    cases["tiny first gradients"] = case(w, draw(1e-9), [none] * len(states), lr=1e-3, t=1.0)
    cases["large values"] = case(draw(1e3), draw(1e3), [draw(1e3) for _ in states], lr=1.0, t=3.0)
    cases["no learning"] = case(w, draw(0.01), kept, lr=0.0, t=3.0)
    return cases


def _compared(
    module: Module,
    path: Path,
    inputs: Sequence[str],
    states: Sequence[str],
    *,
    cases: Mapping[str, tuple[Tensor, ...]],
) -> tuple[StepCase, ...]:
    """Runs every case through both and compares every result.

    Raises:
        ExportError: ONNX Runtime cannot run the file, or gives something else.
    """
    session = _session(path)
    compared = []
    for name, arguments in cases.items():
        beside = [one if key == "t" else next_floats(one) for key, one in zip(inputs, arguments, strict=True)]
        with torch.no_grad():
            expected, moved = module(*arguments), module(*beside)
        given = {key: one.numpy() for key, one in zip(inputs, arguments, strict=True)}
        found = [torch.from_numpy(one) for one in session.run(None, given)]
        results = ("change of w", *states)
        for index, (result, *columns) in enumerate(zip(results, expected, found, moved, strict=True)):
            start = arguments[0] if index == 0 else None
            compared.append(_case(name, result, *columns, start=start))
    return tuple(compared)


def _case(name: str, result: str, expected: Tensor, found: Tensor, moved: Tensor, *, start: Tensor | None) -> StepCase:
    """Compares one result; where `start` is given, what counts is the change from it."""
    if note := different_places(expected, found):
        raise ExportError(f"The ONNX step does not compute what the rule does: {result}, {name}: {note}.")
    change = expected if start is None else expected - start
    rounding = 0.0 if start is None else _ROUNDING * _largest(start)
    scale = _largest(change)
    own = OWN_MOVEMENTS * _largest(moved - expected)
    allowed = max(LEAST_TOLERANCE * scale, min(own, MOST_TOLERANCE * scale)) + rounding
    apart = _largest(found - expected)
    if apart > allowed:
        raise ExportError(
            f"The ONNX step does not compute what the rule does: {result}, {name}: it differs by {apart:.2g} where the "
            f"largest value is {scale:.2g} and {allowed:.2g} is allowed. Nothing was written."
        )
    return StepCase(name=name, result=result, max_abs=apart, allowed=allowed)


def _largest(values: Tensor) -> float:
    """Largest finite magnitude, 0 where there is none."""
    usable = values[values.isfinite()].abs()
    return float(usable.max()) if usable.numel() else 0.0


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no public base class
        raise ExportError(f"ONNX Runtime cannot load {path.name}: {str(error)[:400]}") from error
