"""Tiny tasks on which tests train in milliseconds."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import nn

from automl.contracts import Signature
from automl.training.tasks.classification import ClassificationTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripes(ClassificationTask):
    """Noisy images whose bright row is their class."""

    name: ClassVar[str] = "stripes"
    steps: int = 24
    batch_size: int = 16
    width: int = 4

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        labels = np.arange(120) % 3
        images = rng.normal(size=(120, 1, 8, 8)).astype(np.float32)
        images[np.arange(120), 0, labels * 2] += 3
        return images, labels


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNetwork(Stripes):
    """The same on a user's plain network, with dropout, which draws from torch's own generator."""

    name: ClassVar[str] = "own-network"

    def network(self, signature: Signature) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(144, 3)
        )
