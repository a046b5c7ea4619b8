"""A PyTorch module as an ONNX file: the onnx room.

Why: torch has two exporters. The newer one (torch.export) keeps the batch axis symbolic and proves it, but needs 0.7 s
and refuses some programs; the older one (TorchScript tracing) needs 2 to 9 ms for a layer and takes nearly everything.
So the probe uses the older one, and the final export tries the newer one first and says why where it had to fall back.
The rule: eval mode, float32 as given, a fixed opset, one file, quiet; what the caller's module was before, it is after.
"""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import onnx
import torch
from onnx.external_data_helper import uses_external_data
from torch import Tensor
from torch.nn import Module

from automl.canonical import JSON
from automl.errors import ExportError

Exporter: TypeAlias = Literal["torch.export", "torchscript"]

OPSET = 20
"""First opset with GELU; read by ONNX Runtime 1.17 and later."""

MAX_SINGLE_FILE_BYTES = 1 << 30
"""Protobuf stops at 2 GiB."""

_INPUT, _OUTPUT, _BATCH = "input", "output", "batch"
_NOISY_LOGGERS = ("torch.onnx", "torch.onnx._internal.exporter._registration", "onnxscript")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxReport:
    """How a model was exported.

    Attributes:
        exporter: "torch.export", or "torchscript" where the former failed.
        fallback_reason: why it failed, None where it did not.
        opset: of the file.
        nodes: number of operators.
        size_bytes: of the file.
    """

    exporter: Exporter
    fallback_reason: str | None
    opset: int
    nodes: int
    size_bytes: int

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {name: getattr(self, name) for name in self.__slots__}


def probe_export(module: Module, example: Tensor) -> str | None:
    """Tries to export in memory, for the exportability screen.

    Args:
        module: a layer or a small model; about 10 ms.
        example: [batch >= 2, ...].

    Returns:
        None where it exports, else the exporter's first lines.
    """
    try:
        with _quiet(), _eval_mode(module):
            onnx.checker.check_model(_traced(module, example))
    except Exception as error:  # exporters raise anything; whatever it is, the candidate does not export
        return _short(error)
    return None


def export_onnx(module: Module, example: Tensor, path: Path, *, metadata: Mapping[str, str]) -> OnnxReport:
    """Writes the module as one checked ONNX file with a symbolic batch axis.

    Args:
        module: [batch, ...] -> [batch, ...]; exported in eval mode, its mode is restored.
        example: [batch >= 2, ...]; a batch of 1 would be baked in.
        path: file to write.
        metadata: study, trial, genotype digest: stored in the file.

    Raises:
        ExportError: neither exporter can express it, or it is too large for one file.
    """
    if len(example) < 2:
        raise ExportError(f"Example batch of {len(example)}; give at least 2 rows, else the batch size is baked in.")
    with _quiet(), _eval_mode(module):
        model, exporter, reason = _exported(module, example)
        return _write(model, path, exporter=exporter, fallback_reason=reason, metadata=metadata)


def export_graph(
    module: Module,
    arguments: Mapping[str, Tensor],
    path: Path,
    *,
    outputs: Sequence[str],
    metadata: Mapping[str, str],
) -> OnnxReport:
    """Writes a module of several inputs and outputs as one checked ONNX file; every shape is that of the example.

    Args:
        module: (tensors) -> tensors; exported in eval mode, its mode is restored.
        arguments: name -> example of each input, in order; all stay inputs of the file, used or not.
        path: file to write.
        outputs: names of the results, in order.
        metadata: stored in the file.

    Raises:
        ExportError: torch.export cannot express it (tracing is no way out: it drops inputs that are not used), or it
            is too large for one file.
    """
    with _quiet(), _eval_mode(module):
        try:
            values = tuple(arguments.values())
            model = _captured(_Copied(module), values, inputs=tuple(arguments), outputs=outputs, optimize=False)
        except Exception as error:  # torch.export refuses programs with many error types
            raise ExportError(f"Not exportable. torch.export: {_short(error)}") from error
        return _write(model, path, exporter="torch.export", fallback_reason=None, metadata=metadata)


def read_onnx(path: Path) -> onnx.ModelProto:
    """Reads and checks a single-file model.

    Raises:
        ExportError: no ONNX, invalid, or its weights lie in other files.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:
        raise ExportError(f"{path.name} is not a valid ONNX model: {_short(error)}") from error
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        raise ExportError(f"{path.name} keeps weights in other files; only single-file models are read.")
    return model


def read_metadata(path: Path) -> dict[str, str]:
    """Returns what `export_onnx` stored in the file."""
    return _props(read_onnx(path))


class _Copied(Module):
    """Returns copies of what a module returns: the exporter would rename an input that is handed through."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        return tuple(result.clone() for result in self.module(*arguments))


def _write(
    model: onnx.ModelProto,
    path: Path,
    *,
    exporter: Exporter,
    fallback_reason: str | None,
    metadata: Mapping[str, str],
) -> OnnxReport:
    """Checks a model and writes it."""
    if model.ByteSize() > MAX_SINGLE_FILE_BYTES:
        raise ExportError(f"The model has {model.ByteSize():,} bytes; one file holds {MAX_SINGLE_FILE_BYTES:,}.")
    onnx.helper.set_model_props(model, {**metadata, "exporter": exporter})
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        raise ExportError(f"The exported model is not valid ONNX: {_short(error)}") from error
    content = model.SerializeToString(deterministic=True)
    path.write_bytes(content)
    return OnnxReport(
        exporter=exporter,
        fallback_reason=fallback_reason,
        opset=next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        nodes=len(model.graph.node),
        size_bytes=len(content),
    )


def _exported(module: Module, example: Tensor) -> tuple[onnx.ModelProto, Exporter, str | None]:
    try:
        free = ({0: torch.export.Dim(_BATCH, min=1)},)
        model = _captured(module, (example,), inputs=(_INPUT,), outputs=(_OUTPUT,), dynamic_shapes=free)
        return model, "torch.export", None
    except Exception as first:  # torch.export refuses programs with many error types
        reason = _short(first)
    try:
        return _traced(module, example), "torchscript", reason
    except Exception as second:
        raise ExportError(f"Not exportable. torch.export: {reason}. TorchScript: {_short(second)}.") from second


def _captured(
    module: Module,
    arguments: tuple[Tensor, ...],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    dynamic_shapes: Any = None,
    optimize: bool = True,
) -> onnx.ModelProto:
    """The newer exporter; the axes of `dynamic_shapes` are proven to be free.

    Its optimizer (onnxscript 0.7) takes an added constant of up to 1e-8 for 0 and drops it: the epsilon of Adam.
    """
    program = torch.onnx.export(
        module,
        arguments,
        dynamo=True,
        dynamic_shapes=dynamic_shapes,
        input_names=inputs,
        output_names=outputs,
        opset_version=OPSET,
        optimize=optimize,
        verbose=False,
    )
    if program is None:
        raise ExportError("torch.export returned no program.")
    model = program.model_proto
    _strip_traces(model)
    return model


def _traced(module: Module, example: Tensor) -> onnx.ModelProto:
    """The older exporter."""
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(
            module,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            dynamic_axes={_INPUT: {0: _BATCH}, _OUTPUT: {0: _BATCH}},
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            opset_version=OPSET,
        )
    return onnx.load_from_string(buffer.getvalue())


def _strip_traces(model: onnx.ModelProto) -> None:
    """Removes the exporter's notes on each node: they hold file paths and stack traces of this machine."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")


def _props(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


@contextmanager
def _eval_mode(module: Module) -> Iterator[None]:
    """Eval mode inside, each submodule's own mode afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences warnings and the exporters' loggers (torchvision not installed, deprecation) while exporting."""
    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _short(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:3])}"[:400]
