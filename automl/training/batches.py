"""Training batches by step number.

Why: an interrupted leg must go on with the batches that it would have seen. The rule: the batch of a step is a function
of (seed, step) alone, and the seed never depends on the trial, so equal functions see equal data.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from automl.contracts import Batch
from automl.seeding import child, child_seed


@dataclass(slots=True, kw_only=True)
class Batches:
    """An endless reader: each epoch in a new order, without the last short batch.

    Attributes:
        inputs: [n, ...] on the device of training.
        targets: [n, ...] there as well.
        size: examples per batch; of fewer examples than that, each batch holds all.
        seed: of the leg.
        augment: see `automl.contracts.Recipe`.
    """

    inputs: Tensor
    targets: Tensor
    size: int
    seed: int
    augment: Callable[[Batch, torch.Generator], Batch]
    _epoch: int = field(default=-1, init=False)
    _order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), init=False)
    _generator: torch.Generator = field(default_factory=torch.Generator, init=False)

    def at(self, step: int) -> Batch:
        """Returns the batch of `step`, from 0."""
        examples = len(self.targets)
        size = min(self.size, examples)
        epoch, place = divmod(step, examples // size)
        if epoch != self._epoch:
            order = child(self.seed, "data", epoch).permutation(examples).astype(np.int64)
            self._epoch, self._order = epoch, torch.from_numpy(order).to(self.inputs.device)
        chosen = self._order[place * size : (place + 1) * size]
        self._generator.manual_seed(child_seed(self.seed, "augment", step))
        return self.augment((self.inputs[chosen], self.targets[chosen]), self._generator)
