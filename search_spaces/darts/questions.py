"""The questions whose answers are a pair of cells, and the answers that give one.

Why: asking, replaying and writing down must agree on every name. The rule: a node with p earlier states is asked for
`from0` in [0, p) and `from1` in [0, p - 1), which skips the first, so that every answer is two different states; the
first node has only two states to read and is not asked.
"""

from collections.abc import Sequence

from automl.canonical import JSON
from automl.contracts.space import Suggester
from automl.errors import InvalidGenotype
from search_spaces.darts.cell import INPUTS, Cell, CellPair, Edge

EDGES = 2
"""Edges of every node."""

KINDS = ("normal", "reduce")


def ask(trial: Suggester, *, nodes: int, operations: Sequence[str]) -> CellPair:
    """Asks for both cells: `normal2.op0`, `normal2.op1`, `normal3.op0`, ..., `normal3.from0`, ..., by state number."""
    normal, reduce = (_ask_cell(trial, kind, nodes=nodes, operations=operations) for kind in KINDS)
    return CellPair(normal=normal, reduce=reduce)


def answers(cells: CellPair, *, nodes: int, operations: Sequence[str]) -> dict[str, JSON]:
    """Returns the answers that `ask` would make these cells of.

    Raises:
        InvalidGenotype: a cell with other than `nodes` nodes, not all of them in the output, a node without exactly two
            edges from different states, or an operation that is not asked for.
    """
    found: dict[str, JSON] = {}
    for kind, cell in zip(KINDS, (cells.normal, cells.reduce), strict=True):
        if len(cell.nodes) != nodes or len(cell.concat) != nodes:
            shape = f"{len(cell.nodes)} nodes with {len(cell.concat)} in the output"
            raise InvalidGenotype(kind, shape, f"{nodes} nodes, all in the output")
        for state, edges in enumerate(cell.nodes, INPUTS):
            found |= _node_answers(f"{kind}{state}", edges, state=state, operations=operations)
    return found


def _ask_cell(trial: Suggester, kind: str, *, nodes: int, operations: Sequence[str]) -> Cell:
    asked = []
    for state in range(INPUTS, INPUTS + nodes):
        names = [trial.suggest_categorical(f"{kind}{state}.op{edge}", tuple(operations)) for edge in range(EDGES)]
        sources = (0, 1)
        if state > INPUTS:
            first = trial.suggest_int(f"{kind}{state}.from0", 0, state - 1)
            second = trial.suggest_int(f"{kind}{state}.from1", 0, state - 2)
            sources = (first, second + (second >= first))
        asked.append(tuple(Edge(operation=name, source=int(at)) for name, at in zip(names, sources, strict=True)))
    return Cell(nodes=tuple(asked), concat=tuple(range(INPUTS, INPUTS + nodes)))


def _node_answers(where: str, edges: Sequence[Edge], *, state: int, operations: Sequence[str]) -> dict[str, JSON]:
    sources = [edge.source for edge in edges]
    if len(sources) != EDGES or sources[0] == sources[1]:
        raise InvalidGenotype(where, f"edges from {sources}", f"{EDGES} edges from different states")
    for edge in edges:
        if edge.operation not in operations:
            raise InvalidGenotype(where, edge.operation, f"one of {', '.join(operations)}")
    if state == INPUTS:
        edges = sorted(edges, key=lambda edge: edge.source)
    found: dict[str, JSON] = {f"{where}.op{index}": edge.operation for index, edge in enumerate(edges)}
    if state > INPUTS:
        found |= {f"{where}.from0": sources[0], f"{where}.from1": sources[1] - (sources[1] > sources[0])}
    return found
