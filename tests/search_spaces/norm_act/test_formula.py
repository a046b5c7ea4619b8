"""Formulas in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.norm_act.formula import formula
from search_spaces.norm_act.graph import pad
from search_spaces.norm_act.zoo import DESIGNS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("evonorm-s0", "x*sigmoid(v1*x)/std_whcg(x)"),
        ("evonorm-b0", "x/max(std_bwh(x), v1*x + std_wh(x))"),
        ("evonorm-b1", "x/max(std_bwh(x), (x + 1)*rms_wh(x))"),
        ("evonorm-b2", "x/max(std_bwh(x), rms_wh(x) - x)"),
        ("bn-relu", "max(v1*(x - mean_bwh(x))/std_bwh(x) + v0, 0)"),
        ("squared-relu", "max(x, 0)^2"),
        ("softplus", "log(exp(x) + 1)"),
        ("crrelu", "max(x, 0) + v0*x*exp(-x^2/(1 + 1))"),
    ],
)
def test_published_designs_read_as_in_the_papers(name, text):
    assert formula(DESIGNS[name]) == text


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ((("add", 0, 1),), "x"),
        ((("mul", 0, 1),), "0"),
        ((("square", 0), ("square", 4)), "(x^2)^2"),
        ((("neg", 0), ("square", 0), ("add", 4, 5)), "x^2 - x"),
        ((("add", 0, 2), ("div", 3, 4), ("div", 5, 0)), "v1/(x + v0)/x"),
        ((("div", 0, 2), ("div", 3, 4)), "v1/(x/v0)"),
        ((("neg", 0), ("div", 2, 4)), "v0/(-x)"),
    ],
)
def test_parentheses_stand_where_they_are_needed(nodes, text):
    assert formula(nodes) == text


def test_a_graph_whose_tree_is_huge_names_what_it_shares():
    doublings = (("tanh", 0), *(("mul", i, i - 1) for i in range(5, 64)))
    line = formula((("tanh", 0), ("exp", 4), *(("mul", i, i - 1) for i in range(5, 63))))
    assert len(doublings) == 60
    assert len(line) < 1500
    assert line.startswith("t1 = ")
    assert "\n" not in line


@given(seed=st.integers(0, 10**6))
def test_parentheses_are_balanced_and_writing_does_not_matter(random_graph, seed):
    nodes = random_graph(seed)
    line = formula(nodes)
    assert line and line.count("(") == line.count(")")
    assert formula(pad(nodes, intermediate=12)) == line
