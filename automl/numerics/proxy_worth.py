"""What a cheap proxy is worth in a study: how well it ranks the trials whose training is known.

Why: a proxy that orders one search space well may say nothing of another, or mislead; only the study's own trials can
tell. The rule: every column (an architecture's score, an objective's value) is turned into ranks and their mean over
the columns is one number per trial, so that no scale outweighs another; worth something is a proxy whose interval of
the rank correlation lies above zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from automl.canonical import JSON, finite
from automl.numerics.correlation import mean_ranks, spearman, spearman_interval

ProxyName: TypeAlias = Literal["synflow", "grad_norm", "snip", "grasp", "jacob_cov", "naswot", "parameters", "flops"]
PROXIES: tuple[ProxyName, ...] = get_args(ProxyName)
"""What a probe can score a freshly built model with; for every one of them more is said to be better."""

Row: TypeAlias = Sequence[float | None]
"""One number per column (architecture or objective); None = absent."""


def score_row(proxy: str, measurements: Mapping[str, Mapping[str, JSON]]) -> Row:
    """Returns a trial's score on every architecture; None where it is undefined or was not measured."""
    scores = [measured.get(proxy) for measured in measurements.values()]
    return [score if isinstance(score, int | float) else None for score in scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyWorth:
    """How a proxy ranks trials.

    Attributes:
        trials: with a score and a value in every column.
        correlation: Spearman's rank correlation of score and value (more is better), None where one is constant.
        low: lower end of its bootstrap interval, None where there is none.
        high: upper end.
    """

    trials: int
    correlation: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def reliable(self) -> bool:
        """Whether the interval lies above zero."""
        return self.low is not None and self.low > 0


def proxy_worth(
    scores: Sequence[Row],
    values: Sequence[Row],
    *,
    directions: Sequence[Literal["maximize", "minimize"]],
    rng: np.random.Generator,
    level: float = 0.95,
) -> ProxyWorth:
    """Compares scores and values of the same trials.

    Args:
        scores: [trials][architectures].
        values: [trials][objectives].
        directions: of the objectives.
        rng: draws the resamples of trials.
        level: of the interval, in (0, 1).
    """
    known = [(s, v) for s, v in zip(scores, values, strict=True) if _whole(s) and _whole(v)]
    if len(known) < 2:
        return ProxyWorth(trials=len(known))
    signs = [1 if direction == "maximize" else -1 for direction in directions]
    score = _mean_rank([row for row, _ in known], signs=[1] * len(known[0][0]))
    value = _mean_rank([row for _, row in known], signs=signs)
    correlation = spearman(score.tolist(), value.tolist())
    if correlation is None:
        return ProxyWorth(trials=len(known))
    low, high = spearman_interval(score, value, rng=rng, level=level)
    return ProxyWorth(trials=len(known), correlation=correlation, low=low, high=high)


def share_below(row: Row, others: Sequence[Row]) -> float | None:
    """Returns the share of the others that score below a row, ties counted half, as the mean over the columns.

    Args:
        row: [columns].
        others: [others][columns]; those with an absent number are left out.

    Returns:
        A share in [0, 1]; None where the row has an absent number or no other is left.
    """
    known = np.array([other for other in others if _whole(other)], dtype=np.float64)
    if not _whole(row) or not len(known):
        return None
    mine = np.array(row, dtype=np.float64)
    return float(((known < mine) + 0.5 * (known == mine)).mean())


def _whole(row: Row) -> bool:
    return bool(row) and all(finite(number) is not None for number in row)


def _mean_rank(rows: Sequence[Row], *, signs: Sequence[int]) -> NDArray[np.float64]:
    """Returns [rows]: the mean over the columns of each row's rank."""
    table = np.array(rows, dtype=np.float64) * np.array(signs)
    ranks: NDArray[np.float64] = np.mean([mean_ranks(column) for column in table.T], axis=0)
    return ranks
