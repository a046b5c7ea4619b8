"""Cells as data: round trips, bounds, and what is refused."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.canonical import dumps, loads
from automl.errors import InvalidGenotype
from search_spaces.darts.cell import MOST_EDGES, MOST_NODES, Cell, CellPair, Edge, format_cell, parse_cell
from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.vocabulary import SHORT_NAMES

V2 = "s3,0 s3,1 / s3,0 s3,1 / s3,1 sk,0 / sk,0 d3,2"


@st.composite
def cells(draw) -> Cell:
    """Any legal cell: any number of edges per node, any output."""
    nodes = []
    for index in range(draw(st.integers(1, 6))):
        edges = st.builds(Edge, operation=st.sampled_from(sorted(SHORT_NAMES)), source=st.integers(0, index + 1))
        nodes.append(draw(st.lists(edges, max_size=4)))
    concat = draw(st.sets(st.integers(2, len(nodes) + 1), min_size=1))
    return Cell(nodes=tuple(map(tuple, nodes)), concat=tuple(sorted(concat)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 20) | st.floats(allow_nan=False) | st.sampled_from(["none", "s3", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["nodes", "concat", "x"]), inner),
    max_leaves=12,
)


@given(cell=cells())
def test_cells_survive_json_and_their_short_form(cell):
    assert Cell.from_json(loads(dumps(cell.to_json()))) == cell
    assert parse_cell(format_cell(cell), concat=cell.concat) == cell


@pytest.mark.parametrize("name", DESIGNS)
def test_published_pairs_survive_json(name):
    pair = DESIGNS[name].cells
    assert CellPair.from_json(loads(dumps(pair.to_json()))) == pair


@settings(max_examples=150)
@given(data=json_values)
def test_data_that_is_no_cell_raises_nothing_but_invalid_genotype(data):
    for read in (Cell.from_json, CellPair.from_json):
        with pytest.raises(InvalidGenotype):
            read(data)


@settings(max_examples=80)
@given(cell=cells(), data=st.data())
def test_a_cell_with_one_part_replaced_is_read_or_refused(cell, data):
    """Fuzzing near the legal ones: no other exception, whatever stands in whatever place."""
    form = copy.deepcopy(cell.to_json())
    part = data.draw(st.sampled_from(["nodes", "concat"]))
    place = data.draw(st.integers(0, len(form[part]) - 1))
    form[part][place] = data.draw(json_values)
    try:
        read = Cell.from_json(form)
    except InvalidGenotype:
        return
    assert Cell.from_json(read.to_json()) == read


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ([[["sep_conv_3x3", 2], ["sep_conv_3x3", 1]]], "an edge from state 2"),
        ([[["sep_conv_3x3", 7]]], "an edge from state 7"),
        ([[["sep_conv_3x3", -1]]], "source is -1"),
        ([[["sep_conv_3x3", True]]], "source is True"),
        ([[["sep_conv_3x3", 0.0]]], "source is 0.0"),
        ([[["sep_conv_9x9", 0]]], "operation is 'sep_conv_9x9'"),
        ([[[["sep_conv_3x3"], 0]]], "operation is"),
        ([[["sep_conv_3x3"]]], r"edges \[operation, source\]"),
        ([[["sep_conv_3x3", 0, 1]]], "3 entries"),
        ([["sep_conv_3x3"]], "an array"),
        ([], "0 nodes"),
        ([[]] * (MOST_NODES + 1), "13 entries"),
        ([[["none", 0]] * (MOST_EDGES + 1)], "17 entries"),
    ],
)
def test_wrong_nodes_are_refused(nodes, complaint):
    with pytest.raises(InvalidGenotype, match=complaint):
        Cell.from_json({"nodes": nodes, "concat": [2]})


@pytest.mark.parametrize("concat", [[], [1], [2, 2], [3, 2], [7], [2.0], ["2"], [True]])
def test_an_output_that_is_no_set_of_nodes_is_refused(concat):
    with pytest.raises(InvalidGenotype, match="concat"):
        Cell.from_json({"nodes": parse_cell(V2).to_json()["nodes"], "concat": concat})


def test_the_number_of_edges_can_be_demanded():
    form = parse_cell("s3,0 / s3,0 s3,1").to_json()
    assert len(Cell.from_json(form).nodes) == 2
    with pytest.raises(InvalidGenotype, match=r"nodes\[0\] is '1 edges'"):
        Cell.from_json(form, edges_per_node=2)


@pytest.mark.parametrize("text", ["", "s3", "s3,", "s3,x", "s3,-1", "zz,0", "s3,0 s3,²", "s3,2", "s3,0 / s3,99"])
def test_text_that_is_no_cell_is_refused(text):
    with pytest.raises(InvalidGenotype):
        parse_cell(text, concat=[2])


def test_equal_cells_have_one_canonical_form():
    one, other = parse_cell("s3,1 n,0 / s3,1 sk,0"), parse_cell("s3,1 / sk,0 s3,1")
    assert one.canonical() == other.canonical() == parse_cell("s3,1 / sk,0 s3,1")


def test_a_node_of_nothing_leaves_the_output_unless_it_is_all_of_it():
    assert parse_cell("n,0 n,1 / s3,1 sk,0").canonical().concat == (3,)
    assert parse_cell("n,0 n,1 / n,1 n,0").canonical() == parse_cell("- / -", concat=[2])
