"""Images taken apart into their four phases: pixels at (even, even), (even, odd), (odd, even) and (odd, odd) places.

Why: a convolution with dilation 2 is an ordinary one on each phase, and one with stride 2 is an ordinary one on all
four phases; ordinary ones are what torch computes fast. The rule: both sides of an image must be even, and phase
p = 2 row + column everywhere.
"""

from torch import Tensor
from torch.nn import functional


def phases_as_batch(x: Tensor) -> Tensor:
    """[batch, channels, 2h, 2w] -> [4 batch, channels, h, w], phase after phase."""
    batch, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    joined = split.permute(2, 4, 0, 1, 3, 5).reshape(4 * batch, height // 2, width // 2, channels)
    return joined.permute(0, 3, 1, 2)


def from_batch(x: Tensor) -> Tensor:
    """Undoes `phases_as_batch`: [4 batch, channels, h, w] -> [batch, channels, 2h, 2w]."""
    quadruple, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(2, 2, quadruple // 4, height, width, channels)
    joined = split.permute(2, 3, 0, 4, 1, 5).reshape(quadruple // 4, 2 * height, 2 * width, channels)
    return joined.permute(0, 3, 1, 2)


def phases_as_channels(x: Tensor) -> Tensor:
    """[batch, channels, 2h, 2w] -> [batch, 4 channels, h, w], phase after phase."""
    batch, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    joined = split.permute(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)
    return joined.permute(0, 3, 1, 2)


def phase_kernels(weight: Tensor, *, groups: int) -> Tensor:
    """Returns kernels of stride 1 for the phases that do together what `weight` does with stride 2.

    With padding p = (k - 1) / 2 an output pixel reads inputs -p .. p around twice its place, so phase s reads offsets
    -q .. q around its place with q = ceil(p / 2), of which those outside the kernel are zero.

    Args:
        weight: [groups * channels, 1, k, k], k odd.
        groups: kernels for each of which all four phases of the image stand side by side.

    Returns:
        [groups * 4 * channels, 1, 2q + 1, 2q + 1]: per group, phase and channel.
    """
    padding = weight.shape[-1] // 2
    reach = (padding + 1) // 2
    side, before, behind = 2 * reach + 1, 2 * reach - padding, 2 * reach + 1 - padding
    padded = functional.pad(weight, (before, behind, before, behind))
    split = padded.view(groups, -1, side, 2, side, 2).permute(0, 3, 5, 1, 2, 4)
    return split.reshape(4 * weight.shape[0], 1, side, side)
