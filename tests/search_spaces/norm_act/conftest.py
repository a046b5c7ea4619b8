"""Graphs for the tests of this folder, as fixtures that return functions."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from search_spaces.norm_act.graph import FIRST, Node, Nodes, node, random_nodes
from search_spaces.norm_act.operators import COMMUTATIVE
from search_spaces.norm_act.reference import Parameters, evaluate, share

torch.set_num_threads(1)
CHANNELS, GROUPS = 4, 2


def _values(nodes: Nodes, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x, v0, v1 = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4, 2, 3), 4, 4))
    ones, zeros = torch.ones(CHANNELS, dtype=torch.float64), torch.zeros(CHANNELS, dtype=torch.float64)
    parameters = Parameters(v0=v0, v1=v1, gamma=ones, beta=zeros)
    return evaluate(share(nodes), x, parameters, groups=GROUPS, eps=1e-5)[0]


def _reordered(nodes: Nodes, rng: np.random.Generator) -> Nodes:
    """Another writing of the same graph: nodes in another legal order, arguments swapped where that is allowed."""
    place, written, waiting = list(range(FIRST)) + [-1] * len(nodes), [], list(range(len(nodes) - 1))
    while waiting:
        ready = [i for i in waiting if all(place[a] >= 0 for a in nodes[i][1:])]
        chosen = ready[int(rng.integers(len(ready)))]
        waiting.remove(chosen)
        place[chosen + FIRST] = FIRST + len(written)
        written.append(_moved(nodes[chosen], place, rng))
    return (*written, _moved(nodes[-1], place, rng))


def _moved(part: Node, place: list[int], rng: np.random.Generator) -> Node:
    arguments = [place[argument] for argument in part[1:]]
    return node(part[0], *(arguments[::-1] if part[0] in COMMUTATIVE and rng.random() < 0.5 else arguments))


def _random_graph(seed: int, *, intermediate: int = 10) -> Nodes:
    return random_nodes(np.random.default_rng(seed), intermediate=intermediate)


@pytest.fixture(scope="session")
def values() -> Callable[..., torch.Tensor]:
    """(nodes, seed=0) -> output in float64 on a random input, with random v0 and v1."""
    return _values


@pytest.fixture(scope="session")
def reordered() -> Callable[[Nodes, np.random.Generator], Nodes]:
    """(nodes, rng) -> another writing of the same graph."""
    return _reordered


@pytest.fixture(scope="session")
def random_graph() -> Callable[..., Nodes]:
    """(seed, intermediate=10) -> a random graph."""
    return _random_graph
