"""Neighbours, children and simplifications of pairs of cells.

Why: moves on the cell itself keep what belongs together: an operation with its source, a node with its edges. Source:
Real et al. 2019 ("Regularized evolution", arXiv 1802.01548, section 3.2). The rule: the edges of a node keep different
sources.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from search_spaces.darts.cell import INPUTS, Cell, CellPair, Edge
from search_spaces.darts.vocabulary import SHORT_NAMES

_CHEAP = {False: "skip_connect", True: "max_pool_3x3"}
"""Whether an edge halves the size -> the operation without weights that stands in for a convolution."""


def mutant(cells: CellPair, rng: np.random.Generator, *, operations: Sequence[str]) -> CellPair:
    """Returns the cells with another operation, or another source, on one edge drawn uniformly."""
    kind = "normal" if rng.random() < 0.5 else "reduce"
    cell: Cell = getattr(cells, kind)
    index = int(rng.integers(len(cell.nodes)))
    place = int(rng.integers(len(cell.nodes[index])))
    edge = cell.nodes[index][place]
    taken = {other.source for other in cell.nodes[index]}
    sources = [state for state in range(index + INPUTS) if state not in taken]
    names = [name for name in operations if name != edge.operation]
    if sources and (rng.random() < 0.5 or not names):
        changed = replace(edge, source=sources[int(rng.integers(len(sources)))])
    else:
        changed = replace(edge, operation=names[int(rng.integers(len(names)))]) if names else edge
    return _with(cells, (kind, index, place), changed)


def child(first: CellPair, second: CellPair, rng: np.random.Generator) -> CellPair:
    """Returns cells with each node from either of two pairs of the same size, with equal chance."""
    mixed = []
    for one, other in ((first.normal, second.normal), (first.reduce, second.reduce)):
        coins = rng.random(len(one.nodes)) < 0.5
        pairs = zip(one.nodes, other.nodes, coins.tolist(), strict=True)
        mixed.append(Cell(nodes=tuple(left if coin else right for left, right, coin in pairs), concat=one.concat))
    return CellPair(normal=mixed[0], reduce=mixed[1])


def reductions(cells: CellPair, *, operations: Sequence[str]) -> Iterator[CellPair]:
    """Yields the cells with one convolution less, where what stands in for it is among the operations."""
    for kind, cell in (("normal", cells.normal), ("reduce", cells.reduce)):
        for index, edges in enumerate(cell.nodes):
            for place, edge in enumerate(edges):
                cheap = _CHEAP[kind == "reduce" and edge.source < INPUTS]
                if "conv" in edge.operation and cheap in operations:
                    yield _with(cells, (kind, index, place), replace(edge, operation=cheap))


def listing(cells: CellPair) -> tuple[tuple[str, str], ...]:
    """Returns for each node its edges in short form, and in words."""
    lines = []
    for kind, cell in (("normal", cells.normal), ("reduce", cells.reduce)):
        for state, edges in enumerate(cell.nodes, INPUTS):
            short = " ".join(f"{SHORT_NAMES[edge.operation]},{edge.source}" for edge in edges)
            words = " + ".join(f"{edge.operation}({_state(edge.source)})" for edge in edges)
            output = "" if state in cell.concat else ", not in the output"
            lines.append((f"{kind} {state} = {short or '-'}", (words or "nothing") + output))
    return tuple(lines)


def _state(number: int) -> str:
    return ("cell k-2", "cell k-1")[number] if number < INPUTS else f"node {number}"


def _with(cells: CellPair, at: tuple[str, int, int], edge: Edge) -> CellPair:
    """Returns the cells with another edge at (kind, node, place)."""
    kind, index, place = at
    cell: Cell = getattr(cells, kind)
    edges = (*cell.nodes[index][:place], edge, *cell.nodes[index][place + 1 :])
    nodes = (*cell.nodes[:index], edges, *cell.nodes[index + 1 :])
    changed = replace(cell, nodes=nodes)
    return replace(cells, normal=changed) if kind == "normal" else replace(cells, reduce=changed)
