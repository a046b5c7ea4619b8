"""HyperCuboid: a grid of channels, strides and operations, searched by gradient or as a black box.

Read `plan` first (the axes), then `chain` (what a search ends in) and `grid` (all paths at once).
"""

from search_spaces.darts.hypercuboid.space import HyperCuboidSpace
from search_spaces.darts.hypercuboid.supernet_space import HyperCuboidSupernetSpace

__all__ = ["HyperCuboidSpace", "HyperCuboidSupernetSpace"]
