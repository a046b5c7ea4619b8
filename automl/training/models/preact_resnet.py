"""A small pre-activation residual network: every norm_act stands before a convolution.

Paper: He et al. 2016, "Identity mappings in deep residual networks"; EvoNorm (Liu et al. 2020) allows only this form.
The rule: the shortcut of a resizing block starts after its first norm_act.
"""

import torch
from torch import Tensor
from torch.nn import Module, Sequential

from automl.contracts import NormActFactory, Signature
from automl.training.models.layers import convolution, global_average, linear, plan_stages

BLOCKS_PER_STAGE = 1


class PreactBlock(Module):
    """norm_act, 3x3, norm_act, 3x3, added to the shortcut."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        stride: int,
        norm_act: NormActFactory,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.before = norm_act(channels_in, "norm+act")
        self.first = convolution(channels_in, channels_out, kernel=3, stride=stride, generator=generator)
        self.between = norm_act(channels_out, "norm+act")
        self.second = convolution(channels_out, channels_out, kernel=3, generator=generator)
        resizes = stride > 1 or channels_in != channels_out
        self.shortcut = (
            convolution(channels_in, channels_out, kernel=1, stride=stride, generator=generator) if resizes else None
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """[b, c_in, h, w] -> [b, c_out, h / stride, w / stride]."""
        ready = self.before(inputs)
        carried = inputs if self.shortcut is None else self.shortcut(ready)
        changed: Tensor = self.second(self.between(self.first(ready)))
        return changed + carried


class PreactResNet(Module):
    """Stem, blocks, last norm_act, global average, linear."""

    def __init__(
        self, signature: Signature, norm_act: NormActFactory, *, width: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        plan = plan_stages(signature, width=width)
        self.stem = Sequential(plan.shrink(), convolution(plan.input_channels, width, kernel=3, generator=generator))
        blocks, channels = [], width
        for stage_channels, stride in plan.stages:
            for block in range(BLOCKS_PER_STAGE):
                blocks.append(
                    PreactBlock(
                        channels,
                        stage_channels,
                        stride=stride if block == 0 else 1,
                        norm_act=norm_act,
                        generator=generator,
                    )
                )
                channels = stage_channels
        self.blocks = Sequential(*blocks)
        self.last = norm_act(channels, "norm+act")
        self.head = linear(channels, plan.classes, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        """[b, c, h, w] -> logits [b, classes]."""
        logits: Tensor = self.head(global_average(self.last(self.blocks(self.stem(images)))))
        return logits


def preact_resnet(
    signature: Signature, norm_act: NormActFactory, generator: torch.Generator, *, width: int = 16
) -> Module:
    """Builds a `PreactResNet` whose first stage has `width` channels."""
    return PreactResNet(signature, norm_act, width=width, generator=generator)
