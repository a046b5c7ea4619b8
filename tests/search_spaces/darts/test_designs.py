"""Published cells: their networks have the published numbers of parameters, to the last digit."""

import pytest
import torch

from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.network import AuxiliaryNetwork, Network, NetworkPlan
from search_spaces.darts.operations import style_of


def parameters(name: str, *, operations: str | None = None, depth: int = 20, choke: int = 32, auxiliary=False) -> int:
    """Parameters of the network for CIFAR-10 with 36 channels, built without memory."""
    design = DESIGNS[name]
    style = style_of(operations or design.operations, choke=choke)
    plan = NetworkPlan(cells=design.cells, style=style, depth=depth, channels=36, auxiliary=auxiliary)
    with torch.device("meta"):
        network = (AuxiliaryNetwork if auxiliary else Network)(plan, 3, 10)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "settings", "count"),
    [
        ("darts-v1", {}, 3_169_414),
        ("darts-v2", {}, 3_349_342),
        ("darts-v2", {"operations": "sharpsepconv-darts"}, 3_529_270),
        ("sharpsepconv-darts", {}, 3_555_622),
        ("sharp-darts", {}, 1_974_934),
        ("sharper-scalar-none", {}, 3_250_846),
        ("sharper-max-w-none", {}, 4_697_614),
        ("sharpsepconv-darts-max-w", {"depth": 14}, 2_477_062),
        ("sharp-darts-max-w", {"depth": 14, "choke": 96}, 5_902_558),
        ("sharp-darts-max-w", {}, 8_306_022),
    ],
)
def test_networks_have_the_published_number_of_parameters(name, settings, count):
    assert parameters(name, **settings) == count


@pytest.mark.parametrize(("name", "millions"), [("fair-darts-a", 2.83), ("fair-darts-b", 3.88)])
def test_fair_networks_have_the_published_size_with_their_auxiliary_head(name, millions):
    """FairDARTS counts the head, prints two digits, and concatenates no node without edges."""
    assert int(parameters(name, auxiliary=True) / 1e4) / 100 == millions


def test_every_design_has_two_edges_per_node_unless_it_is_a_fair_one():
    for name, design in DESIGNS.items():
        cells = (design.cells.normal, design.cells.reduce)
        counts = {len(edges) for cell in cells for edges in cell.nodes}
        assert counts <= ({0, 1, 2} if name.startswith("fair") else {2}), name


def test_nasnet_and_amoebanet_have_five_nodes_and_their_own_outputs():
    nasnet, amoebanet = DESIGNS["nasnet"].cells, DESIGNS["amoebanet"].cells
    assert len(nasnet.normal.nodes) == len(amoebanet.reduce.nodes) == 5
    assert (nasnet.normal.concat, nasnet.reduce.concat) == ((2, 3, 4, 5, 6), (4, 5, 6))
    assert (amoebanet.normal.concat, amoebanet.reduce.concat) == ((4, 5, 6), (3, 4, 6))
