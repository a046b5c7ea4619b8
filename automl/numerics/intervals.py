"""How sure a number is: intervals for a mean difference and for a rate.

Why: a winner is a candidate whose gain over the baseline is larger than the noise between seeds, and a filter's error
rate is known from few audited trials only. The rule: the randomness of resampling comes from the caller's generator.

Sources: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015 (expanded
percentile interval); Clopper and Pearson, Biometrika 26, 1934.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv, ndtr, stdtrit

from automl.errors import InvalidSetting


def difference_interval(
    differences: Sequence[float], *, rng: np.random.Generator, level: float = 0.95, resamples: int = 10_000
) -> tuple[float, float]:
    """Returns the expanded percentile bootstrap interval of the mean of paired differences.

    A plain percentile interval is too short for few pairs, by sqrt((n - 1) / n) and for lack of Student's t. Its tail
    a = (1 - level) / 2 is therefore replaced by a' = Phi(-sqrt(n / (n - 1)) * t(1 - a, n - 1)). With 3 pairs at 95 %
    this is the range of the data; nothing longer can be had without assuming a distribution. Measured on normal data
    at 95 %, the share that held the true mean: 0.75 of 3 pairs, 0.87 of 4, 0.92 of 5, 0.94 of 8, 0.95 of 10.

    Args:
        differences: candidate minus baseline, one per seed; at least 2, finite.
        rng: draws the resamples.
        level: share of intervals that should hold the true mean, in (0, 1).
        resamples: how many, >= 100.

    Raises:
        InvalidSetting: too few or non-finite differences, or `level` or `resamples` out of range.
    """
    sample = np.asarray(differences, dtype=np.float64)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise InvalidSetting("differences", differences, "at least 2 finite numbers, one per seed")
    _check_level(level)
    if resamples < 100:
        raise InvalidSetting("resamples", resamples, "an int >= 100")
    n = len(sample)
    means = sample[rng.integers(n, size=(resamples, n))].mean(axis=1)
    tail = float(ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, 1 - (1 - level) / 2)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def rate_interval(hits: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Returns the Clopper-Pearson interval of a rate; it holds the true rate at least `level` of the time.

    Args:
        hits: how many of the trials, 0 <= hits <= trials.
        trials: how many were looked at; 0 gives (0, 1), nothing is known.
        level: share of intervals that hold the true rate, in (0, 1).

    Raises:
        InvalidSetting: counts or level out of range.
    """
    if not 0 <= hits <= trials:
        raise InvalidSetting("hits", hits, f"an int from 0 to trials={trials}")
    _check_level(level)
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, tail))
    high = 1.0 if hits == trials else float(betaincinv(hits + 1, trials - hits, 1 - tail))
    return low, high


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InvalidSetting("level", level, "a number in (0, 1), e.g. 0.95")
