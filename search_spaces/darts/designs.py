"""Published cells, as the papers and their code print them.

Why: designs seed searches, are compared against, and are oracles: the networks made of them have published sizes.
Sources: DARTS (1806.09055), sharpDARTS (1903.09900), PC-DARTS (1907.05737), P-DARTS (1904.12760), GDAS (1910.04465),
FairDARTS (1911.12126), NASNet (1707.07012) and AmoebaNet (1802.01548) as the code of DARTS has them. The rule: edges
stand in the published order; "-" is a node without edges, and nodes are separated by slashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from search_spaces.darts.cell import CellPair, parse_cell

OperationSet = Literal["darts", "sharpsepconv-darts", "sharp", "sharper"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A published pair of cells.

    Attributes:
        cells: the pair.
        operations: the set of operations it was published with.
    """

    cells: CellPair
    operations: OperationSet


def _design(
    operations: OperationSet,
    normal: str,
    reduce: str,
    *,
    concat: tuple[Sequence[int] | None, Sequence[int] | None] = (None, None),
) -> Design:
    cells = CellPair(normal=parse_cell(normal, concat=concat[0]), reduce=parse_cell(reduce, concat=concat[1]))
    return Design(cells=cells, operations=operations)


DESIGNS: Mapping[str, Design] = MappingProxyType(
    {
        "darts-v2": _design(
            "darts",
            "s3,0 s3,1 / s3,0 s3,1 / s3,1 sk,0 / sk,0 d3,2",
            "mx,0 mx,1 / sk,2 mx,1 / mx,0 sk,2 / sk,2 mx,1",
        ),
        "darts-v1": _design(
            "darts",
            "s3,1 s3,0 / sk,0 s3,1 / sk,0 s3,1 / s3,0 sk,2",
            "mx,0 mx,1 / sk,2 mx,0 / mx,0 sk,2 / sk,2 av,0",
        ),
        "one-shot": _design(
            "darts",
            "s3,0 s3,1 / s3,0 s3,2 / s3,1 sk,0 / sk,2 d3,3",
            "mx,0 s3,1 / mx,0 sk,2 / mx,1 sk,2 / sk,2 sk,3",
        ),
        "pc-darts-cifar": _design(
            "darts",
            "s3,1 sk,0 / s3,0 d3,1 / s5,0 s3,1 / av,0 d3,1",
            "s5,1 mx,0 / s5,1 s5,2 / s3,0 s3,3 / s3,1 s3,2",
        ),
        "pc-darts-imagenet": _design(
            "darts",
            "sk,1 s3,0 / s3,0 sk,1 / s3,1 s3,3 / s3,1 d5,4",
            "s3,0 sk,1 / d5,2 mx,1 / s3,2 s3,1 / s5,0 s3,3",
        ),
        "p-darts": _design(
            "darts",
            "sk,0 d3,1 / sk,0 s3,1 / s3,1 s3,3 / s3,0 d5,4",
            "av,0 s5,1 / s3,0 d5,2 / mx,0 d3,1 / d3,1 d5,3",
        ),
        "gdas-v1": _design(
            "darts",
            "sk,0 sk,1 / sk,0 s5,2 / s3,3 sk,0 / s5,4 s3,3",
            "s5,0 s3,1 / s5,2 s5,1 / d5,2 s3,1 / s5,0 s5,1",
        ),
        "fair-darts-a": _design(
            "darts",
            "s3,0 s5,1 / - / mx,0 / s3,0",
            "mx,0 av,1 / av,0 d5,1 / av,0 s5,1 / sk,0 sk,1",
            concat=((2, 4, 5), None),
        ),
        "fair-darts-b": _design(
            "darts",
            "s3,0 s3,1 / s3,1 / d3,0 s5,1 / d5,1",
            "sk,0 d3,1 / sk,0 d3,1 / mx,0 s3,1 / sk,2 mx,0",
        ),
        "sharpsepconv-darts": _design(
            "sharpsepconv-darts",
            "s3,0 s3,1 / s3,0 s3,2 / sk,0 s3,1 / sk,0 s3,1",
            "mx,0 sk,1 / sk,2 av,0 / sk,2 av,0 / sk,2 sk,3",
        ),
        "sharpsepconv-darts-max-w": _design(
            "sharpsepconv-darts",
            "d3,0 d5,1 / s3,2 d5,1 / av,2 s3,0 / av,4 mx,3",
            "mx,0 sk,1 / s5,0 sk,2 / s5,0 d5,3 / s5,4 sk,3",
        ),
        "sharp-darts": _design(
            "sharp",
            "c3,0 c3,1 / sk,0 c3,1 / sk,0 sk,1 / sk,0 sk,1",
            "mx,0 sk,1 / mx,0 sk,2 / mx,0 sk,2 / sk,2 f3,0",
        ),
        "sharp-darts-max-w": _design(
            "sharp",
            "s3,0 c3,1 / sk,0 d3,2 / df3,3 f3,0 / df3,0 f3,3",
            "mx,0 sk,1 / dc3,0 df3,2 / d3,0 sk,3 / f3,0 sk,3",
        ),
        "sharper-scalar": _design(
            "sharper",
            "sk,0 s3,1 / s3,1 sk,0 / df3,3 f3,1 / df3,3 d3,4",
            "mx,0 sk,1 / sk,1 av,0 / av,1 df3,0 / f3,3 sk,4",
        ),
        "sharper-scalar-none": _design(
            "sharper",
            "n,1 sk,0 / n,2 n,1 / n,2 n,1 / n,2 df3,3",
            "mx,0 sk,1 / sk,1 av,0 / av,1 df3,0 / n,4 f3,3",
        ),
        "sharper-max-w": _design(
            "sharper",
            "s3,0 d5,1 / mx,0 s7,2 / av,3 f3,0 / f3,1 sk,2",
            "f5,0 df3,1 / s3,0 sk,2 / s3,0 sk,2 / d5,4 s3,0",
        ),
        "sharper-max-w-none": _design(
            "sharper",
            "s3,0 d5,1 / mx,0 s7,2 / av,3 f3,0 / n,4 n,3",
            "f5,0 df3,1 / s3,0 sk,2 / s3,0 sk,2 / d5,4 s3,0",
        ),
        "nasnet": _design(
            "darts",
            "s5,1 s3,0 / s5,0 s3,0 / av,1 sk,0 / av,0 av,0 / s3,1 sk,1",
            "s5,1 s7,0 / mx,1 s7,0 / av,1 s5,0 / sk,3 av,2 / s3,2 mx,1",
            concat=((2, 3, 4, 5, 6), (4, 5, 6)),
        ),
        "amoebanet": _design(
            "darts",
            "av,0 mx,1 / s3,0 s5,2 / s3,0 av,3 / s3,1 sk,1 / sk,0 av,1",
            "av,0 s3,1 / mx,0 s7,2 / s7,0 av,1 / mx,0 mx,1 / c71,0 s3,5",
            concat=((4, 5, 6), (3, 4, 6)),
        ),
    }
)
"""Name -> design. "one-shot" is no published cell: a person's first guess, made without a search."""
