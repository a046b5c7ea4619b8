"""The digits on three architectures, one objective each.

Why: a layer found on one architecture tends to fail on others; EvoNorm (Liu et al. 2020) searches on these three.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from automl.training.models.efficientnet import efficientnet
from automl.training.models.mobilenet import mobilenet
from automl.training.models.preact_resnet import preact_resnet
from automl.training.tasks.digits import Digits
from automl.training.tasks.supervised_task import ModelBuilder


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsArchs(Digits):
    """Validation accuracy of three small networks on the digits; see `ClassificationTask` for the settings."""

    name: ClassVar[str] = "digits-archs"

    @property
    def variants(self) -> Mapping[str, ModelBuilder]:
        """Returns the three anchors."""
        return {
            "resnet": partial(preact_resnet, width=self.width),
            "mobilenet": partial(mobilenet, width=self.width),
            "efficientnet": partial(efficientnet, width=self.width),
        }
