"""What a network of the family is made of beside the operations: stems, cells and the auxiliary head.

Why: the text of exported files is taken from here, so nothing but torch may be used inside the classes. Source: DARTS
(Liu et al. 2019, section 3.1.1 and appendix A). The rule: a cell reads the outputs of the two cells before it, brings
both to its own channels and size first, and only edges that leave these two have a stride.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.darts.operations import FactorizedReduce

if TYPE_CHECKING:
    from search_spaces.darts.network import NetworkPlan


class ReluConvNorm(nn.Sequential):
    """ReLU, 1x1 convolution, batch norm."""

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool = True) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out, affine=affine),
        )


class SmallStem(nn.Module):
    """One 3x3 convolution to three times the channels; both first states are its output."""

    def __init__(self, image_channels: int, channels: int) -> None:
        super().__init__()
        self.channels = (3 * channels, 3 * channels)
        self.layers = nn.Sequential(
            nn.Conv2d(image_channels, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, image_channels, h, w] -> twice [batch, 3 * channels, h, w]."""
        state = self.layers(images).contiguous(memory_format=torch.channels_last)  # 1.3 to 1.5 times as fast on a CPU
        return state, state


class LargeStem(nn.Module):
    """Three 3x3 convolutions with stride 2; the first states have a fourth and an eighth of the size."""

    def __init__(self, image_channels: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.channels = (channels, channels)
        self.first = nn.Sequential(
            nn.Conv2d(image_channels, half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.second = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, image_channels, h, w] -> [batch, channels, h/4, w/4], [batch, channels, h/8, w/8]."""
        state = self.first(images).contiguous(memory_format=torch.channels_last)  # 1.3 to 1.5 times as fast on a CPU
        return state, self.second(state)


class AuxiliaryHead(nn.Module):
    """A second classifier, for training only; it sees the features averaged to 2 x 2.

    Its layers have 128 and 768 channels, as published, on 576 channels or more, and fewer in proportion on less.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        narrow, wide = (-(-most * min(channels, 576) // 576) for most in (128, 768))
        self.layers = nn.Sequential(
            nn.Conv2d(channels, narrow, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, wide, 2, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(wide, classes)

    def forward(self, features: Tensor) -> Tensor:
        """[batch, channels, h, w] -> [batch, classes]."""
        features = torch.relu(features)
        sides = tuple(features.shape[2:])
        if sides in ((8, 8), (7, 7)):  # as published for CIFAR and ImageNet
            features = functional.avg_pool2d(features, 5, stride=sides[0] - 5)
        else:
            features = functional.adaptive_avg_pool2d(features, 2)
        scores: Tensor = self.classifier(self.layers(features).flatten(1))
        return scores


class CellBlock(nn.Module):
    """A cell as a module: (state before the last, last state) -> the nodes in `concat`, side by side."""

    def __init__(
        self, plan: "NetworkPlan", channels: int, *, before: tuple[int, int], reduces: bool, after_reduction: bool
    ) -> None:
        super().__init__()
        self.cell = plan.reduce if reduces else plan.normal
        self.channels = channels * len(self.cell.concat)
        self.stride = 2 if reduces else 1
        self.drop_probability = 0.0
        self.input0 = (FactorizedReduce if after_reduction else ReluConvNorm)(before[0], channels)
        self.input1 = ReluConvNorm(before[1], channels)
        self.operations = nn.ModuleList(
            plan.operation(edge.operation, channels, stride=self.stride if edge.source < 2 else 1)
            for edges in self.cell.nodes
            for edge in edges
        )

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        """Two states -> [batch, self.channels, h, w], or half of h and w; h and w are those of `last`."""
        states = [self.input0(before), self.input1(last)]
        operations = iter(self.operations)
        for edges in self.cell.nodes:
            outputs = [self.applied(next(operations), states[edge.source]) for edge in edges]
            outputs = outputs or [torch.zeros_like(states[1][:, :, :: self.stride, :: self.stride])]
            states.append(sum(outputs[1:], outputs[0]))
        return torch.cat([states[index] for index in self.cell.concat], dim=1)

    def applied(self, operation: nn.Module, state: Tensor) -> Tensor:
        """The output, under drop path in training: zero for some examples, scaled up for others; identities stay."""
        output: Tensor = operation(state)
        if not self.training or self.drop_probability == 0 or isinstance(operation, nn.Identity):
            return output
        keep = 1 - self.drop_probability
        kept = torch.rand(len(output), 1, 1, 1, device=output.device) < keep
        return output * kept / keep
