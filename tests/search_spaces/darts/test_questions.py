"""Questions and answers: every answer is a legal cell, every such cell has its answers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.authoring.answers import RandomAnswers, RecordedAnswers
from automl.errors import InvalidGenotype
from search_spaces.darts.cell import CellPair, format_cell, parse_cell
from search_spaces.darts.questions import answers, ask
from search_spaces.darts.vocabulary import DARTS

SAME = parse_cell("mx,0 mx,1 / mx,0 sk,2 / mx,1 sk,2 / sk,3 av,0")


def replayed(found, nodes=4):
    return ask(RecordedAnswers(found), nodes=nodes, operations=DARTS)


@given(seed=st.integers(0, 10**6), nodes=st.integers(1, 8))
def test_random_answers_are_cells_with_two_different_sources_per_node(seed, nodes):
    pair = ask(RandomAnswers(np.random.default_rng(seed)), nodes=nodes, operations=DARTS)
    for cell in (pair.normal, pair.reduce):
        assert all(len({edge.source for edge in edges}) == 2 for edges in cell.nodes)
    assert replayed(answers(pair, nodes=nodes, operations=DARTS), nodes) == pair


def test_every_ordered_pair_of_sources_has_one_answer():
    drawn = Counter()
    for first in range(4):
        for second in range(3):
            found = answers(CellPair(normal=SAME, reduce=SAME), nodes=4, operations=DARTS)
            edges = replayed({**found, "normal4.from0": first, "normal4.from1": second}).normal.nodes[2]
            drawn[tuple(edge.source for edge in edges)] += 1
    assert len(drawn) == 12 and set(drawn.values()) == {1}


def test_the_first_node_is_not_asked_where_its_edges_come_from():
    found = answers(CellPair(normal=parse_cell("s3,1 sk,0"), reduce=parse_cell("mx,0 mx,1")), nodes=1, operations=DARTS)
    assert list(found) == ["normal2.op0", "normal2.op1", "reduce2.op0", "reduce2.op1"]
    assert format_cell(replayed(found, 1).normal) == "sk,0 s3,1"


@pytest.mark.parametrize(
    ("text", "concat", "complaint"),
    [
        ("mx,0 mx,1 / mx,0 sk,2", None, "2 nodes"),
        ("mx,0 mx,1 / mx,0 sk,2 / mx,1 sk,2 / sk,3 av,0", (2, 3), "2 in the output"),
        ("mx,0 mx,1 / mx,0 / mx,1 sk,2 / sk,3 av,0", None, r"normal3 is 'edges from \[0\]'"),
        ("mx,0 mx,0 / mx,0 sk,2 / mx,1 sk,2 / sk,3 av,0", None, "normal2"),
        ("mx,0 mx,1 / mx,0 f3,2 / mx,1 sk,2 / sk,3 av,0", None, "flood_conv_3x3"),
    ],
)
def test_cells_outside_of_the_space_have_no_answers(text, concat, complaint):
    with pytest.raises(InvalidGenotype, match=complaint):
        answers(CellPair(normal=parse_cell(text, concat=concat), reduce=SAME), nodes=4, operations=DARTS)
