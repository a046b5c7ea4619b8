"""Where the tensors of a program lie in flat buffers, and the reductions that need to know.

Why: one kernel over all parameters instead of one per tensor. The rule: leaves follow each other in the order given; a
flat buffer may be handed over in parts, each part holding whole leaves, so that tensors that are large already can be
worked on where they are.
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from search_spaces.optimizer_program.reference import as_rows

Shape: TypeAlias = tuple[int, ...]
Parts: TypeAlias = tuple[Tensor, ...]
"""1-D tensors that make up one flat buffer, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Leaves in parts.

    Attributes:
        parts: shapes of the leaves of each part.
        sizes: numbers in each leaf of each part.
        lengths: numbers in each part.
    """

    parts: tuple[tuple[Shape, ...], ...]
    sizes: tuple[tuple[int, ...], ...] = field(init=False)
    lengths: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        sizes = tuple(tuple(math.prod(shape) for shape in part) for part in self.parts)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "lengths", tuple(sum(part) for part in sizes))

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return sum(self.lengths)

    @property
    def leaf_count(self) -> int:
        """How many leaves there are."""
        return sum(map(len, self.parts))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of all leaves, in order."""
        return tuple(shape for part in self.parts for shape in part)

    def cut(self, flat: Tensor) -> Parts:
        """Returns the parts of one flat buffer, as views."""
        return torch.split(flat, list(self.lengths))

    def leaves(self, parts: Parts) -> list[Tensor]:
        """Returns 1-D views, one per leaf."""
        return [leaf for part, sizes in zip(parts, self.sizes, strict=True) for leaf in torch.split(part, list(sizes))]

    def matrices(self, parts: Parts) -> list[Tensor]:
        """Returns views [rows, entries of a row], one per leaf; see `reference.as_rows`."""
        return [as_rows(leaf.view(shape)) for leaf, shape in zip(self.leaves(parts), self.shapes, strict=True)]


def inner(a: Parts, b: Parts, partial: Tensor, out: Tensor) -> None:
    """Writes the inner product of two buffers.

    Args:
        a: parts of one.
        b: parts of the other.
        partial: [parts], overwritten with the inner product of each part.
        out: 0-d.
    """
    for place, (first, second) in enumerate(zip(a, b, strict=True)):
        torch.dot(first, second, out=partial[place])
    torch.sum(partial, dim=0, out=out)


def leaf_inner(layout: Layout, a: Parts, b: Parts, out: Tensor) -> None:
    """Writes the inner products of each leaf of two buffers to `out`, [leaves]."""
    first, second = layout.leaves(a), layout.leaves(a if b is a else b)
    for place in range(layout.leaf_count):
        torch.dot(first[place], second[place], out=out[place])


def means(layout: Layout, source: Parts, target: Parts, *, dim: int) -> None:
    """Writes the mean over each row (dim 1) or over the first index (dim 0) to every entry that it is of."""
    for given, wanted in zip(layout.matrices(source), layout.matrices(target), strict=True):
        wanted.copy_(given.mean(dim=dim, keepdim=True).expand_as(given))


def spread(layout: Layout, values: Tensor, target: Parts) -> None:
    """Writes one number per leaf, [leaves], to every entry of the leaf."""
    for leaf, value in zip(layout.leaves(target), values, strict=True):
        leaf.copy_(value)
