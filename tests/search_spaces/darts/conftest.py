"""Data and random members of the family, for the tests of this folder."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from automl.contracts import Signature
from search_spaces.darts.cell import CellPair
from search_spaces.darts.network import NetworkFactory, NetworkPlan
from search_spaces.darts.operations import style_of
from search_spaces.darts.space import DartsSpace

torch.set_num_threads(1)

MAX_W = """
.0064 .0045 .0048 .0053 .9306 .0070 .0069 .0070 .0064 .0066 .0069 .0076
.0527 .0296 .0307 .0398 .0742 .0773 .0469 .1153 .2443 .1075 .0677 .1140
.0392 .5563 .0226 .0266 .0424 .0451 .0452 .0414 .0485 .0419 .0433 .0476
.0692 .0517 .0510 .0607 .0794 .2549 .0680 .0732 .0677 .0699 .0744 .0799
.0454 .0421 .0343 .0414 .0426 .0447 .5136 .0453 .0458 .0522 .0464 .0460
.0111 .0090 .0093 .0099 .0111 .0114 .0113 .0108 .0111 .8829 .0108 .0113
.0610 .0434 .0440 .0507 .0652 .0654 .0673 .0664 .0790 .0715 .3231 .0629
.0512 .0389 .0340 .4399 .0558 .0542 .0536 .0563 .0582 .0515 .0535 .0529
.0081 .0071 .9128 .0058 .0081 .0083 .0082 .0083 .0082 .0085 .0083 .0082
.0772 .0519 .0568 .0651 .0911 .1073 .1002 .1074 .0702 .0717 .0935 .1075
.0779 .0605 .0629 .0704 .0858 .0788 .0745 .0790 .0771 .1685 .0820 .0824
.0795 .0674 .0584 .1416 .0774 .0742 .0791 .0843 .0848 .0799 .0824 .0909
.5488 .0359 .0321 .0295 .0464 .0443 .0413 .0444 .0459 .0438 .0430 .0445
.6040 .0317 .0297 .0233 .0423 .0379 .0389 .0354 .0369 .0379 .0445 .0376
"""
"""Normal-cell weights of SHARPER_MAX_W as the code of sharpDARTS prints them: rows = edges, columns = SHARPER."""


@pytest.fixture(scope="session")
def max_w() -> np.ndarray:
    """[14, 12], a published result of a search."""
    return np.array([[float(number) for number in line.split()] for line in MAX_W.split("\n") if line])


def _random_pair(seed: int, operations: str = "darts", nodes: int = 4, *, none_allowed: bool = False) -> CellPair:
    space = DartsSpace(operations=operations, nodes=nodes, none_allowed=none_allowed)
    return space.pair(space.sample(np.random.default_rng(seed)).genotype)


def _built(
    cells: CellPair, *, signature: Signature, operations: str = "darts", seed: int = 0, **plan
) -> torch.nn.Module:
    factory = NetworkFactory(plan=NetworkPlan(cells=cells, style=style_of(operations), **plan))
    return factory(signature, None, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def random_pair() -> Callable[..., CellPair]:
    """(seed, operations, nodes, none_allowed) -> a random pair of cells."""
    return _random_pair


@pytest.fixture(scope="session")
def built() -> Callable[..., torch.nn.Module]:
    """(cells, signature, operations, seed, **plan) -> an initialised network."""
    return _built


@pytest.fixture(scope="session")
def digits() -> Signature:
    """Small grey images of ten classes."""
    return Signature(inputs=(1, 8, 8), outputs=(10,))
