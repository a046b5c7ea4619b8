"""Memory of a compiled program: taken once, cut into blocks.

Why: a block of temporaries that stays in the cache is faster than a buffer per temporary, and smaller. The rule: slots
of one block are views of the same places in all whole buffers; block temporaries are shared by all blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from search_spaces.optimizer_program.kernels import KEEP, MASK, NEEDS_MASK, Slots
from search_spaces.optimizer_program.layout import Layout, Parts
from search_spaces.optimizer_program.lowering import Values
from search_spaces.optimizer_program.placement import Placement
from search_spaces.optimizer_program.selection import Instruction
from search_spaces.optimizer_program.vocabulary import LEAVES

BLOCK_NUMBERS: Final = 1 << 17
"""Numbers of one block on CPU (0.5 MiB in float32): measured best from 1 to 16 million parameters, by up to a third."""
_EDGE: Final = 64
"""Blocks start at multiples of this, so that kernels find their data aligned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Tensors of a compiled program.

    Attributes:
        blocks: slots of each block, in the order of the parts; those of w, g, v1, v2 are filled by `give`.
        bounds: (part, first number, length) of each block.
        small: slot -> numbers that blocks share, 0-d or one per leaf.
        wholes: slot -> parts of buffers that outlive a pass; w, g, v1, v2 among them.
        keeps: what weight decay leaves of w, 0-d, one per part.
    """

    blocks: list[Slots]
    bounds: list[tuple[int, int, int]]
    small: dict[int, Tensor]
    wholes: dict[int, Parts]
    keeps: list[Tensor]

    def scratch(self) -> list[Tensor]:
        """Returns all tensors but w, g, v1 and v2."""
        shared = [tensor for slots in self.blocks for tensor in slots[KEEP:]]
        return [*shared, *(part for slot, parts in self.wholes.items() if slot >= KEEP for part in parts)]

    def give(self, slot: int, parts: Parts) -> None:
        """Says where a whole buffer lies."""
        self.wholes[slot] = parts
        for slots, (part, start, length) in zip(self.blocks, self.bounds, strict=True):
            given = parts[part]
            slots[slot] = given if length == given.shape[0] else given.narrow(0, start, length)


def take_memory(
    placed: Placement, values: Values, chosen: Sequence[Instruction], layout: Layout, *, like: Tensor
) -> Workspace:
    """Returns the memory that a placement asks for.

    Args:
        placed: slots.
        values: says which numbers there is one of per leaf.
        chosen: instructions; says whether booleans are needed.
        layout: leaves in parts.
        like: gives dtype and device.
    """
    bounds = block_bounds(layout, block=BLOCK_NUMBERS if like.device.type == "cpu" else layout.total)
    longest = max(length for _, _, length in bounds)
    nothing = like.new_empty(0)
    keeps = [like.new_ones(()) for _ in layout.parts]
    blocks: list[Slots] = [[nothing] * placed.slot_count for _ in bounds]
    temporaries = {slot: like.new_empty(longest) for slot in placed.block_slots}
    if any(one.operation in NEEDS_MASK for one in chosen):
        temporaries[MASK] = torch.empty(longest, dtype=torch.bool, device=like.device)
    small = {
        placed.slots[node]: like.new_empty(layout.leaf_count if values.graph.kinds[node] == LEAVES else ())
        for node in placed.small
    }
    for slots, (part, _, length) in zip(blocks, bounds, strict=True):
        slots[KEEP] = keeps[part]
        for slot, number in small.items():
            slots[slot] = number
        for slot, buffer in temporaries.items():
            slots[slot] = buffer if length == longest else buffer[:length]
    space = Workspace(blocks=blocks, bounds=bounds, small=small, wholes={}, keeps=keeps)
    for slot in placed.whole_slots:
        space.give(slot, layout.cut(like.new_empty(layout.total)))
    return space


def block_bounds(layout: Layout, *, block: int) -> list[tuple[int, int, int]]:
    """Returns (part, first number, length) of blocks of about equal length, none much longer than 1.5 `block`."""
    bounds = []
    for part, length in enumerate(layout.lengths):
        pieces = max(1, round(length / max(1, block)))
        size = max(_EDGE, -(-length // pieces // _EDGE) * _EDGE)
        bounds += [(part, start, min(size, length - start)) for start in range(0, max(1, length), size)]
    return bounds
