"""What the evaluation of cells adds to a recipe: an auxiliary loss, drop path and cutout.

Why: deep networks of cells are trained with all three in the literature. Sources: DARTS (Liu et al. 2019, appendix
A.2), FractalNet (Larsson et al. 2017) for drop path, DeVries and Taylor 2017 for cutout. The rule: each wraps what the
recipe had in that slot, so it adds to it and replaces nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from automl.contracts.recipe import Batch
from search_spaces.darts.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class AuxiliaryLoss:
    """loss(scores) + weight * loss(auxiliary scores); the first alone where there are none.

    Attributes:
        loss: of the recipe.
        weight: >= 0; 0.4 as published.
    """

    loss: Callable[[Any, Tensor], Tensor]
    weight: float

    def __call__(self, outputs: Any, targets: Tensor) -> Tensor:
        """Returns the loss of a tuple (scores, auxiliary scores), or of scores."""
        if not isinstance(outputs, tuple):
            return self.loss(outputs, targets)
        scores, auxiliary = outputs
        return self.loss(scores, targets) + self.weight * self.loss(auxiliary, targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class RisingDropPath:
    """Raises the drop path of the networks in a model linearly from 0 to `peak` over the run.

    Attributes:
        progress: of the recipe.
        peak: probability at the end, in [0, 1).
    """

    progress: Callable[[Module, float], None]
    peak: float

    def __call__(self, model: Module, share: float) -> None:
        """Sets the probability for the step at `share` = t/T."""
        self.progress(model, share)
        for part in model.modules():
            if isinstance(part, Network):
                part.set_drop_path(self.peak * share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """Sets a square of each image to zero, at a random place; what hangs over the border is cut off.

    Attributes:
        augment: of the recipe, comes first.
        length: of a side in pixels, >= 1; 16 of 32 as published.
    """

    augment: Callable[[Batch, torch.Generator], Batch]
    length: int

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Returns ([batch, channels, height, width], targets) with the squares cut out."""
        images, targets = self.augment(batch, generator)
        count, _, height, width = images.shape
        rows = self._hit(count, height, generator).to(images.device)
        columns = self._hit(count, width, generator).to(images.device)
        cut = rows[:, None, :, None] & columns[:, None, None, :]
        return images.masked_fill(cut, 0.0), targets

    def _hit(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """Returns which rows (or columns) each image loses, [count, size]; the middle of the square is uniform."""
        first = torch.randint(size, (count, 1), generator=generator) - self.length // 2
        place = torch.arange(size)
        return (place >= first) & (place < first + self.length)
