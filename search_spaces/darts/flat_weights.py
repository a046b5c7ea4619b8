"""Trained parameters as one flat tensor per weight-decay group.

Why: update rules are written for a few flat buffers, and an unrolled step must put hundreds of weights somewhere and
back again, bit for bit. The rule: the parameters are views of the buffers, so whatever is written into a buffer is what
the model computes with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatWeights:
    """Parameters laid out group after group.

    Attributes:
        parameters: in the order of the buffers.
        buffers: group ("decayed", "plain") -> [numbers in the group]; a group without parameters is absent.
        shapes: group -> shapes of its parameters.
    """

    parameters: tuple[Parameter, ...]
    buffers: Mapping[str, Tensor]
    shapes: Mapping[str, Sequence[tuple[int, ...]]]

    @classmethod
    def of(
        cls, named: Sequence[tuple[str, Parameter]], *, decays: Callable[[str, Tensor], bool]
    ) -> "FlatWeights":
        """Lays out parameters given by name; they become views."""
        groups: dict[str, list[Parameter]] = {"decayed": [], "plain": []}
        for name, parameter in named:
            groups["decayed" if decays(name, parameter) else "plain"].append(parameter)
        groups = {name: group for name, group in groups.items() if group}
        return cls(
            parameters=tuple(parameter for group in groups.values() for parameter in group),
            buffers={name: _flatten(group) for name, group in groups.items()},
            shapes={name: [tuple(parameter.shape) for parameter in group] for name, group in groups.items()},
        )

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        """Returns the gradient of `loss` in the layout of the buffers; zero where it does not reach."""
        return self.flat(
            torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        )

    def flat(self, slopes: Sequence[Tensor]) -> dict[str, Tensor]:
        """Returns one tensor per parameter in the layout of the buffers."""
        gradients, start = {}, 0
        for name, shapes in self.shapes.items():
            gradients[name] = torch.cat([slope.reshape(-1) for slope in slopes[start : start + len(shapes)]])
            start += len(shapes)
        return gradients

    def copy(self) -> dict[str, Tensor]:
        """Returns the values as they stand."""
        return {name: buffer.clone() for name, buffer in self.buffers.items()}

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Overwrites the values."""
        with torch.no_grad():
            for name, buffer in self.buffers.items():
                buffer.copy_(values[name])


def norm(buffers: Mapping[str, Tensor]) -> Tensor:
    """Returns the Euclidean norm over all buffers, 0-d."""
    return torch.stack([torch.dot(buffer, buffer) for buffer in buffers.values()]).sum().sqrt()


def clipped(gradients: Mapping[str, Tensor], *, most: float) -> Mapping[str, Tensor]:
    """Returns the gradients, shortened to the norm `most` where they are longer (as torch's `clip_grad_norm_`)."""
    factor = torch.clamp(most / (norm(gradients) + 1e-6), max=1.0)
    return {name: gradient * factor for name, gradient in gradients.items()}


def _flatten(parameters: Sequence[Parameter]) -> Tensor:
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    offset = 0
    for parameter in parameters:
        parameter.data = flat[offset : offset + parameter.numel()].view(parameter.shape)
        offset += parameter.numel()
    return flat
