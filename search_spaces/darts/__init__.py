"""Cells of the DARTS family: published cells, the networks made of them, and the search for new ones.

Read `vocabulary` first (the operations), then `cell` (what a cell is) and `space` (what is proposed).
"""
