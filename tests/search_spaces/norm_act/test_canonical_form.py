"""The canonical form: what it merges, and that it never changes a function."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.norm_act.canonical_form import FormTable, simplify
from search_spaces.norm_act.graph import Nodes, pad


@given(seed=st.integers(0, 10**6))
def test_order_names_swaps_and_padding_do_not_change_the_form(seed, random_graph, reordered):
    nodes = random_graph(seed)
    other = pad(reordered(nodes, np.random.default_rng(seed)), intermediate=13)
    assert simplify(other) == simplify(nodes)


@given(seed=st.integers(0, 10**6))
def test_the_form_does_not_depend_on_what_the_table_has_seen(seed, random_graph):
    table = FormTable()
    for before in range(5):
        table.root(random_graph(seed + before + 1))
    nodes = random_graph(seed)
    root = table.root(nodes)
    assert table.nodes(root) == simplify(nodes)
    assert table.digests[root] == (fresh := FormTable()).digests[fresh.root(nodes)]


@given(seed=st.integers(0, 10**6))
def test_simplifying_twice_changes_nothing(seed, random_graph):
    short = simplify(random_graph(seed))
    assert simplify(short) == short


def test_simplifying_never_changes_the_function(random_graph, values):
    for seed in range(1000):
        nodes = random_graph(seed, intermediate=14)
        before, after = values(nodes), values(simplify(nodes))
        if bool(torch.isfinite(before).all()) and before.abs().max() < 1e12:
            torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("nodes", "short"),
    [
        ((("neg", 0), ("neg", 4)), (("add", 0, 1),)),
        ((("max", 0, 0),), (("add", 0, 1),)),
        ((("neg", 0), ("add", 0, 4)), (("add", 1, 1),)),
        ((("mul", 0, 1),), (("add", 1, 1),)),
        ((("exp", 1), ("mul", 0, 4), ("div", 5, 4)), (("add", 0, 1),)),
        ((("mul", 0, 0),), (("square", 0),)),
        ((("abs", 0), ("square", 4)), (("square", 0),)),
        ((("neg", 0), ("max", 0, 4)), (("abs", 0),)),
        ((("neg", 0), ("rms_wh", 4)), (("rms_wh", 0),)),
        ((("abs", 0), ("max", 4, 1)), (("abs", 0),)),
        ((("mean_wh", 0), ("mean_wh", 4)), (("mean_wh", 0),)),
        ((("mean_whcg", 0), ("mean_wh", 4), ("std_wh", 5)), (("std_wh", 1),)),
        ((("mean_bwh", 2),), (("add", 2, 1),)),
        ((("sigmoid", 0), ("sigmoid", 0), ("add", 4, 5)), (("sigmoid", 0), ("add", 4, 4))),
    ],
)
def test_exact_rewrites_by_example(nodes, short):
    assert simplify(nodes) == short


@pytest.mark.parametrize(
    "nodes",
    [
        (("exp", 0), ("mul", 4, 1)),
        (("exp", 0), ("neg", 4), ("add", 4, 5)),
        (("div", 0, 0),),
        (("square", 0), ("sqrt", 4)),
        (("neg", 0), ("sigmoid", 4)),
        (("neg", 2), ("div", 0, 4)),
    ],
    ids=["overflow times zero", "overflow minus itself", "x/x near zero", "guarded root", "sigmoid", "sign of -0"],
)
def test_rewrites_that_are_not_exact_are_not_made(nodes):
    assert len(simplify(nodes)) == len(nodes)


def test_a_deep_chain_of_doublings_stays_small():
    doublings: Nodes = (("add", 0, 0), *(("add", i, i) for i in range(4, 60)))
    assert len(simplify(doublings)) == len(doublings)
