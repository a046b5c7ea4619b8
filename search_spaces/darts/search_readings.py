"""What is read off the architecture weights of a running search, and the cells derived from them.

Why: entropies show whether a search has decided, and skip connections whether it collapses. The rule: pure functions of
the mixing weights; a search that has blown up has no numbers and no cells.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from automl.errors import InvalidSetting
from search_spaces.darts.cell import INPUTS, CellPair
from search_spaces.darts.derivation import derive
from search_spaces.darts.vocabulary import NONE

SKIPS = "skips"
SKIP = "skip_connect"
KINDS = ("normal", "reduce")

Weights = NDArray[np.float64]


def derived_pair(mixing: Mapping[str, Weights], operations: Sequence[str]) -> CellPair | None:
    """Returns the cells of the two strongest edges per node, None where the weights are not finite.

    FairDARTS's cells, which may have fewer edges, are not offered: the space of derived cells asks for two per node.

    Args:
        mixing: "normal" and "reduce", [edges, operations]; without a column for `none` where the search has none.
        operations: of the set, in its order.
    """
    try:
        normal, reduce = (derive(mixing[kind], columns_of(mixing[kind], operations)) for kind in KINDS)
    except InvalidSetting:
        return None
    return CellPair(normal=normal, reduce=reduce)


def columns_of(weights: Weights, operations: Sequence[str]) -> tuple[str, ...]:
    """Returns the operations of the columns: the set, or the set without `none`."""
    if weights.shape[1] == len(operations):
        return tuple(operations)
    return tuple(name for name in operations if name != NONE)


def readings_of(mixing: Mapping[str, Weights], cells: CellPair | None, *, edges: bool) -> dict[str, float | None]:
    """Returns mean entropies in nats and the number of skip connections in the normal cell.

    Args:
        mixing: as of `derived_pair`.
        cells: derived from it.
        edges: whether edges are weighted as well (partial channels); then their entropy within a node is read too.
    """
    found: dict[str, float | None] = {}
    for kind in KINDS:
        found[f"entropy_{kind}"] = _entropy(mixing[kind])
        if edges:
            found[f"entropy_{kind}_edges"] = _edge_entropy(mixing[kind])
    skips = None if cells is None else sum(edge.operation == SKIP for node in cells.normal.nodes for edge in node)
    return {**found, SKIPS: skips}


def _entropy(weights: Weights) -> float:
    """Returns the mean over rows of the entropy of a row as shares, [rows, columns] >= 0."""
    totals = weights.sum(axis=1, keepdims=True)
    shares = weights / np.where(totals > 0, totals, 1.0)
    terms = np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1.0)), 0.0)
    return float(-terms.sum(axis=1).mean() + 0.0)


def _edge_entropy(weights: Weights) -> float:
    """Returns the mean over nodes of the entropy of their edges' shares; rows belong to nodes as in `derive`."""
    strengths, start, found = weights.sum(axis=1), 0, []
    for inputs in range(INPUTS, len(strengths) + 1):
        if start >= len(strengths):
            break
        found.append(_entropy(strengths[None, start : start + inputs]))
        start += inputs
    return float(np.mean(found))
