"""What is written down while a candidate trains: measurements by step, and the mean loss since the last of them."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import Module

from automl.canonical import finite
from automl.contracts import Curve


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Collects measurements of one candidate along one slice.

    Attributes:
        measure: model -> metrics on all the splits wanted.
        losses: of the steps since the last measurement.
    """

    measure: Callable[[Module], Mapping[str, float]]
    losses: list[float] = field(default_factory=list)
    _steps: list[int] = field(default_factory=list, init=False)
    _metrics: dict[str, list[float | None]] = field(default_factory=dict, init=False)

    def take(
        self, model: Module, step: int, *, usable: bool, readings: Mapping[str, float | None] = MappingProxyType({})
    ) -> None:
        """Measures the model; an unusable one gets None everywhere.

        Args:
            model: as it stands.
            step: steps done.
            usable: whether its numbers are finite.
            readings: of the trainer, written beside the measurements; a metric of the same name wins.
        """
        loss = math.fsum(self.losses) / len(self.losses) if usable and self.losses else None
        found: dict[str, float | None] = {**readings, "train_loss": loss, **self.measure(model)}
        self._steps.append(step)
        for name, value in found.items():
            self._metrics.setdefault(name, []).append(finite(value) if usable else None)
        self.losses.clear()

    def curve(self) -> Curve:
        """Returns what was collected."""
        return Curve(steps=tuple(self._steps), metrics={name: tuple(values) for name, values in self._metrics.items()})


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Returns whether every number of every tensor is finite.

    A sum is finite only if all its terms are, and costs a tenth; where it overflows, each number is looked at.
    """
    return all(math.isfinite(tensor.detach().sum()) or bool(torch.isfinite(tensor).all()) for tensor in tensors)
