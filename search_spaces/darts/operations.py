"""The modules behind the names of the vocabulary, [batch, channels, height, width] -> the same, or half the size.

Why: one set of modules serves supernets, evaluation networks and exported files (whose text is taken from here, so
nothing but torch may be used inside the classes). Sources: DARTS (Liu et al. 2019, section 3.1.1), sharpDARTS (Hundt et
al. 2019, section 3.1). The rule: convolutions have no bias, ReLU comes first and batch norm last.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from automl.errors import InvalidSetting, UnknownName
from search_spaces.darts.vocabulary import OPERATION_SETS, SHORT_NAMES

FLOOD = 4
"""Flood convolutions have this many times the channels in the middle."""


class Zero(nn.Module):
    """Nothing, at the size that an operation of this stride would have."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, h, w] -> zeros [batch, channels, h / stride, w / stride]."""
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class FactorizedReduce(nn.Module):
    """Halves the size by two 1x1 convolutions with stride 2, the second on the pixels that the first skips."""

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool = True) -> None:
        super().__init__()
        half = channels_out // 2
        self.even = nn.Conv2d(channels_in, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels_in, channels_out - half, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels_in, h, w] -> [batch, channels_out, h / 2, w / 2], rounded up."""
        x = torch.relu(x)
        height, width = x.shape[2:]
        shifted = functional.pad(x[:, :, 1:, 1:], (0, width % 2, 0, height % 2))  # both halves must have one size
        halved: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))
        return halved


class DepthwiseStage(nn.Sequential):
    """ReLU, depthwise k x k, pointwise, batch norm."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, *, stride: int, dilation: int, affine: bool
    ) -> None:
        padding = dilation * (kernel - 1) // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(
                channels_in,
                channels_in,
                kernel,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=channels_in,
                bias=False,
            ),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out, affine=affine),
        )


class SepConv(nn.Sequential):
    """Two depthwise stages over `middle` channels; only the first strides and dilates (the SharpSepConv)."""

    def __init__(
        self, channels: int, kernel: int, *, stride: int, middle: int, dilation: int = 1, affine: bool = True
    ) -> None:
        super().__init__(
            DepthwiseStage(channels, middle, kernel, stride=stride, dilation=dilation, affine=affine),
            DepthwiseStage(middle, channels, kernel, stride=1, dilation=1, affine=affine),
        )


class DilConv(nn.Sequential):
    """One depthwise stage with dilation 2."""

    def __init__(self, channels: int, kernel: int, *, stride: int, affine: bool = True) -> None:
        super().__init__(DepthwiseStage(channels, channels, kernel, stride=stride, dilation=2, affine=affine))


class Conv7x1And1x7(nn.Sequential):
    """ReLU, 1 x 7 and 7 x 1 convolutions, batch norm."""

    def __init__(self, channels: int, *, stride: int, affine: bool = True) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), stride=(1, stride), padding=(0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), stride=(stride, 1), padding=(3, 0), bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStyle:
    """How the operations of a network are built.

    Attributes:
        dilated: "once" is the dilated convolution of DARTS, one stage; "sharp" that of sharpDARTS, two.
        choke: channels in the middle of choke convolutions, >= 1; 32 as published (96 in the half-precision run).
        affine: whether batch norms learn scale and shift; off in supernets.
    """

    dilated: Literal["once", "sharp"] = "once"
    choke: int = 32
    affine: bool = True

    def __post_init__(self) -> None:
        if self.dilated not in ("once", "sharp"):
            raise InvalidSetting("darts.dilated", self.dilated, "'once' or 'sharp'")
        if type(self.choke) is not int or not 1 <= self.choke <= 1 << 12:
            raise InvalidSetting("darts.choke", self.choke, "an int in [1, 4096], e.g. 32")


def style_of(operations: str, *, choke: int = 32, affine: bool = True) -> OperationStyle:
    """Returns how the operations of a set are built: all sets but "darts" use SharpSepConv throughout.

    Raises:
        UnknownName: there is no such set.
    """
    if operations not in OPERATION_SETS:
        raise UnknownName("operation set", str(operations), OPERATION_SETS)
    return OperationStyle(dilated="once" if operations == "darts" else "sharp", choke=choke, affine=affine)


def build_operation(name: str, channels: int, *, stride: int, style: OperationStyle) -> nn.Module:
    """Returns a new operation; its weights are those of torch's own initialisation (see `weights.initialise`).

    Args:
        name: of the vocabulary.
        channels: of input and output.
        stride: 1, or 2 to halve the size.
        style: how it is built.

    Raises:
        UnknownName: there is no such operation.
    """
    kind, _, kernel = name.rpartition("_")
    match kind:
        case "max_pool":
            return nn.MaxPool2d(3, stride=stride, padding=1)
        case "avg_pool":
            return nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)
        case "skip" if stride == 1:
            return nn.Identity()
        case "skip":
            return FactorizedReduce(channels, channels, affine=style.affine)
        case "conv_7x1":
            return Conv7x1And1x7(channels, stride=stride, affine=style.affine)
        case "dil_conv" if style.dilated == "once":
            return DilConv(channels, int(kernel[0]), stride=stride, affine=style.affine)
    if name == "none":
        return Zero(stride)
    if name not in SHORT_NAMES:
        raise UnknownName("operation", name, SHORT_NAMES)
    return SepConv(
        channels,
        int(kernel[0]),
        stride=stride,
        middle=middle_channels(kind, channels, choke=style.choke),
        dilation=2 if kind.startswith("dil_") else 1,
        affine=style.affine,
    )


def middle_channels(kind: str, channels: int, *, choke: int) -> int:
    """Returns the channels between the two stages of a convolution: all, four times as many, or a fixed few."""
    if "flood" in kind:
        return FLOOD * channels
    return choke if "choke" in kind else channels
