"""From a matrix of operation weights to a discrete cell.

Why: differentiable searches end with a mixture on every edge, and what is evaluated is one cell. Sources: DARTS (Liu et
al. 2019, section 2.4), FairDARTS (Chu et al. 2020, arXiv 1911.12126). The rule: an edge is as strong as its strongest
operation, `none` aside, and each node keeps its two strongest edges, strongest first; the first of equals wins.
"""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automl.errors import InvalidSetting
from search_spaces.darts.cell import INPUTS, MOST_NODES, Cell, Edge
from search_spaces.darts.vocabulary import NONE

FAIR_THRESHOLD = 0.85


def derive(
    weights: ArrayLike, operations: Sequence[str], *, none_allowed: bool = False, edges_per_node: int = 2
) -> Cell:
    """Returns the cell of the strongest operation on each of the strongest edges.

    Args:
        weights: [edges, operations], finite; rows 0, 1 lead to the first node, the next three to the second, and so
            on, in the order of their source. Of DARTS softmax(alpha); of PC-DARTS times softmax(beta) of the edge.
        operations: names of the columns.
        none_allowed: whether `none` may be an edge's strongest operation.
        edges_per_node: edges kept, >= 1; a node with fewer inputs keeps them all.

    Raises:
        InvalidSetting: the shape is that of no cell, or a weight is not finite.
    """
    matrix = _checked(weights, operations)
    if edges_per_node < 1:
        raise InvalidSetting("edges_per_node", edges_per_node, "an int >= 1")
    usable = [column for column, name in enumerate(operations) if none_allowed or name != NONE]
    nodes = []
    for rows in _by_node(matrix):
        strengths = rows[:, usable]
        best = strengths.argmax(axis=1)  # the first of equals
        order = np.argsort(-strengths.max(axis=1), kind="stable")[:edges_per_node]
        nodes.append(tuple(Edge(operation=operations[usable[best[row]]], source=int(row)) for row in order))
    return Cell(nodes=tuple(nodes), concat=tuple(range(INPUTS, INPUTS + len(nodes))))


def derive_fair(
    weights: ArrayLike, operations: Sequence[str], *, threshold: float = FAIR_THRESHOLD, edges_per_node: int = 2
) -> Cell:
    """Returns the cell of all operations whose weight is above a threshold (FairDARTS, section 4.2).

    Operations of one edge do not compete: both of a node's edges may come from the same state, and a node may have
    fewer edges, or none; one without edges is no part of the output.

    Args:
        weights: [edges, operations], sigmoid(alpha).
        operations: names of the columns; `none` is never kept.
        threshold: in [0, 1).
        edges_per_node: most edges kept per node, strongest first, >= 1.

    Raises:
        InvalidSetting: as of `derive`, or no weight is above the threshold.
    """
    matrix = _checked(weights, operations)
    if edges_per_node < 1:
        raise InvalidSetting("edges_per_node", edges_per_node, "an int >= 1")
    usable = [column for column, name in enumerate(operations) if name != NONE]
    nodes = []
    for rows in _by_node(matrix):
        flat = rows[:, usable].ravel()
        order = [int(place) for place in np.argsort(-flat, kind="stable") if flat[place] > threshold]
        pairs = [divmod(place, len(usable)) for place in order[:edges_per_node]]
        nodes.append(tuple(Edge(operation=operations[usable[column]], source=row) for row, column in pairs))
    concat = tuple(state for state, edges in enumerate(nodes, INPUTS) if edges)
    if not concat:
        raise InvalidSetting("threshold", threshold, f"below the largest weight, {matrix[:, usable].max():.4g}")
    return Cell(nodes=tuple(nodes), concat=concat)


def node_count(edges: int) -> int | None:
    """Returns how many nodes a full cell with that many edges has, None where there is no such cell; 14 -> 4."""
    total = 0
    for nodes in range(1, MOST_NODES + 1):
        total += nodes + INPUTS - 1
        if total == edges:
            return nodes
    return None


def _checked(weights: ArrayLike, operations: Sequence[str]) -> NDArray[np.float64]:
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != len(operations) or node_count(matrix.shape[0]) is None:
        allowed = f"[edges, {len(operations)}] with 2, 5, 9, 14, ... edges (2 + 3 + ... into up to {MOST_NODES} nodes)"
        raise InvalidSetting("weights.shape", matrix.shape, allowed)
    if not np.isfinite(matrix).all():
        raise InvalidSetting("weights", "a number that is not finite", "finite numbers; the search has diverged")
    if all(name == NONE for name in operations):
        raise InvalidSetting("operations", tuple(operations), "at least one operation beside none")
    return matrix


def _by_node(matrix: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yields the rows of each node: 2, 3, 4, ... of them."""
    start = 0
    for inputs in count(INPUTS):
        if start == len(matrix):
            return
        yield matrix[start : start + inputs]
        start += inputs
