"""The default proxy task: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, in ten classes.

Source: Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits" (UCI). A trial takes 1.5 s on a core. The
rule: scikit-learn's file is read, but scikit-learn is not imported: that would cost the driver and each worker a second
and 120 MiB.
"""

from dataclasses import dataclass
from importlib.metadata import distribution
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.training.tasks.classification import ClassificationTask

FILE = "sklearn/datasets/data/digits.csv.gz"
PIXELS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits(ClassificationTask):
    """Validation accuracy of a small pre-activation ResNet on the digits; see `ClassificationTask` for the settings."""

    name: ClassVar[str] = "digits"

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns [1797, 1, 8, 8] grey values 0..16 and labels."""
        table = np.loadtxt(str(distribution("scikit-learn").locate_file(FILE)), delimiter=",")
        return table[:, :-1].reshape(-1, 1, PIXELS, PIXELS).astype(np.float32), table[:, -1].astype(np.int64)
