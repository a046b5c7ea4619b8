"""Cells of the DARTS family: published cells, the networks made of them, and the search for new ones.

Read `vocabulary` first (the operations), then `cell` (what a cell is) and `space` (what is proposed).
"""

from search_spaces.darts.space import DartsSpace

__all__ = ["DartsSpace"]
