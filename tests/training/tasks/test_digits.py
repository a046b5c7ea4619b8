"""The digits are scikit-learn's, although scikit-learn is not imported for them."""

import numpy as np
from sklearn.datasets import load_digits

from automl.training.tasks.digits import Digits


def test_images_and_labels_are_those_of_scikit_learn() -> None:
    images, labels = Digits().arrays()
    given = load_digits()
    assert images.dtype == np.float32 and labels.dtype == given.target.dtype
    assert np.array_equal(images[:, 0], given.images) and np.array_equal(labels, given.target)
