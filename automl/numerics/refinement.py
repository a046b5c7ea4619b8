"""Learning-rate schedules from the gradient norms of a finished run.

Why: the best schedule for the last iterate follows from how the gradient norm went, so one recorded run replaces a
search: constant norms give linear decay, large early norms give a warm-up, norms that grow at the end a longer tail.
The rule: a refined schedule is a shape with maximum 1; its peak learning rate is tuned as for any other.

Source: Defazio, Cutkosky, Mehta, Mishchenko, "When, Why and How Much? Adaptive Learning Rate Scheduling by Refinement"
(arXiv 2310.07831); filter widths and cleaning as in the authors' released scripts.
"""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import median_filter
from scipy.optimize import minimize

from automl.errors import InvalidSetting

Floats: TypeAlias = NDArray[np.float64]
Norm: TypeAlias = Literal["l1", "l2"]
"""l2 for SGD-like rules, whose weights are norm^-2; l1 for coordinate-wise ones like Adam, norm^-1."""

POINTS = 10_000
"""Shorter runs are interpolated to this length before they are smoothed, as in the authors' scripts."""
DROPPED = 2
"""Entries left out at either end: the first steps and the last carry start-up effects."""
NUMERIC_POINTS = 400
LEAST_STEP = 1e-8


def refine(norms: ArrayLike, *, norm: Norm, steps: int, smoothing: float = 0.1) -> Floats:
    """Returns the refined schedule of a recorded run.

    Args:
        norms: [recorded] gradient norms in the order of the run, at least 8 of them finite and positive.
        norm: which norm was recorded; see `Norm`.
        steps: length of the schedule wanted, >= 2; the norms are taken to cover the run evenly.
        smoothing: width of the median filter as a share of the run, in [0, 1); the authors' 0.1; 0 = none.

    Returns:
        [steps], in [0, 1] with maximum 1, 0 at the end.

    Raises:
        InvalidSetting: too few usable norms, or a setting out of range.
    """
    if type(steps) is not int or steps < 2:
        raise InvalidSetting("steps", steps, "an int >= 2")
    if not 0 <= smoothing < 1:
        raise InvalidSetting("smoothing", smoothing, "a share in [0, 1), e.g. 0.1")
    dense = _interpolated(_cleaned(norms), POINTS)
    shape = closed_form(smoothed(dense, share=smoothing), norm=norm)
    schedule = _interpolated(shape, steps)
    schedule /= schedule.max()
    return schedule


def closed_form(norms: ArrayLike, *, norm: Norm) -> Floats:
    """Returns s_t = w_t sum_{p > t} w_p over its maximum, with w = norms^-2 (l2) or norms^-1 (l1); [T], s_T = 0."""
    if norm not in ("l1", "l2"):
        raise InvalidSetting("norm", norm, "'l1' (Adam-like rules) or 'l2' (SGD-like rules)")
    values = _positive(norms)
    weights = (values / values.min()) ** (-2.0 if norm == "l2" else -1.0)  # the scale cancels; this one cannot overflow
    later = np.append(np.cumsum(weights[::-1])[::-1][1:], 0.0)
    schedule: Floats = weights * later
    schedule /= schedule.max()
    return schedule


def smoothed(norms: ArrayLike, *, share: float) -> Floats:
    """Returns the running median of width 2 floor(share T / 2) + 1; reflected at the right end, held at the left."""
    values = np.asarray(norms, dtype=np.float64)
    width = 2 * (int(share * len(values)) // 2) + 1
    padded = np.pad(values, (0, 2 * width), mode="reflect")
    filtered: Floats = median_filter(padded, size=width, mode="nearest")[: len(values)]
    return filtered


def numeric_form(norms: ArrayLike, *, distance: float = 1.0) -> tuple[Floats, float]:
    """Minimises the worst-case bound of the last iterate over all step sizes.

    F(s) = (D^2 + Q_1)/(2 L_1) + sum_{k < T} (1/L_{k+1} - 1/L_k) Q_k / 2, with L_k = sum_{j >= k} s_j and
    Q_k = sum_{j >= k} G_j^2 s_j^2; the paper's bound, its fraction taken apart.

    Args:
        norms: [T] l2 gradient norms; more than 400 are thinned out first, as the cost grows with T.
        distance: D, from the start to the solution, > 0; scales the steps, not their shape.

    Returns:
        [T] step sizes, and F there. The last entry is an artefact of the bound (nothing comes after it): drop it.
    """
    recorded = _positive(norms)
    thinned = len(recorded) > NUMERIC_POINTS
    values = _interpolated(recorded, NUMERIC_POINTS) if thinned else recorded
    start = np.full(len(values), distance / (np.sqrt(len(values)) * float(np.sqrt((values**2).mean()))))
    found: Any = minimize(
        _bound,
        start,
        args=(values**2, distance**2),
        jac=True,
        method="L-BFGS-B",
        bounds=[(LEAST_STEP, None)] * len(values),
        options={"maxcor": 20, "ftol": 100 * np.finfo(float).eps, "gtol": 1e-10, "maxiter": 20_000, "maxfun": 40_000},
    )
    return _interpolated(found.x, len(recorded)), float(found.fun)


def _bound(steps: Floats, squares: Floats, distance_squared: float) -> tuple[float, Floats]:
    """Returns F and its gradient; both O(T) by cumulative sums."""
    inverse = 1 / np.cumsum(steps[::-1])[::-1]
    energy = np.cumsum((squares * steps**2)[::-1])[::-1]
    value = (distance_squared + energy[0]) * inverse[0] + float(np.diff(inverse) @ energy[:-1])
    following = np.append(inverse[1:], inverse[-1])
    gained = np.append((inverse[:-1] ** 2 * energy[:-1]), 0.0).cumsum()
    lost = np.append(0.0, inverse[1:] ** 2 * energy[:-1]).cumsum()
    slope = 2 * squares * steps * following - (distance_squared + energy[0]) * inverse[0] ** 2 + gained - lost
    return value / 2, slope / 2


def _cleaned(norms: ArrayLike) -> Floats:
    values = np.asarray(norms, dtype=np.float64).reshape(-1)
    usable = values[np.isfinite(values) & (values > 0)]
    if len(usable) < 2 * DROPPED + 4:
        raise InvalidSetting("norms", f"{len(usable)} finite positive numbers", f"at least {2 * DROPPED + 4}")
    return usable[DROPPED:-DROPPED]


def _positive(norms: ArrayLike) -> Floats:
    values = np.asarray(norms, dtype=np.float64).reshape(-1)
    if len(values) < 2 or not (np.isfinite(values) & (values > 0)).all():
        raise InvalidSetting("norms", values[:5].tolist(), "at least two finite numbers > 0")
    return values


def _interpolated(values: Floats, points: int) -> Floats:
    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(values)), values)
