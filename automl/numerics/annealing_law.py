"""Loss curves as a function of the learning-rate schedule: the annealing law and the multi-power law.

Why: two recorded curves (constant and cosine, say) predict whole curves of schedules that were never run, so candidates
are ranked in microseconds. The rule: a law ranks schedules of the peak and horizon it was fitted on; see `plausible`
for what else it must not be asked, and confirm what it says by training.

Sources: Tissue, Wang, Wang, "Scaling Law with Learning Rate Annealing" (arXiv 2408.11029); Luo et al., "A Multi-Power
Law for Loss Curve Prediction Across Learning Rate Schedules" (arXiv 2503.12811).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.signal import lfilter

from automl.errors import InvalidSetting

Floats: TypeAlias = NDArray[np.float64]

DECAY = 0.999
"""lambda of the annealing momentum, as in the authors' script; not fitted."""
HUBER = 1e-3
"""Residuals of log losses beyond it count linearly."""
LEAST_POINTS = 4
USUAL_PEAK = 2e-4
"""Peak learning rate of the authors' runs, which the starting points of the fit belong to."""
LEAST_RATE = 1e-10
"""The multi-power law divides by powers of the learning rate."""

_STARTS = tuple(
    product(np.linspace(0.1, 2.1, 2), np.linspace(1, 22, 3), np.linspace(1, 22, 3), np.linspace(0, 0.8, 3))
)
"""Of (L0, A, C, alpha), as in the authors' script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCurve:
    """One finished run.

    Attributes:
        rates: [T + 1] learning rate at each step from 0, any unit; a warm-up is replaced by the peak (`hold_warmup`).
        steps: [points] steps at which the loss was measured, increasing, in [1, T].
        losses: [points] validation losses there, finite and positive.
    """

    rates: Floats
    steps: NDArray[np.int64]
    losses: Floats

    def __post_init__(self) -> None:
        if self.rates.ndim != 1 or not np.isfinite(self.rates).all() or (self.rates < 0).any():
            raise InvalidSetting("rates", self.rates.shape, "one finite learning rate >= 0 per step")
        if len(self.steps) != len(self.losses) or len(self.steps) < LEAST_POINTS:
            found = (len(self.steps), len(self.losses))
            raise InvalidSetting("curve", found, f"as many losses as steps, at least {LEAST_POINTS}")
        if (np.diff(self.steps) <= 0).any() or self.steps[0] < 1 or self.steps[-1] >= len(self.rates):
            raise InvalidSetting("steps", self.steps[:6].tolist(), f"increasing steps in [1, {len(self.rates) - 1}]")
        if not (np.isfinite(self.losses) & (self.losses > 0)).all():
            raise InvalidSetting("losses", self.losses[:6].tolist(), "finite numbers > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnealingLaw:
    """L(s) = floor + scale S1(s)^-exponent - annealing S2(s).

    Attributes:
        floor: L0, the loss that remains, >= 0.
        scale: A >= 0.
        exponent: alpha >= 0.
        annealing: C >= 0.
        decay: lambda, in (0, 1).
        objective: of the fit: sum of Huber losses of log residuals.
    """

    floor: float
    scale: float
    exponent: float
    annealing: float
    decay: float = DECAY
    objective: float = 0.0

    def curve(self, rates: ArrayLike) -> Floats:
        """Returns the loss at each step, [..., T + 1], of one or many schedules of that shape."""
        forward, annealed = areas(rates, decay=self.decay)
        return self._loss(forward, annealed)

    def final(self, rates: Floats) -> Floats:
        """Returns the last loss of each schedule, [schedules] from [schedules, T + 1]; two products, so fast.

        S2(T) is linear in the rates: sum_k (rate_{k-1} - rate_k) (1 - decay^(T-k+1)) / (1 - decay).
        """
        length = rates.shape[-1]
        reach = (1 - self.decay ** np.arange(length - 1, 0, -1)) / (1 - self.decay)  # of the drop at k = 1 .. T
        weights = np.append(reach, 0.0) - np.append(0.0, reach)
        return self._loss(rates.sum(axis=-1), rates @ weights.astype(rates.dtype))

    def _loss(self, forward: Floats, annealed: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            loss: Floats = self.floor + self.scale * forward**-self.exponent - self.annealing * annealed
        return loss


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiPowerLaw:
    """L(t) = floor + scale (S1(t) + warmup)^-exponent - sum_k drop (rate_{k-1} - rate_k) G(rate_k^-gamma S_k(t)).

    G(x) = 1 - (1 + reach x)^-beta, S_k(t) = sum of the rates from k to t.

    Attributes:
        floor: L0.
        scale: A.
        exponent: alpha.
        drop: B.
        reach: C.
        beta: exponent of the loss drop.
        gamma: exponent of the rate within it.
        warmup: sum of the learning rates of the warm-up, which is no part of the schedule.
        objective: of the fit.
    """

    floor: float
    scale: float
    exponent: float
    drop: float
    reach: float
    beta: float
    gamma: float
    warmup: float = 0.0
    objective: float = 0.0

    def at(self, rates: Floats, steps: ArrayLike) -> Floats:
        """Returns the loss at `steps`, [points], of one schedule, [T + 1]."""
        chosen = np.asarray(steps, dtype=np.int64)
        forward = np.cumsum(rates)
        drops = rates[:-1] - rates[1:]
        moved = np.flatnonzero(drops)  # a constant stretch drops nothing
        factors = np.maximum(rates[moved + 1], LEAST_RATE) ** -self.gamma
        since = forward[chosen][:, None] - forward[moved][None, :]
        grown = 1 - (1 + self.reach * factors * np.maximum(since, 0.0)) ** -self.beta
        gained = self.drop * (grown * (since > 0)) @ drops[moved]
        loss: Floats = self.floor + self.scale * (forward[chosen] + self.warmup) ** -self.exponent - gained
        return loss


def areas(rates: ArrayLike, *, decay: float = DECAY) -> tuple[Floats, Floats]:
    """Returns (S1, S2), each [..., T + 1]: the cumulative learning rate, and the cumulative annealing momentum.

    m_0 = 0, m_i = decay m_{i-1} + rate_{i-1} - rate_i.
    """
    values = np.asarray(rates, dtype=np.float64)
    drops = -np.diff(values, axis=-1, prepend=values[..., :1])
    momentum = lfilter([1.0], [1.0, -decay], drops, axis=-1)
    return np.cumsum(values, axis=-1), np.cumsum(momentum, axis=-1)


def hold_warmup(rates: ArrayLike, *, steps: int) -> Floats:
    """Returns the schedule with its first `steps` + 1 entries at the peak: the law knows no warm-up."""
    values = np.array(rates, dtype=np.float64)
    values[..., : steps + 1] = values.max(axis=-1, keepdims=True)
    return values


def plausible(rates: ArrayLike, *, like: RecordedCurve, least_share: float = 0.0) -> str:
    """Returns why a law must not rank a schedule, "" where it may.

    Scaling a schedule up, padding it with zeros and a huge first step all lower the predicted loss without training
    anything, so a candidate keeps peak and horizon of the fitted runs and never rises after its peak, and its rate is
    above `least_share` of the peak on all but the last step.
    """
    values = np.asarray(rates, dtype=np.float64)
    peak = float(like.rates.max())
    if values.shape != like.rates.shape:
        return f"{values.size - 1} steps, where the law was fitted on {like.rates.size - 1}"
    if not np.isfinite(values).all() or values.min() < 0:
        return "a learning rate that is negative or not finite"
    if abs(float(values.max()) - peak) > 1e-6 * peak:
        return f"peak {values.max():g}, where the law was fitted at {peak:g}"
    after = values[int(values.argmax()) :]
    if (np.diff(after) > 1e-9 * peak).any():
        return "rises again after its peak"
    if (after[:-1] <= least_share * peak).any():
        return f"stays at or below {least_share:g} of its peak for more than the last step"
    return ""


def fit_annealing_law(curves: Sequence[RecordedCurve], *, decay: float = DECAY) -> AnnealingLaw:
    """Fits the law to recorded curves by L-BFGS-B from 54 starts.

    Raises:
        InvalidSetting: there is no curve.
    """
    if not curves:
        raise InvalidSetting("curves", 0, "at least one recorded curve; two with different schedules fit well")
    factor = USUAL_PEAK / max(float(curve.rates.max()) for curve in curves)  # the starts suit the authors' rates
    parts = [areas(curve.rates * factor, decay=decay) for curve in curves]
    forward = np.concatenate([s1[curve.steps] for (s1, _), curve in zip(parts, curves, strict=True)])
    annealed = np.concatenate([s2[curve.steps] for (_, s2), curve in zip(parts, curves, strict=True)])
    observed = np.log(np.concatenate([curve.losses for curve in curves]))

    def objective(point: Floats) -> tuple[float, Floats]:
        floor, scale, annealing, exponent = point
        with np.errstate(over="ignore", invalid="ignore"):  # a line search may try any exponent
            powers = forward**-exponent
            slopes = np.stack([np.ones_like(powers), powers, -annealed, -scale * powers * np.log(forward)])
            return _huber(floor + scale * powers - annealing * annealed, slopes, observed)

    floor, scale, annealing, exponent, value = _best(objective, _STARTS)
    return AnnealingLaw(
        floor=floor,
        scale=scale * factor**-exponent,
        exponent=exponent,
        annealing=annealing * factor,
        decay=decay,
        objective=value,
    )


def fit_multi_power_law(curves: Sequence[RecordedCurve], *, warmup: float = 0.0) -> MultiPowerLaw:
    """Fits the multi-power law, starting from the annealing law's floor, scale and exponent.

    Args:
        curves: at least one whose rate falls, else the drop is not identified.
        warmup: sum of the learning rates of the warm-up.

    Raises:
        InvalidSetting: no curve has a falling rate.
    """
    if not any((np.diff(curve.rates) < 0).any() for curve in curves):
        raise InvalidSetting("curves", len(curves), "at least one schedule that falls, e.g. cosine")
    first = fit_annealing_law(curves)
    peak = max(float(curve.rates.max()) for curve in curves)
    observed = np.log(np.concatenate([curve.losses for curve in curves]))

    def law(point: Floats) -> MultiPowerLaw:
        floor, scale, exponent, drop, reach, beta, gamma = np.exp(point)
        return MultiPowerLaw(
            floor=floor, scale=scale, exponent=exponent, drop=drop, reach=reach, beta=beta, gamma=gamma, warmup=warmup
        )

    def objective(point: Floats) -> float:
        predicted = np.concatenate([law(point).at(curve.rates, curve.steps) for curve in curves])
        return _huber(predicted, None, observed)[0]

    guess = [max(first.floor, 1e-3), max(first.scale, 1e-6), max(first.exponent, 1e-2), 0.1 / peak, 2.0, 0.5, 0.5]
    exponents = (1e-3, 4.0)
    box = np.log([(1e-6, 1e3), (1e-9, 1e6), exponents, (1e-4 / peak, 1e4 / peak), (1e-4, 1e4), exponents, exponents])
    found = [
        minimize(objective, np.log([*guess[:3], guess[3] * factor, *guess[4:]]), method="L-BFGS-B", bounds=box)
        for factor in (0.1, 1.0, 10.0)
    ]
    best: Any = min(found, key=lambda one: float(one.fun))
    fitted = law(best.x)
    names = [name for name in MultiPowerLaw.__slots__ if name != "objective"]
    return MultiPowerLaw(**{name: float(getattr(fitted, name)) for name in names}, objective=float(best.fun))


def _huber(predicted: Floats, slopes: Floats | None, observed: Floats) -> tuple[float, Floats]:
    """Returns the robust loss of log residuals and its gradient; huge where a predicted loss is no loss."""
    if not ((predicted > 0) & np.isfinite(predicted)).all():
        return 1e10, np.zeros(0 if slopes is None else len(slopes))
    residual = observed - np.log(predicted)
    size = np.abs(residual)
    value = float(np.where(size < HUBER, residual**2 / 2, HUBER * size - HUBER**2 / 2).sum())
    if slopes is None:
        return value, np.zeros(0)
    return value, -(slopes / predicted) @ np.clip(residual, -HUBER, HUBER)


def _best(
    objective: Callable[[Floats], tuple[float, Floats]], starts: Sequence[tuple[float, ...]]
) -> tuple[float, float, float, float, float]:
    """Returns the best point from all starts, and its value."""
    options = {"maxiter": 100_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-12}
    found: list[Any] = [
        minimize(objective, np.array(start), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 4, options=options)
        for start in starts
    ]
    best = min(found, key=lambda one: float(one.fun))
    floor, scale, annealing, exponent = (float(value) for value in best.x)
    return floor, scale, annealing, exponent, float(best.fun)
