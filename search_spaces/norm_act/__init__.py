"""Normalization-activation layers as graphs of primitive operators (Liu et al. 2020, EvoNorm, arXiv 2004.02967).

Read `graph` first (the representation), then `operators` (what a node computes) and `space` (what is proposed).
"""

from search_spaces.norm_act.space import NormActSpace

__all__ = ["NormActSpace"]
