"""Networks of inverted residual blocks: MobileNetV2, and EfficientNet with squeeze-and-excitation.

Papers: Sandler et al. 2018 (MobileNetV2), Tan and Le 2019 (EfficientNet), Hu et al. 2018 (squeeze-and-excitation).
The rule: norm_act stands where the EvoNorm paper puts it (after the widening and the depthwise convolution); the
normalization after the narrowing convolution has no activation and takes the role "norm".
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Conv2d, Identity, Module, Sequential, functional

from automl.contracts import NormActFactory, Signature
from automl.training.models.layers import convolution, global_average, linear, plan_stages

BLOCKS_PER_STAGE = 1
HEAD_FACTOR = 2


class SqueezeExcitation(Module):
    """Scales each channel by a gate computed from all channel means."""

    def __init__(self, channels: int, *, squeezed: int, generator: torch.Generator) -> None:
        super().__init__()
        self.squeeze: Conv2d = convolution(channels, squeezed, kernel=1, generator=generator)
        self.excite: Conv2d = convolution(squeezed, channels, kernel=1, generator=generator)

    def forward(self, features: Tensor) -> Tensor:
        """[b, c, h, w] -> same."""
        means = features.mean((2, 3), keepdim=True)
        return features * torch.sigmoid(self.excite(functional.relu(self.squeeze(means))))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockForm:
    """What all blocks of one network share.

    Attributes:
        expansion: inner channels per input channel, >= 1.
        excited: whether squeeze-and-excitation stands before the narrowing convolution.
        norm_act: builds the normalization-activation layers.
        generator: draws the weights.
    """

    expansion: int
    excited: bool
    norm_act: NormActFactory
    generator: torch.Generator


class InvertedResidual(Module):
    """1x1, norm_act, depthwise 3x3, norm_act, [excitation], 1x1, norm; added to the input where shapes allow."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int, form: BlockForm) -> None:
        super().__init__()
        inner, draw = channels_in * form.expansion, form.generator
        self.widen = convolution(channels_in, inner, kernel=1, generator=draw)
        self.widened = form.norm_act(inner, "norm+act")
        self.depthwise = convolution(inner, inner, kernel=3, stride=stride, groups=inner, generator=draw)
        self.filtered = form.norm_act(inner, "norm+act")
        squeezed = max(1, channels_in // 4)
        self.gate = SqueezeExcitation(inner, squeezed=squeezed, generator=draw) if form.excited else Identity()
        self.narrow = convolution(inner, channels_out, kernel=1, generator=draw)
        self.narrowed = form.norm_act(channels_out, "norm")
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, inputs: Tensor) -> Tensor:
        """[b, c_in, h, w] -> [b, c_out, h / stride, w / stride]."""
        filtered = self.filtered(self.depthwise(self.widened(self.widen(inputs))))
        outputs: Tensor = self.narrowed(self.narrow(self.gate(filtered)))
        return outputs + inputs if self.adds else outputs


class InvertedResidualNet(Module):
    """Stem with norm_act, blocks, widening head with norm_act, global average, linear."""

    def __init__(self, signature: Signature, *, width: int, form: BlockForm) -> None:
        super().__init__()
        plan = plan_stages(signature, width=width)
        stem = convolution(plan.input_channels, width, kernel=3, generator=form.generator)
        self.stem = Sequential(plan.shrink(), stem, form.norm_act(width, "norm+act"))
        blocks, channels = [], width
        for stage_channels, stride in plan.stages:
            for block in range(BLOCKS_PER_STAGE):
                first = stride if block == 0 else 1
                blocks.append(InvertedResidual(channels, stage_channels, stride=first, form=form))
                channels = stage_channels
        self.blocks = Sequential(*blocks)
        wide = channels * HEAD_FACTOR
        self.widen = convolution(channels, wide, kernel=1, generator=form.generator)
        self.last = form.norm_act(wide, "norm+act")
        self.head = linear(wide, plan.classes, generator=form.generator)

    def forward(self, images: Tensor) -> Tensor:
        """[b, c, h, w] -> logits [b, classes]."""
        features = self.last(self.widen(self.blocks(self.stem(images))))
        logits: Tensor = self.head(global_average(features))
        return logits
