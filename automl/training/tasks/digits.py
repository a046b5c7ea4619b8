"""The default proxy task: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, in ten classes.

Source: Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits" (UCI). A trial takes 1.5 s on a core.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from automl.training.tasks.classification import ClassificationTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits(ClassificationTask):
    """Validation accuracy of a small pre-activation ResNet on the digits; see `ClassificationTask` for the settings."""

    name: ClassVar[str] = "digits"

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns [1797, 1, 8, 8] grey values 0..16 and labels."""
        images = load_digits()
        return images.images[:, None].astype(np.float32), images.target
