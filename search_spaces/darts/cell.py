"""A cell as data: nodes that add up operations on earlier states, and which nodes are concatenated.

Why: a genotype comes from files and tables, so it must be checked as data before anything is built from it. Source:
DARTS (Liu et al. 2019, section 2.1). The rule: states 0 and 1 are the outputs of the two cells before, node i is state
i + 2, and an edge of node i comes from a state < i + 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.canonical import JSON
from automl.errors import InvalidGenotype
from search_spaces.darts.vocabulary import LONG_NAMES, NONE, SHORT_NAMES

INPUTS = 2
MOST_NODES = 12
MOST_EDGES = 16
"""Edges of one node; a full cell of 12 nodes has at most 13."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edge:
    """One operation on one earlier state.

    Attributes:
        source: number of the state it reads.
        operation: a name of the vocabulary.
    """

    source: int
    operation: str

    def __post_init__(self) -> None:
        if type(self.operation) is not str or self.operation not in SHORT_NAMES:
            raise InvalidGenotype("operation", self.operation, f"one of {', '.join(SHORT_NAMES)}")
        if type(self.source) is not int or self.source < 0:
            raise InvalidGenotype("source", self.source, "the number of an earlier state, an int >= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A directed acyclic graph over states.

    Attributes:
        nodes: edges of each node; a node without edges is zero (FairDARTS prunes that far).
        concat: states whose channels are the output, increasing, each a node.
    """

    nodes: tuple[tuple[Edge, ...], ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.nodes) <= MOST_NODES:
            raise InvalidGenotype("nodes", f"{len(self.nodes)} nodes", f"1 to {MOST_NODES} nodes")
        for index, edges in enumerate(self.nodes):
            _check_node(edges, state=index + INPUTS)
        last = len(self.nodes) + INPUTS - 1
        legal = bool(self.concat) and all(type(state) is int and INPUTS <= state <= last for state in self.concat)
        if not legal or list(self.concat) != sorted(set(self.concat)):
            allowed = f"increasing numbers of nodes in [{INPUTS}, {last}], one or more"
            raise InvalidGenotype("concat", self.concat, allowed)

    def to_json(self) -> dict[str, JSON]:
        """Returns {"nodes": [[[operation, source], ...], ...], "concat": [...]}."""
        nodes: JSON = [[[edge.operation, edge.source] for edge in edges] for edges in self.nodes]
        return {"nodes": nodes, "concat": list(self.concat)}

    @classmethod
    def from_json(cls, data: Any, *, edges_per_node: int | None = None) -> "Cell":
        """Reads `to_json`'s form from an untrusted source.

        Args:
            data: anything.
            edges_per_node: how many edges each node must have; None = any number.

        Raises:
            InvalidGenotype: it is no cell; nothing larger than the bounds is walked through.
        """
        fields = _fields(data, ("nodes", "concat"))
        nodes = _array("nodes", fields["nodes"], most=MOST_NODES)
        concat = _array("concat", fields["concat"], most=MOST_NODES)
        read = tuple(_read_node(f"nodes[{index}]", edges, edges_per_node) for index, edges in enumerate(nodes))
        return cls(nodes=read, concat=tuple(concat))

    def canonical(self) -> "Cell":
        """Returns the cell that equal functions share.

        The edges of a node stand in a fixed order, `none` edges are left out, and so are, in the output, nodes that
        lost all of their edges (unless that were the whole output).
        """
        nodes = tuple(tuple(sorted(edge for edge in edges if edge.operation != NONE)) for edges in self.nodes)
        alive = tuple(state for state in self.concat if nodes[state - INPUTS])
        return Cell(nodes=nodes, concat=alive or self.concat[:1])


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPair:
    """What a network of the family is made of.

    Attributes:
        normal: the cell that keeps the resolution.
        reduce: the cell that halves it and doubles the channels.
    """

    normal: Cell
    reduce: Cell

    def to_json(self) -> dict[str, JSON]:
        """Returns {"normal": ..., "reduce": ...}."""
        return {"normal": self.normal.to_json(), "reduce": self.reduce.to_json()}

    @classmethod
    def from_json(cls, data: Any, *, edges_per_node: int | None = None) -> "CellPair":
        """Reads `to_json`'s form from an untrusted source.

        Raises:
            InvalidGenotype: it is no pair of cells.
        """
        fields = _fields(data, ("normal", "reduce"))
        normal, reduce = (Cell.from_json(fields[name], edges_per_node=edges_per_node) for name in ("normal", "reduce"))
        return cls(normal=normal, reduce=reduce)

    def canonical(self) -> "CellPair":
        """Returns the pair of canonical cells."""
        return CellPair(normal=self.normal.canonical(), reduce=self.reduce.canonical())


def parse_cell(text: str, *, concat: Sequence[int] | None = None) -> Cell:
    """Reads the short form of a cell, as tables print it: "s3,0 s3,1 / sk,0 d3,2".

    Args:
        text: nodes separated by " / ", edges by blanks, each "short name,state"; "-" is a node without edges.
        concat: states of the output; None = all nodes.

    Raises:
        InvalidGenotype: it is no such text.
    """
    nodes = tuple(_parse_node(node) for node in text.split("/"))
    return Cell(nodes=nodes, concat=tuple(concat or range(INPUTS, INPUTS + len(nodes))))


def format_cell(cell: Cell) -> str:
    """Returns the short form that `parse_cell` reads."""
    nodes = (" ".join(f"{SHORT_NAMES[edge.operation]},{edge.source}" for edge in edges) for edges in cell.nodes)
    return " / ".join(node or "-" for node in nodes)


def _parse_node(text: str) -> tuple[Edge, ...]:
    edges = text.split()
    if not edges:
        raise InvalidGenotype("node", text, "edges such as s3,0 s3,1, or - for none")
    return () if edges == ["-"] else tuple(map(_parse_edge, edges))


def _parse_edge(text: str) -> Edge:
    short, _, source = text.partition(",")
    if short not in LONG_NAMES or not (source.isascii() and source.isdigit() and len(source) <= 2):
        raise InvalidGenotype("edge", text, "short name,state such as s3,0")
    return Edge(operation=LONG_NAMES[short], source=int(source))


def _check_node(edges: tuple[Edge, ...], *, state: int) -> None:
    if len(edges) > MOST_EDGES:
        raise InvalidGenotype(f"node {state}", f"{len(edges)} edges", f"at most {MOST_EDGES} edges")
    for edge in edges:
        if edge.source >= state:
            raise InvalidGenotype(f"node {state}", f"an edge from state {edge.source}", f"states before {state}")


def _read_node(where: str, data: Any, edges_per_node: int | None) -> tuple[Edge, ...]:
    edges = _array(where, data, most=MOST_EDGES)
    if edges_per_node is not None and len(edges) != edges_per_node:
        raise InvalidGenotype(where, f"{len(edges)} edges", f"{edges_per_node} edges")
    for edge in edges:
        if len(_array(where, edge, most=2)) != 2:
            raise InvalidGenotype(where, edge, "edges [operation, source]")
    return tuple(Edge(operation=operation, source=source) for operation, source in edges)


def _fields(data: Any, names: tuple[str, str]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or set(data) != set(names):
        raise InvalidGenotype("$", data, f"an object with {names[0]!r} and {names[1]!r}")
    return data


def _array(where: str, data: Any, *, most: int) -> Sequence[Any]:
    if not isinstance(data, list | tuple):
        raise InvalidGenotype(where, data, "an array")
    if len(data) > most:
        raise InvalidGenotype(where, f"{len(data)} entries", f"at most {most}")
    return data
