"""Training batches by step number.

Why: an interrupted leg must go on with the batches that it would have seen. The rule: the batch of a step is a function
of (seed, step) alone, and the seed never depends on the trial, so equal functions see equal data. Parts of the split
are dealt by the seed once, and never mix.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from automl.contracts import Batch
from automl.errors import InvalidSetting
from automl.seeding import child, child_seed


@dataclass(slots=True, kw_only=True)
class Batches:
    """An endless reader: each epoch in a new order, without the last short batch.

    Attributes:
        inputs: [n, ...] on the device of training.
        targets: [n, ...] there as well.
        size: examples per batch and part; of fewer examples than that, each batch holds all.
        seed: of the leg.
        augment: see `automl.contracts.Recipe`.
        parts: equal disjoint parts of the examples, >= 1; a batch holds `size` rows of each, part after part. What
            does not divide is left out.
    """

    inputs: Tensor
    targets: Tensor
    size: int
    seed: int
    augment: Callable[[Batch, torch.Generator], Batch]
    parts: int = 1
    _epoch: int = field(default=-1, init=False)
    _orders: list[Tensor] = field(default_factory=list, init=False)
    _generator: torch.Generator = field(default_factory=torch.Generator, init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.parts <= len(self.targets):
            raise InvalidSetting("parts", self.parts, f"an int in [1, {len(self.targets)}], the number of examples")

    def at(self, step: int) -> Batch:
        """Returns the batch of `step`, from 0."""
        examples = len(self.targets) // self.parts
        size = min(self.size, examples)
        epoch, place = divmod(step, examples // size)
        if epoch != self._epoch:
            self._epoch = epoch
            self._orders = [torch.from_numpy(order).to(self.inputs.device) for order in self._shuffled(epoch)]
        orders = [order[place * size : (place + 1) * size] for order in self._orders]
        chosen = orders[0] if self.parts == 1 else torch.cat(orders)
        self._generator.manual_seed(child_seed(self.seed, "augment", step))
        batch = self.inputs.index_select(0, chosen), self.targets.index_select(0, chosen)
        return self.augment(batch, self._generator)

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        """Returns the order of each part in an epoch, as numbers of examples."""
        examples = len(self.targets)
        if self.parts == 1:
            return [child(self.seed, "data", epoch).permutation(examples).astype(np.int64)]
        dealt = child(self.seed, "parts").permutation(examples).astype(np.int64)
        size = examples // self.parts
        members = (dealt[part * size : (part + 1) * size] for part in range(self.parts))
        return [child(self.seed, "data", epoch, part).permutation(one) for part, one in enumerate(members)]
