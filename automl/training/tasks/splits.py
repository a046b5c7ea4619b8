"""Four disjoint, stratified splits of a labelled set.

Why: "validation" ranks candidates, "gate" checks the few survivors, "test" is read by final reports only. The rule: the
cut depends on the labels and a seed alone, never on the study.
"""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from automl.contracts import Split
from automl.errors import InvalidSetting
from automl.seeding import child

SPLITS: tuple[Split, ...] = get_args(Split)
SHARES: Mapping[Split, float] = {"train": 0.50, "validation": 0.20, "gate": 0.15, "test": 0.15}
SMALLEST_CLASS = 6
"""With fewer examples some split would hold none of the class."""


def stratified_splits(labels: NDArray[Any], *, seed: int) -> Mapping[Split, NDArray[np.int64]]:
    """Cuts every class 50/20/15/15 in a random order.

    Args:
        labels: [n] class numbers.
        seed: of the order.

    Returns:
        Split -> sorted indices into `labels`; together they are all of 0..n-1, each once.

    Raises:
        InvalidSetting: fewer than two classes, or a class with fewer than six examples.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise InvalidSetting("labels", classes.tolist(), "at least two classes; add examples of another class")
    if counts.min() < SMALLEST_CLASS:
        rare = classes[counts.argmin()].item()
        allowed = f"at least {SMALLEST_CLASS} examples of each class, so that each split holds one; drop or merge it"
        raise InvalidSetting(f"examples of class {rare}", int(counts.min()), allowed)
    parts: dict[Split, list[NDArray[np.int64]]] = {split: [] for split in SPLITS}
    bounds = np.cumsum([SHARES[split] for split in SPLITS])[:-1]
    for label in classes:
        rng = child(seed, "split", int(label))
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(bounds * len(members)).astype(int)
        for split, part in zip(SPLITS, np.split(members, cuts), strict=True):
            parts[split].append(part)
    return {split: np.sort(np.concatenate(part)) for split, part in parts.items()}
