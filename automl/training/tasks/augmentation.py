"""Random crops with padding and horizontal flips, one choice per image.

Source: the usual CIFAR recipe (He et al. 2015, section 4.2). The rule: choices are drawn on the CPU from the generator
given, so that every device sees the same images.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from automl.contracts import Batch
from automl.errors import InvalidSetting


def unchanged(batch: Batch, generator: torch.Generator) -> Batch:
    """Returns the batch as it is."""
    return batch


@dataclass(frozen=True, slots=True, kw_only=True)
class CropAndFlip:
    """Pads each image with zeros (the train mean, once standardised), crops it at a random offset, and may mirror it.

    Attributes:
        padding: pixels on each side, >= 0; rule of thumb an eighth of the width.
        flip: whether each image is mirrored with probability a half.
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise InvalidSetting("padding", self.padding, "an int >= 0")

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """([b, c, h, w], targets) -> same shapes."""
        images, targets = batch
        (count, _, height, width) = images.shape
        shift = torch.randint(0, 2 * self.padding + 1, (2, count, 1), generator=generator)
        flips = torch.randint(0, 2 if self.flip else 1, (count, 1), generator=generator).bool()
        rows = shift[0] + torch.arange(height)
        columns = shift[1] + torch.where(flips, torch.arange(width).flip(0), torch.arange(width))
        padded = functional.pad(images, (self.padding,) * 4).permute(0, 2, 3, 1)
        picked = padded[
            torch.arange(count, device=images.device)[:, None, None],
            rows.to(images.device)[:, :, None],
            columns.to(images.device)[:, None, :],
        ]
        return picked.permute(0, 3, 1, 2).contiguous(), targets
