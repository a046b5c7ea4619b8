"""Who becomes a parent: the tournament of evolution, on EvoTorch's functional operators.

Why apart: importing EvoTorch costs seconds, so only evolution, once chosen, comes by here. The rule: EvoTorch reads NaN
as "not evaluated yet", so it is given utilities only (`automl.numerics.ranking`: higher is better, absent = -inf). The
operators used here draw no random numbers; where one winner of several is drawn, the caller's generator does it.

Source of the Pareto rule: Liu, Brock, Simonyan, Le, "Evolving Normalization-Activation Layers", NeurIPS 2020.
"""

import numpy as np
import torch
from evotorch.operators.functional import domination_counts, take_best

from automl.numerics.ranking import Floats


def winner(scores: Floats, rng: np.random.Generator) -> int:
    """Returns the row that wins the tournament.

    With one objective the best row wins, the first among equals. With several it is drawn uniformly from the rows that
    no other row dominates, so that an objective with a wide spread does not decide alone.

    Args:
        scores: utilities of the contenders, [contenders, objectives], at least one of each.
        rng: draws from the front; untouched with one objective.
    """
    evals = torch.from_numpy(np.ascontiguousarray(scores))
    if evals.shape[1] == 1:
        rows = torch.arange(len(evals)).reshape(-1, 1)
        best, _ = take_best(rows, evals[:, 0], objective_sense="max")
        return int(best)
    dominated = domination_counts(evals, objective_sense=["max"] * evals.shape[1])
    unbeaten = np.flatnonzero(dominated.numpy() == 0)
    return int(unbeaten[rng.integers(len(unbeaten))])
