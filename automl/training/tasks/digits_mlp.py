"""The digits under a small fully connected network: the cheapest real task, for searches over thousands of schedules.

Why: its 9,000 parameters train in a fifth of the residual network's time, and in a stack of candidates in a twentieth.
The rule: the model has no normalization-activation layer of the search's making, so spaces that change that layer are
refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import Flatten, Module, ReLU, Sequential

from automl.contracts import NormActFactory, Signature
from automl.errors import InvalidSetting
from automl.training.models.baseline_norm_act import batch_norm_relu
from automl.training.models.layers import linear
from automl.training.tasks.digits import Digits
from automl.training.tasks.supervised_task import ModelBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsMLP(Digits):
    """Validation accuracy of a network of two hidden layers on the digits; see `Digits` for the other settings.

    Attributes:
        width: units of each hidden layer, >= 1; rule of thumb 64.
    """

    name: ClassVar[str] = "digits-mlp"
    width: int = 64

    @property
    def variants(self) -> Mapping[str, ModelBuilder]:
        """One architecture, "mlp"."""
        return {"mlp": self._network}

    def _network(self, signature: Signature, norm_act: NormActFactory, generator: torch.Generator) -> Module:
        if norm_act is not batch_norm_relu:
            allowed = "a task whose network has normalization-activation layers, such as digits"
            raise InvalidSetting("task", self.name, allowed)
        numbers = int(torch.tensor(signature.inputs).prod())
        return Sequential(
            Flatten(),
            linear(numbers, self.width, generator=generator),
            ReLU(),
            linear(self.width, self.width, generator=generator),
            ReLU(),
            linear(self.width, signature.outputs[0], generator=generator),
        )
