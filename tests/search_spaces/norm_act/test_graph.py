"""Graphs as tuples and as genotypes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from search_spaces.norm_act.graph import (
    FIRST,
    INPUT,
    V1,
    ZERO,
    Nodes,
    depth,
    drop_dead,
    live,
    pad,
    random_nodes,
    to_genotype,
    to_nodes,
)
from search_spaces.norm_act.operators import BINARY, OPERATORS

EVONORM_S0: Nodes = (("mul", 0, 3), ("sigmoid", 4), ("std_whcg", 0), ("div", 0, 6), ("mul", 7, 5))


def random_graph(seed: int, *, intermediate: int = 10) -> Nodes:
    return random_nodes(np.random.default_rng(seed), intermediate=intermediate)


def test_liveness_follows_arguments_back_from_the_output():
    nodes: Nodes = (("neg", V1), ("tanh", INPUT), ("exp", 4), ("add", 5, ZERO))
    assert live(nodes) == [True, True, False, False, False, True, False, True]


def test_dropping_dead_nodes_renumbers_the_rest():
    nodes: Nodes = (("neg", V1), ("tanh", INPUT), ("exp", 4), ("add", 5, 5))
    assert drop_dead(nodes) == (("tanh", INPUT), ("add", 4, 4))


def test_padding_puts_dead_nodes_in_front_and_moves_references():
    padded = pad(EVONORM_S0, intermediate=7)
    assert padded[:2] == (("neg", ZERO), ("neg", ZERO))
    assert padded[2:] == (("mul", 0, 3), ("sigmoid", 6), ("std_whcg", 0), ("div", 0, 8), ("mul", 9, 7))
    assert drop_dead(padded) == EVONORM_S0


def test_padding_to_fewer_nodes_names_the_number_needed():
    with pytest.raises(InvalidSetting, match="at least 5"):
        pad(EVONORM_S0, intermediate=4)


def test_a_genotype_asks_for_a_second_argument_of_binary_operators_only():
    assert to_genotype((("neg", 0), ("add", 4, 0))) == {"op4": "neg", "a4": 0, "op5": "add", "a5": 4, "b5": 0}


@given(seed=st.integers(0, 10**6), intermediate=st.integers(1, 20))
def test_nodes_and_genotypes_are_each_others_inverse(seed, intermediate):
    nodes = random_graph(seed, intermediate=intermediate)
    assert to_nodes(to_genotype(nodes)) == nodes


@given(seed=st.integers(0, 10**6))
def test_random_nodes_read_earlier_values_only(seed):
    for index, (operator, *arguments) in enumerate(random_graph(seed), FIRST):
        assert operator in OPERATORS
        assert len(arguments) == (2 if operator in BINARY else 1)
        assert all(0 <= argument < index for argument in arguments)


def test_depth_is_the_longest_way_from_a_given_value():
    assert depth(EVONORM_S0) == [0, 0, 0, 0, 1, 2, 1, 2, 3]
