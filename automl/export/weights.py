"""Weights as safetensors: the safetensors room.

Why: a bundle's weights must be readable without running code, and without this package. The rule: every tensor is
written contiguous and on its own, so tied weights come back equal but not tied.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import Module

from automl.errors import ExportError


def write_weights(module: Module, path: Path, *, metadata: Mapping[str, str]) -> int:
    """Writes parameters and buffers and returns the number of their elements.

    Args:
        module: its `state_dict` is written.
        path: file to write.
        metadata: text entries of the file's header.
    """
    state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in module.state_dict().items()}
    save_file(state, path, metadata=dict(metadata))
    return sum(tensor.numel() for tensor in state.values())


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads a file of weights; nothing in it is executed.

    Raises:
        ExportError: the file is damaged or not safetensors.
    """
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ExportError(f"{path.name} cannot be read as safetensors: {error}. Export the trial again.") from error


def load_weights(module: Module, path: Path) -> None:
    """Puts a file's weights into a module of the same structure.

    Raises:
        ExportError: damaged file, or names or shapes that differ; the module is then unchanged.
    """
    state, own = read_weights(path), module.state_dict()
    wrong = sorted(state.keys() ^ own.keys())
    wrong += sorted(name for name in state.keys() & own.keys() if state[name].shape != own[name].shape)
    if wrong:
        raise ExportError(f"{path.name} does not fit this model; first differing entries: {', '.join(wrong[:5])}.")
    with torch.no_grad():
        module.load_state_dict(state)
