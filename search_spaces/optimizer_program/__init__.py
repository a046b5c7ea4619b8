"""Optimizer programs: update rules as straight-line typed programs (the search space in which Lion was found).

Paper: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms" (arXiv 2302.06675).
"""

from search_spaces.optimizer_program.space import OptimizerProgramSpace

__all__ = ["OptimizerProgramSpace"]
