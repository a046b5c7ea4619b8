"""Any set of labelled images, given as a file.

The rule: the resolution, the channels and the classes are read from the data; all images must have one size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module

from automl.contracts import Signature
from automl.errors import InvalidSetting
from automl.seeding import child
from automl.training.models.preact_resnet import preact_resnet
from automl.training.tasks.augmentation import CropAndFlip, unchanged
from automl.training.tasks.classification import ClassificationTask
from automl.training.tasks.image_files import FORMS, read_images
from automl.training.tasks.supervised_task import ModelBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class Images(ClassificationTask):
    """Validation accuracy on the images of a file; see `ClassificationTask` for the other settings.

    Attributes:
        path: of a .parquet file, a folder of them (Hugging Face `datasets` layout: a column of encoded images and
            one of integer labels), or an .npz archive with `images` and `labels`.
        examples: how many examples to use, drawn at random, >= 12; None = all. Rule of thumb for one core: 5,000.
        crop_padding: pixels of padding for random crops of training images, >= 0; 0 = none. Rule of thumb: an eighth
            of the width, 4 for 32 x 32.
        flip: whether training images are mirrored at random; not for digits and letters.
        module: from Python only: a function that builds the network to train (see `ClassificationTask.network`); None =
            the built-in ResNet.
    """

    name: ClassVar[str] = "images"
    path: str = ""
    examples: int | None = None
    crop_padding: int = 4
    flip: bool = True
    module: Callable[[Signature], Module] | None = None

    def __post_init__(self) -> None:
        ClassificationTask.__post_init__(self)
        if not self.path:
            raise InvalidSetting("task.path", self.path, f"{FORMS}; give it with --data PATH")
        if self.examples is not None and self.examples < 12:
            raise InvalidSetting("task.examples", self.examples, "an int >= 12, or null for all")
        if self.crop_padding < 0:
            raise InvalidSetting("task.crop_padding", self.crop_padding, "an int >= 0")
        if self.module is not None and not callable(self.module):
            raise InvalidSetting("task.module", self.module, "a function from a Signature to a torch module")

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Reads the file, and draws `examples` of it."""
        images, labels = read_images(Path(self.path))
        if self.examples is None or self.examples >= len(labels):
            return images, labels
        drawn = np.sort(child(self.split_seed, "examples").permutation(len(labels))[: self.examples])
        return images[drawn], labels[drawn]

    def network(self, signature: Signature) -> Module | None:
        """Returns the user's own network, where one was given."""
        return self.module(signature) if self.module is not None else None

    @property
    def variants(self) -> Mapping[str, ModelBuilder]:
        """Returns the one architecture."""
        return {"resnet" if self.module is None else "network": partial(preact_resnet, width=self.width)}

    def augment(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Crops and mirrors at random, where the settings say so."""
        if self.crop_padding == 0 and not self.flip:
            return unchanged(batch, generator)
        return CropAndFlip(padding=self.crop_padding, flip=self.flip)(batch, generator)
