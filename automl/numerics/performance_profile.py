"""Comparing methods over several workloads by time to target.

Why: averages of losses over workloads mean nothing; how often a method is within a factor of the fastest does. The
rule: a run that misses the target, or needs more than four times the fastest, counts as infinitely slow.

Source: Dahl et al., "Benchmarking Neural Network Training Algorithms" (AlgoPerf, arXiv 2306.07179), section on scoring;
performance profiles: Dolan and More 2002.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.errors import InvalidSetting

Floats: TypeAlias = NDArray[np.float64]

LARGEST_RATIO = 4.0


def time_to_target(steps: Sequence[float], values: Sequence[float | None], *, target: float, lower: bool) -> float:
    """Returns the first step whose value reaches the target, inf where none does.

    Args:
        steps: of the measurements, increasing.
        values: one per step; None never reaches it.
        target: the value wanted.
        lower: whether lower values are better.
    """
    for step, value in zip(steps, values, strict=True):
        if value is not None and (value <= target if lower else value >= target):
            return float(step)
    return math.inf


def ratios(times: Mapping[str, Sequence[float]]) -> dict[str, Floats]:
    """Returns each method's time over the fastest one's, [workloads]; inf beyond `LARGEST_RATIO`.

    Args:
        times: method -> its time on each workload, inf where it missed the target.
    """
    table = np.array(list(times.values()), dtype=np.float64)
    if table.ndim != 2 or not table.size or np.isnan(table).any() or (table <= 0).any():
        raise InvalidSetting("times", table.shape, "a positive time (or inf) for each method on the same workloads")
    fastest = table.min(axis=0)
    found = np.full_like(table, math.inf)
    reached = np.isfinite(fastest)
    found[:, reached] = table[:, reached] / fastest[reached]
    found[found > LARGEST_RATIO] = math.inf
    return dict(zip(times, found, strict=True))


def profile(method_ratios: Floats, factors: Floats) -> Floats:
    """Returns the share of workloads on which the method is within each factor of the fastest, [factors]."""
    within: Floats = (method_ratios[None, :] <= factors[:, None]).mean(axis=1)
    return within


def score(method_ratios: Floats) -> float:
    """Returns the area under the profile from 1 to 4 over 3: the mean of max(0, 4 - ratio) / 3, in [0, 1]."""
    gained = np.where(np.isfinite(method_ratios), LARGEST_RATIO - method_ratios, 0.0)
    return float(gained.mean() / (LARGEST_RATIO - 1))


def geometric_speed_up(times: Sequence[float], reference: Sequence[float]) -> float | None:
    """Returns the geometric mean of reference / time over workloads that both finished, None where there is none."""
    logs = [
        math.log(other / mine)
        for mine, other in zip(times, reference, strict=True)
        if math.isfinite(mine) and math.isfinite(other)
    ]
    return math.exp(sum(logs) / len(logs)) if logs else None


def median_time(times: Sequence[float]) -> float:
    """Returns the median over studies; inf where half of them or more missed the target."""
    ordered: Any = np.sort(np.asarray(times, dtype=np.float64))
    middle = len(ordered) // 2
    return float(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)
