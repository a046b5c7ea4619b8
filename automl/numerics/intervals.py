"""How sure a number is: intervals for a mean difference, for a mean over candidates and seeds, and for a rate.

Why: a winner is a candidate whose gain over the baseline is larger than the noise between seeds, and a filter's error
rate is known from few audited trials only. The rule: the randomness of resampling comes from the caller's generator.

Sources: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015 (expanded
percentile interval); Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007 (crossed factors);
Satterthwaite, Biometrics Bulletin 2(6), 1946; Clopper and Pearson, Biometrika 26, 1934.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
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


def crossed_interval(
    values: ArrayLike, *, rng: np.random.Generator, level: float = 0.95, resamples: int = 10_000
) -> tuple[float, float]:
    """Returns the pigeonhole bootstrap interval of the mean over crossed factors, such as candidates and seeds.

    The values of one candidate, and those of one seed, vary together, so neither are the cells independent nor is one
    of the factors known: every axis is resampled by itself, with replacement, and the mean over all chosen cells taken.
    Few levels make percentiles too short, as in `difference_interval`; with v_a = (variance of the means along axis a)
    / n_a, the tail is Phi(-sqrt(sum v_a / sum(v_a (n_a - 1) / n_a)) * t(1 - (1 - level) / 2, df)), where df = (sum
    v_a)^2 / sum(v_a^2 / (n_a - 1)). Where one axis varies alone this is `difference_interval`. The share that held the
    true mean, measured on normal data at 95 % with 8 candidates and 5 seeds: 0.95 where candidates vary or both do,
    0.91 where seeds alone do; 0.97 to 1.00, so too wide, where single trainings vary as much or more.

    Args:
        values: [n_1, ..., n_k], every n >= 2, finite; differences that are positive where mine is better, say.
        rng: draws the resamples.
        level: share of intervals that should hold the true mean, in (0, 1).
        resamples: how many, >= 100.

    Raises:
        InvalidSetting: too few or non-finite values, or `level` or `resamples` out of range.
    """
    cells = np.asarray(values, dtype=np.float64)
    if cells.ndim < 1 or min(cells.shape) < 2 or not np.isfinite(cells).all():
        raise InvalidSetting("values", cells.shape, "an array of finite numbers, at least 2 along every axis")
    _check_level(level)
    if resamples < 100:
        raise InvalidSetting("resamples", resamples, "an int >= 100")
    shares = _variances(cells)
    total = float(shares.sum())
    if total == 0.0:
        return float(cells.mean()), float(cells.mean())
    levels = np.array(cells.shape)
    df = total**2 / float((shares**2 / (levels - 1)).sum())
    shrunk = float((shares * (levels - 1) / levels).sum())
    tail = float(ndtr(-math.sqrt(total / shrunk) * stdtrit(df, 1 - (1 - level) / 2)))
    low, high = np.quantile(_resampled_means(cells, rng, resamples), [tail, 1 - tail])
    return float(low), float(high)


def _variances(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns [axes]: what each axis adds to the variance of the mean, from the means of its levels."""
    axes = range(cells.ndim)
    means = [cells.mean(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    return np.array([one.var(ddof=1) / len(one) for one in means])


def _resampled_means(cells: NDArray[np.float64], rng: np.random.Generator, resamples: int) -> NDArray[np.float64]:
    """Returns [resamples]: means over levels that are drawn with replacement, axis by axis."""
    means = np.broadcast_to(cells, (resamples, *cells.shape))
    for count in cells.shape:
        weights = rng.multinomial(count, np.full(count, 1 / count), size=resamples) / count
        means = np.einsum("rn,rn...->r...", weights, means)
    return means


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
