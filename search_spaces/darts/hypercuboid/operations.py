"""The two operations of the HyperCuboid, which may change the number of channels.

Why: the cells of the family keep their channels, a step of the grid need not. Paper: sharpDARTS (Hundt, Jain, Hager
2019, arXiv 1903.09900). The text of exported files is taken from here, so nothing but torch may be used inside the
classes. The rule: no bias, [batch, channels_in, height, width] -> [batch, channels_out, same or half, same or half].
"""

from torch import Tensor, nn

from automl.errors import UnknownName
from search_spaces.darts.hypercuboid.plan import PRIMITIVES
from search_spaces.darts.operations import DepthwiseStage


class SharpSepConv(nn.Sequential):
    """Two 3x3 depthwise stages; the first has the stride and changes the channels."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1, affine: bool = True) -> None:
        super().__init__(
            DepthwiseStage(channels_in, channels_out, 3, stride=stride, dilation=1, affine=affine),
            DepthwiseStage(channels_out, channels_out, 3, stride=1, dilation=1, affine=affine),
        )


class ResizablePool(nn.Module):
    """3x3 max pooling, and where the channels change a 1x1 convolution and batch norm behind it."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1, affine: bool = True) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride=stride, padding=1)
        self.resize = nn.Sequential()
        if channels_in != channels_out:
            self.resize.append(nn.Conv2d(channels_in, channels_out, 1, bias=False))
            self.resize.append(nn.BatchNorm2d(channels_out, eps=1e-3, affine=affine))

    def forward(self, x: Tensor) -> Tensor:
        """Pools, then resizes."""
        resized: Tensor = self.resize(self.pool(x))
        return resized


def build_primitive(
    name: str, channels_in: int, channels_out: int, *, stride: int, affine: bool = True
) -> SharpSepConv | ResizablePool:
    """Returns a new operation with torch's own initial weights; see `PRIMITIVES` for the names.

    Raises:
        UnknownName: there is no such primitive.
    """
    match name:
        case "sharp_sep_conv":
            return SharpSepConv(channels_in, channels_out, stride=stride, affine=affine)
        case "resizable_pool":
            return ResizablePool(channels_in, channels_out, stride=stride, affine=affine)
    raise UnknownName("operation of the HyperCuboid", name, PRIMITIVES)
