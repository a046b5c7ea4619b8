"""The rule that turns weights into a cell: published results, ties, `none`, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from search_spaces.darts.cell import Cell, format_cell, parse_cell
from search_spaces.darts.derivation import derive, derive_fair, node_count
from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.vocabulary import DARTS, OPERATION_SETS, SHARPER

MAX_W_HEAD = "s3,0 d5,1 / mx,0 s7,2 / av,3 f3,0"


def one_hot_like(cell: Cell, operations: tuple[str, ...]) -> np.ndarray:
    """Weights whose strongest entries are the edges of a cell, in its order, [edges, operations]."""
    rows = np.full((sum(range(2, len(cell.nodes) + 2)), len(operations)), 0.01)
    start = 0
    for index, edges in enumerate(cell.nodes):
        for place, edge in enumerate(edges):
            rows[start + edge.source, operations.index(edge.operation)] = 0.99 - 0.1 * place
        start += index + 2
    return rows


def derivable(cell: Cell) -> bool:
    return len(cell.nodes) == 4 and all(len({edge.source for edge in edges}) == 2 for edges in cell.nodes)


def test_the_published_weights_give_the_published_cell(max_w):
    assert format_cell(derive(max_w, SHARPER)) == f"{MAX_W_HEAD} / f3,1 sk,2"
    assert derive(max_w, SHARPER) == DESIGNS["sharper-max-w"].cells.normal


def test_with_none_allowed_the_last_node_is_nothing(max_w):
    assert format_cell(derive(max_w, SHARPER, none_allowed=True)) == f"{MAX_W_HEAD} / n,4 n,3"
    assert derive(max_w, SHARPER, none_allowed=True) == DESIGNS["sharper-max-w-none"].cells.normal


@pytest.mark.parametrize("name", DESIGNS)
def test_weights_built_from_a_published_cell_give_that_cell(name):
    design = DESIGNS[name]
    for cell in (design.cells.normal, design.cells.reduce):
        if derivable(cell):
            operations = OPERATION_SETS[design.operations]
            assert derive(one_hot_like(cell, operations), operations, none_allowed=True) == cell


def test_most_published_cells_were_part_of_that_test():
    pairs = [pair for design in DESIGNS.values() for pair in (design.cells.normal, design.cells.reduce)]
    assert sum(map(derivable, pairs)) == 32


@given(seed=st.integers(0, 10**6), none_allowed=st.booleans())
def test_derived_cells_have_two_sources_per_node_and_are_fixed_points(seed, none_allowed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(8), size=14)
    cell = derive(weights, DARTS, none_allowed=none_allowed)
    assert derivable(cell) and cell.concat == (2, 3, 4, 5)
    assert none_allowed or "none" not in {edge.operation for edges in cell.nodes for edge in edges}
    assert derive(one_hot_like(cell, DARTS), DARTS, none_allowed=True) == cell


def test_of_equals_the_first_wins():
    assert format_cell(derive(np.ones((5, 8)), DARTS)) == "mx,0 mx,1 / mx,0 mx,1"


def test_none_competes_for_nothing_but_is_never_taken():
    weights = np.full((2, 8), 0.01)
    weights[0, 0], weights[0, 4], weights[1, 5] = 0.9, 0.02, 0.5
    assert format_cell(derive(weights, DARTS)) == "s5,1 s3,0"


def test_fewer_or_more_edges_per_node_can_be_kept(max_w):
    assert format_cell(derive(max_w, SHARPER, edges_per_node=1)) == "s3,0 / mx,0 / av,3 / f3,1"
    assert [len(edges) for edges in derive(max_w, SHARPER, edges_per_node=3).nodes] == [2, 3, 3, 3]


def test_fair_selection_keeps_what_is_above_the_threshold():
    weights = np.full((14, 8), 0.5)
    weights[:, 0] = 0.99  # none, never kept
    weights[0, 4], weights[0, 5], weights[1, 1] = 0.9, 0.95, 0.86  # node 2: two of state 0, the third is cut
    weights[6, 7], weights[8, 3] = 0.851, 0.85  # node 4: one above, one not above
    cell = derive_fair(weights, DARTS)
    assert format_cell(cell) == "s5,0 s3,0 / - / d5,1 / -"
    assert cell.concat == (2, 4)


@pytest.mark.parametrize("name", ["fair-darts-a", "fair-darts-b"])
def test_fair_selection_gives_the_published_fair_cells(name):
    for cell in (DESIGNS[name].cells.normal, DESIGNS[name].cells.reduce):
        assert derive_fair(one_hot_like(cell, DARTS), DARTS) == cell


def test_fair_selection_of_nothing_says_how_low_the_threshold_must_be():
    with pytest.raises(InvalidSetting, match=r"below the largest weight, 0\.5"):
        derive_fair(np.full((2, 8), 0.5), DARTS)


@pytest.mark.parametrize("shape", [(14, 7), (13, 8), (0, 8), (14,), (2, 14, 8), (104, 8)])
def test_shapes_of_no_cell_are_refused(shape):
    with pytest.raises(InvalidSetting, match=r"weights\.shape"):
        derive(np.ones(shape), DARTS)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(number):
    with pytest.raises(InvalidSetting, match="diverged"):
        derive(np.full((2, 8), number), DARTS)


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(InvalidSetting, match="beside none"):
        derive(np.ones((2, 1)), ("none",))
    with pytest.raises(InvalidSetting, match="edges_per_node"):
        derive(np.ones((2, 8)), DARTS, edges_per_node=0)


def test_edges_are_counted_into_nodes():
    assert [node_count(edges) for edges in (2, 5, 9, 14, 20, 3, 0)] == [1, 2, 3, 4, 5, None, None]
    assert node_count(14) == len(parse_cell("s3,0 / s3,0 / s3,0 / s3,0").nodes)
