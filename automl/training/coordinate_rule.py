"""Whether an update rule normalises each coordinate by itself, as Adam does, or follows the gradient, as SGD does.

Why: a schedule refined from gradient norms reads the l1 norm for the one kind and the l2 norm for the other (Defazio et
al., arXiv 2310.07831). The rule: it is seen from what the rule does, so that no list of names has to be kept.
"""

import math

import torch

from automl.contracts import UpdateRule

STEPS = 5
SCALE = 100.0
"""How many times larger the gradient of the second coordinate is; SGD moves it as many times further, Adam as far."""


def normalises_coordinates(rule: UpdateRule) -> bool:
    """Returns whether two coordinates whose gradients differ by a constant factor move nearly equally far.

    Args:
        rule: from a source that may run here.
    """
    gradients = {"plain": torch.tensor([0.01, 0.01 * SCALE])}
    start = parameters = {"plain": torch.ones(2)}
    state = rule.init(parameters, shapes={"plain": [(2,)]})
    for step in range(STEPS):
        moved, state = rule.step(
            parameters, gradients, state, learning_rate=1e-3, weight_decay={"plain": 0.0}, step=step
        )
        parameters = dict(moved)
    small, large = (parameters["plain"] - start["plain"]).abs().tolist()
    return bool(small > 0 and large / small < math.sqrt(SCALE))
