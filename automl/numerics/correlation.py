"""Whether two measures order things alike: Spearman's rank correlation.

Why: a proxy (few steps, a scaling law, a screen's score) is worth something only as far as it ranks candidates as the
full training does. The rule: ties share their mean rank, and pairs with an absent number are left out.

Source: Spearman, The American Journal of Psychology 15(1), 1904.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Returns [values]: ranks from 1 (smallest); equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks


def spearman(first: Sequence[float | None], second: Sequence[float | None]) -> float | None:
    """Returns the rank correlation in [-1, 1]; None with fewer than 2 pairs or where one side is constant.

    Args:
        first: one number per thing; None, NaN and infinities drop the pair.
        second: as many numbers for the same things, in the same order.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    pairs = [pair for pair in pairs if math.isfinite(pair[0]) and math.isfinite(pair[1])]
    if len(pairs) < 2:
        return None
    left, right = (mean_ranks([pair[side] for pair in pairs]) for side in (0, 1))
    left, right = left - left.mean(), right - right.mean()
    scale = math.sqrt(float(left @ left) * float(right @ right))
    return float(np.clip(left @ right / scale, -1.0, 1.0)) if scale > 0 else None
