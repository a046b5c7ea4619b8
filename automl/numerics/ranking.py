"""Which result is better: the one place where None and NaN are ordered.

Why one file: searchers, filters, reports and reranking must agree on what a missing number means. The rule: None, NaN
and infinities are absent numbers, and absent ranks below every number in either direction. Everything here works on
*utilities*: numbers turned so that higher is better, absent = -inf.

Source of fronts and crowding: Deb, Pratap, Agarwal, Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
NSGA-II", IEEE TEVC 6(2), 2002.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.errors import InvalidSetting

Direction: TypeAlias = Literal["maximize", "minimize"]
Floats: TypeAlias = NDArray[np.float64]

ABSENT = -math.inf


def utility(value: float | None, direction: Direction) -> float:
    """Returns the value turned so that higher is better; -inf where it is None, NaN or infinite.

    Raises:
        InvalidSetting: `direction` is neither "maximize" nor "minimize".
    """
    if direction not in ("maximize", "minimize"):
        raise InvalidSetting("direction", direction, "'maximize' or 'minimize'")
    if value is None or not math.isfinite(value):
        return ABSENT
    return float(value) if direction == "maximize" else -float(value)


def utilities(rows: Sequence[Sequence[float | None]], directions: Sequence[Direction]) -> Floats:
    """Returns the utilities of several results, [results, objectives].

    Args:
        rows: one number (or None) per objective and result.
        directions: one per objective; sets the width, also when there are no rows.
    """
    cells = [[utility(value, way) for value, way in zip(row, directions, strict=True)] for row in rows]
    return np.array(cells, dtype=np.float64).reshape(len(rows), len(directions))


def order(values: Sequence[float | None], direction: Direction) -> list[int]:
    """Returns indices from best to worst; absent numbers come last, ties keep their order."""
    keys = [utility(value, direction) for value in values]
    return sorted(range(len(keys)), key=lambda index: -keys[index])


def best(values: Sequence[float | None], direction: Direction) -> int | None:
    """Returns the index of the best number, the first among equals; None where every one is absent."""
    ranked = order(values, direction)
    return ranked[0] if ranked and utility(values[ranked[0]], direction) != ABSENT else None


def domination(scores: Floats) -> NDArray[np.bool_]:
    """Returns [results, results]: whether row i dominates row j (no worse anywhere, better somewhere).

    Args:
        scores: utilities, [results, objectives].
    """
    no_worse = np.all(scores[:, None, :] >= scores[None, :, :], axis=2)
    better = np.any(scores[:, None, :] > scores[None, :, :], axis=2)
    return np.asarray(no_worse & better, dtype=np.bool_)


def front(scores: Floats) -> NDArray[np.bool_]:
    """Returns [results]: whether a row is non-dominated and has at least one number.

    Equal rows are on the front together; a row without any number never is.

    Args:
        scores: utilities, [results, objectives].
    """
    known = np.any(scores != ABSENT, axis=1)
    return np.asarray(known & ~np.any(domination(scores), axis=0), dtype=np.bool_)


def pareto_ranks(scores: Floats) -> NDArray[np.int64]:
    """Returns [results]: 0 on the first front, 1 on the front once that is taken away, and so on.

    Args:
        scores: utilities, [results, objectives].
    """
    if scores.shape[1] == 1:
        return np.unique(-scores[:, 0], return_inverse=True)[1].astype(np.int64)
    ranks = np.full(len(scores), -1, dtype=np.int64)
    over = domination(scores)
    beaten_by = over.sum(axis=0)
    rank = 0
    while (left := ranks < 0).any():
        unbeaten = left & (beaten_by == 0)
        ranks[unbeaten] = rank
        beaten_by -= over[unbeaten].sum(axis=0)
        rank += 1
    return ranks


def crowding(scores: Floats) -> Floats:
    """Returns [results]: the crowding distance within one front, sum over objectives of (next - previous) / range.

    The two ends of each objective get inf. Absent numbers neither count as ends nor widen the range, and an objective
    with a single value adds nothing; so the result never holds NaN.

    Args:
        scores: utilities of one front, [results, objectives].
    """
    distance = np.zeros(len(scores))
    for column in scores.T:
        known = np.flatnonzero(column != ABSENT)
        if not len(known):
            continue
        sorted_rows = known[np.argsort(column[known], kind="stable")]
        sorted_scores = column[sorted_rows]
        distance[sorted_rows[[0, -1]]] = np.inf
        span = sorted_scores[-1] - sorted_scores[0]
        if span > 0:
            distance[sorted_rows[1:-1]] += (sorted_scores[2:] - sorted_scores[:-2]) / span
    return distance


def pareto_order(scores: Floats) -> list[int]:
    """Returns indices from best to worst: by front, then the less crowded first, then by position.

    With one objective this is `order`. Rows without any number come last.

    Args:
        scores: utilities, [results, objectives].
    """
    ranks = pareto_ranks(scores)
    spread = np.zeros(len(scores))
    if scores.shape[1] > 1:
        for rank in np.unique(ranks):
            spread[ranks == rank] = crowding(scores[ranks == rank])
    keys: list[Any] = [(int(ranks[i]), -float(spread[i]), i) for i in range(len(scores))]
    return sorted(range(len(scores)), key=keys.__getitem__)
