"""Images taken apart into their four phases: pixels at (even, even), (even, odd), (odd, even) and (odd, odd) places.

Why: a convolution with dilation 2 is an ordinary one on each phase, and torch's gradients of dilated ones take ten
times as long as those of ordinary ones. The rule: both sides of an image must be even; phases stand in the batch.
"""

from torch import Tensor


def to_phases(x: Tensor) -> Tensor:
    """[batch, channels, 2h, 2w] -> [4 batch, channels, h, w], phase after phase."""
    batch, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    joined = split.permute(2, 4, 0, 1, 3, 5).reshape(4 * batch, height // 2, width // 2, channels)
    return joined.permute(0, 3, 1, 2)


def from_phases(x: Tensor) -> Tensor:
    """Undoes `to_phases`: [4 batch, channels, h, w] -> [batch, channels, 2h, 2w]."""
    quadruple, channels, height, width = x.shape
    split = x.permute(0, 2, 3, 1).reshape(2, 2, quadruple // 4, height, width, channels)
    joined = split.permute(2, 3, 0, 4, 1, 5).reshape(quadruple // 4, 2 * height, 2 * width, channels)
    return joined.permute(0, 3, 1, 2)
