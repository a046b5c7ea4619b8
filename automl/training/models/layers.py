"""Convolutions, heads and stage plans that the small classifiers share.

Why: all weights must come from one generator, and the three architectures must scale alike with the resolution.
The rule: a layer made here never draws from torch's own generator for the weights that it keeps.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import AvgPool2d, Conv2d, Identity, Linear, Module, init

from automl.contracts import Signature
from automl.errors import InvalidSetting

LARGEST_RESOLUTION = 32
"""Larger images are averaged down to about this size first: a proxy task must stay affordable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """Where an architecture works at which size.

    Attributes:
        input_channels: of the images.
        pooling: factor by which the images are averaged down first; 1 = not at all.
        stages: (channels, stride of the first block) per stage.
        classes: number of outputs.
    """

    input_channels: int
    pooling: int
    stages: tuple[tuple[int, int], ...]
    classes: int

    def shrink(self) -> Module:
        """Returns the layer that averages the images down."""
        return AvgPool2d(self.pooling) if self.pooling > 1 else Identity()


def plan_stages(signature: Signature, *, width: int) -> StagePlan:
    """Plans stages of doubling width and halving size: two from 8 x 8 on, three from 16 x 16 on, one below.

    Args:
        signature: inputs (channels, height, width), outputs (classes,).
        width: channels of the first stage.

    Raises:
        InvalidSetting: the inputs are no images, or the outputs no class scores.
    """
    if len(signature.inputs) != 3 or len(signature.outputs) != 1:
        raise InvalidSetting(
            "signature",
            signature,
            "inputs (channels, height, width) and outputs (classes,); for other shapes give the task its own network",
        )
    channels, height, breadth = signature.inputs
    pooling = max(1, min(height, breadth) // LARGEST_RESOLUTION)
    halvings = max(0, min(2, int(math.log2(min(height, breadth) // pooling)) - 2))
    stages = tuple((width << stage, 1 if stage == 0 else 2) for stage in range(halvings + 1))
    return StagePlan(input_channels=channels, pooling=pooling, stages=stages, classes=signature.outputs[0])


def convolution(
    channels_in: int,
    channels_out: int,
    *,
    kernel: int,
    generator: torch.Generator,
    stride: int = 1,
    groups: int = 1,
) -> Conv2d:
    """Returns a padded convolution without bias, He-normal weights by fan-out (He et al. 2015)."""
    layer = Conv2d(channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    fan_out = channels_out // groups * kernel * kernel
    init.normal_(layer.weight, std=math.sqrt(2 / fan_out), generator=generator)
    return layer


def linear(features: int, outputs: int, *, generator: torch.Generator) -> Linear:
    """Returns a linear layer with weights uniform in +-1/sqrt(features) and zero bias."""
    layer = Linear(features, outputs)
    bound = 1 / math.sqrt(features)
    init.uniform_(layer.weight, -bound, bound, generator=generator)
    init.zeros_(layer.bias)
    return layer


def global_average(features: Tensor) -> Tensor:
    """[b, c, h, w] -> [b, c]."""
    return features.mean((2, 3))
