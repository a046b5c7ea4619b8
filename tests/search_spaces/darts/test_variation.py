"""Mutants differ in one edge, children take whole nodes, reductions lose one convolution."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.darts.cell import CellPair, format_cell, parse_cell
from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.variation import child, listing, mutant, reductions
from search_spaces.darts.vocabulary import DARTS

V2 = DESIGNS["darts-v2"].cells
seeds = st.integers(0, 10**6)


def edges(cells: CellPair) -> list:
    return [edge for cell in (cells.normal, cells.reduce) for node in cell.nodes for edge in node]


@given(seed=seeds)
def test_a_mutant_differs_in_the_operation_or_the_source_of_one_edge(seed):
    other = mutant(V2, np.random.default_rng(seed), operations=DARTS[1:])
    changed = [(one, two) for one, two in zip(edges(V2), edges(other), strict=True) if one != two]
    assert len(changed) == 1
    one, two = changed[0]
    assert (one.operation != two.operation) != (one.source != two.source)
    assert all(len({edge.source for edge in node}) == 2 for cell in (other.normal, other.reduce) for node in cell.nodes)


def test_operations_and_sources_of_both_cells_are_changed_about_as_often():
    rng = np.random.default_rng(0)
    mutants = [mutant(V2, rng, operations=DARTS[1:]) for _ in range(2000)]
    assert 0.45 < sum(one.normal == V2.normal for one in mutants) / 2000 < 0.55
    moved = sum([a.source for a in edges(one)] != [b.source for b in edges(V2)] for one in mutants)
    assert 0.32 < moved / 2000 < 0.43  # half of three quarters: the first node's sources are fixed


@given(one=seeds, other=seeds, seed=seeds)
def test_a_child_has_every_node_from_a_parent(random_pair, one, other, seed):
    first, second = random_pair(one), random_pair(other)
    mixed = child(first, second, np.random.default_rng(seed))
    for kind in ("normal", "reduce"):
        nodes = [getattr(pair, kind).nodes for pair in (mixed, first, second)]
        assert all(node in (left, right) for node, left, right in zip(*nodes, strict=True))


def test_reductions_replace_each_convolution_by_what_has_no_weights():
    cells = CellPair(normal=parse_cell("s3,0 sk,1 / mx,0 d5,2"), reduce=parse_cell("s3,0 mx,1 / sk,0 d3,2"))
    shorter = list(reductions(cells, operations=DARTS))
    assert [format_cell(one.normal) for one in shorter[:2]] == ["sk,0 sk,1 / mx,0 d5,2", "s3,0 sk,1 / mx,0 sk,2"]
    assert [format_cell(one.reduce) for one in shorter[2:]] == ["mx,0 mx,1 / sk,0 d3,2", "s3,0 mx,1 / sk,0 sk,2"]
    assert not list(reductions(cells, operations=("sep_conv_3x3",)))


def test_a_listing_names_every_node_and_says_what_is_not_in_the_output():
    lines = listing(CellPair(normal=parse_cell("s3,0 sk,1 / - / mx,3 n,2", concat=[2, 4]), reduce=V2.reduce))
    assert lines[0] == ("normal 2 = s3,0 sk,1", "sep_conv_3x3(cell k-2) + skip_connect(cell k-1)")
    assert lines[1] == ("normal 3 = -", "nothing, not in the output")
    assert lines[2] == ("normal 4 = mx,3 n,2", "max_pool_3x3(node 3) + none(node 2)")
    assert len(lines) == 3 + 4
