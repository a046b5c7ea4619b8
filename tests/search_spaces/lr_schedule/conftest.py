"""Random members of families for the tests of this folder, as fixtures that return functions."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from search_spaces.lr_schedule import LrScheduleSpace
from search_spaces.lr_schedule.families import Rule

torch.set_num_threads(1)


def _random_rule(family: str, seed: int) -> Rule:
    space = LrScheduleSpace(families=(family,))
    return space.rule(space.sample(np.random.default_rng(seed)).genotype)


def _rates_of_torch(make: Callable, steps: int) -> np.ndarray:
    """The learning rates that a torch scheduler gives to an optimizer with rate 1, [steps]."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return np.array(rates)


@pytest.fixture(scope="session")
def random_rule() -> Callable[[str, int], Rule]:
    """(family, seed) -> a random member of the family."""
    return _random_rule


@pytest.fixture(scope="session")
def rates_of_torch() -> Callable[[Callable, int], np.ndarray]:
    """(optimizer -> scheduler, steps) -> the rates it gives, for a peak of 1."""
    return _rates_of_torch
