"""What runs an annealing law was fitted on, and so what the law may be asked.

Why: a law of loss curves is an interpolation between the schedules it has seen; past them it can be fooled into
promising a low loss (see `annealing_law.plausible`). The rule: peak and horizon are those of the runs, warm-up, decay
and cold tail no longer than theirs, and a schedule that is out of range is refused by name.

Learning rates are handed to a law in units in which the peak of the runs is `LAW_PEAK`, that of the authors: the
fit starts from their grid, and from there it finds nothing where rates are a thousand times larger.

Sources: as of `annealing_law`; the guards are those of its reviewers (OpenReview), their lengths are set here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automl.errors import InvalidSetting
from automl.numerics.annealing_law import LEAST_POINTS, Floats, RecordedCurve, plausible

LAW_PEAK = 2e-4
MOST_POINTS = 40
"""Points of a curve that a law is fitted to; the authors use 20, and more cost time alone."""
SETTLING = 0.05
"""Share of a run whose losses are left out: the law knows nothing of how a run gets going. The authors' script too."""
AT_PEAK = 0.999
MEMORY = 0.05
"""Share of the horizon over which a fall of the learning rate takes effect, 1 / (1 - lambda) steps: 1,000 of the
authors' 20,000. Their lambda itself, 0.999, on a run of 600 steps ranked eight unseen schedules the wrong way round
(rank correlation -0.52, mean error 1.8 %); the same share of the run +0.93 and 0.70 %."""
COLD = 0.01
"""Below this share of the peak next to nothing is trained, while the law goes on promising."""
TOLERANCE = 0.05
"""Share of the horizon by which warm-up, decay and cold tail may be longer than any seen."""
LARGEST = 1_000.0
"""A factor on the peak learning rate above it is taken for a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """The range of some runs' schedules.

    Attributes:
        peak: learning rate, > 0, the same in all of them.
        steps: T >= 4, the same in all of them.
        warmup: longest, in steps.
        shortest_decay: from the last step at the peak to the end, in steps.
        longest_decay: the same of the run where it took longest.
        cold: most steps after the peak that are below 1 % of it.
    """

    peak: float
    steps: int
    warmup: int
    shortest_decay: int
    longest_decay: int
    cold: int

    def refusal(self, multipliers: ArrayLike, *, peak: float | None = None) -> str:
        """Returns why the law must not be asked about a schedule, "" where it may.

        Args:
            multipliers: [T] factors on the peak learning rate.
            peak: the schedule's own; None = that of the runs.
        """
        values = np.asarray(multipliers, dtype=np.float64)
        own = self.peak if peak is None else peak
        if values.shape != (self.steps,):
            return f"{values.size} steps, where the law was fitted on {self.steps}"
        if not np.isfinite(values).all() or values.min() < 0:
            return "a learning rate that is negative or not finite"
        if abs(own - self.peak) > 1e-6 * self.peak:
            return f"peak {own:g}, where the law was fitted at {self.peak:g}"
        if abs(float(values.max()) - 1) > 1e-3:
            return f"{values.max():g} times the peak learning rate at most, where the law was fitted at 1"
        if found := plausible(_rates(values / values.max()), like=self._like()):
            return found
        slack = max(2, round(TOLERANCE * self.steps))
        warmup, decay, cold = lengths(values)
        if warmup > self.warmup + slack:
            return f"{warmup} steps of warm-up, where the law has seen at most {self.warmup}"
        if not self.shortest_decay - slack <= decay <= self.longest_decay + slack:
            seen = f"{self.shortest_decay} to {self.longest_decay}"
            return f"{decay} steps of decay, where the law has seen {seen}"
        if cold > self.cold + slack:
            return f"{cold} steps below {COLD:g} of its peak, where the law has seen at most {self.cold}"
        return ""

    def _like(self) -> RecordedCurve:
        steps = np.arange(1, LEAST_POINTS + 1)
        return RecordedCurve(rates=np.full(self.steps + 1, LAW_PEAK), steps=steps, losses=np.ones(LEAST_POINTS))


def experience_of(schedules: Sequence[ArrayLike], *, peak: float) -> Experience:
    """Returns the range of runs of one peak and one horizon.

    Args:
        schedules: at least one, each [T] factors on the peak, T >= 4.
        peak: learning rate, > 0.
    """
    curves = [checked_multipliers(one) for one in schedules]
    horizons = {len(one) for one in curves}
    if len(horizons) != 1 or min(horizons) < LEAST_POINTS:
        raise InvalidSetting("schedules", sorted(horizons), f"schedules of one length, at least {LEAST_POINTS} steps")
    warmups, decays, colds = zip(*map(lengths, curves), strict=True)
    return Experience(
        peak=peak,
        steps=horizons.pop(),
        warmup=max(warmups),
        shortest_decay=min(decays),
        longest_decay=max(decays),
        cold=max(colds),
    )


def decay_of(steps: int) -> float:
    """Returns lambda of the annealing law for a horizon: 1 - 1/(0.05 T), at least 1/2."""
    return 1 - 1 / max(2.0, MEMORY * steps)


def lengths(multipliers: Floats) -> tuple[int, int, int]:
    """Returns the lengths of warm-up, decay and cold tail in steps, of [T] factors with some above 0."""
    peak = float(multipliers.max())
    high = np.flatnonzero(multipliers >= AT_PEAK * peak)
    after = multipliers[int(high[0]) :]
    return int(high[0]), len(multipliers) - 1 - int(high[-1]), int((after < COLD * peak).sum())


def checked_multipliers(values: ArrayLike, *, name: str = "schedule") -> Floats:
    """Returns factors on the peak learning rate as an array, [T].

    Raises:
        InvalidSetting: fewer than 2, no numbers, negative, not finite, absurdly large, or nothing above 0.
    """
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidSetting(name, _shown(values), "numbers, one factor on the peak learning rate per step") from error
    if found.ndim != 1 or len(found) < 2:
        raise InvalidSetting(name, _shown(values), "one factor per step, at least 2 steps")
    wrong = np.flatnonzero(~np.isfinite(found) | (found < 0) | (found > LARGEST))
    if len(wrong):
        step = int(wrong[0])
        allowed = f"finite factors on the peak learning rate in [0, {LARGEST:g}], usually at most 1"
        raise InvalidSetting(f"{name}[{step}]", float(found[step]), allowed)
    if not found.max() > 0:
        raise InvalidSetting(name, "0 at every step", "a learning rate > 0 somewhere")
    return found


def law_rates(multipliers: ArrayLike) -> Floats:
    """Returns the learning rates as a law reads them, [T + 1] of [T] factors: entry s is the rate of the s-th step.

    Everything before the peak is held at the peak, as the law knows no warm-up; entry 0 repeats the first step.
    """
    return _rates(checked_multipliers(multipliers))


def recorded_curve(
    multipliers: ArrayLike, *, steps: Sequence[int], losses: Sequence[float | None]
) -> RecordedCurve:
    """Returns a run as a law is fitted to it.

    Args:
        multipliers: [T] factors on the peak learning rate.
        steps: steps done at each measurement, increasing.
        losses: as many validation losses; None, and what was measured while the run got going, is left out.

    Raises:
        InvalidSetting: a schedule or a curve that is none, or too few points.
    """
    values = checked_multipliers(multipliers)
    if len(steps) != len(losses):
        raise InvalidSetting("curve", (len(steps), len(losses)), "as many losses as steps")
    if any(later <= earlier for earlier, later in pairwise(steps)):
        raise InvalidSetting("steps", list(steps[:6]), "increasing steps")
    first = max(lengths(values)[0], int(SETTLING * len(values)))
    kept = [(step, loss) for step, loss in zip(steps, losses, strict=True) if loss is not None and step > first]
    if len(kept) < LEAST_POINTS:
        allowed = f"at least {LEAST_POINTS} measured losses after step {first}; measure more often, or train longer"
        raise InvalidSetting("curve", f"{len(kept)} points", allowed)
    places = np.linspace(0, len(kept) - 1, min(MOST_POINTS, len(kept))).round()
    chosen: NDArray[np.int64] = np.unique(places.astype(np.int64))
    return RecordedCurve(
        rates=_rates(values),
        steps=np.array([kept[place][0] for place in chosen], dtype=np.int64),
        losses=np.array([kept[place][1] for place in chosen], dtype=np.float64),
    )


def _rates(multipliers: Floats) -> Floats:
    held = LAW_PEAK * multipliers
    top = int(held.argmax())
    held[:top] = held[top]
    rates: Floats = np.concatenate([held[:1], held])
    return rates


def _shown(values: object) -> str:
    text = repr(values)
    return text if len(text) <= 60 else text[:57] + "..."
