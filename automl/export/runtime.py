"""An ONNX file as a PyTorch module: the ONNX Runtime room.

Why: wrapped as a module, the exported file goes through the task's own `measure`, so its metric is comparable.
The rule: CPU, one thread, no graph optimisation beyond what keeps float32 results (the default level).
"""

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor
from torch.nn import Module

from automl.errors import ExportError


class OnnxModule(Module):
    """[batch, ...] -> [batch, ...] through ONNX Runtime; has no parameters and cannot be trained."""

    def __init__(self, path: Path) -> None:
        """Loads the model.

        Raises:
            ExportError: ONNX Runtime cannot load it.
        """
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise ExportError(f"ONNX Runtime cannot load {path.name}: {str(error)[:400]}") from error
        self._input = self._session.get_inputs()[0].name

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the first output."""
        return torch.from_numpy(self._session.run(None, {self._input: inputs.detach().cpu().numpy()})[0])
