"""Chains: round trips, and errors that say what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.canonical import dumps, loads
from automl.errors import InvalidGenotype
from search_spaces.darts.hypercuboid.chain import Chain, read_chain, to_chain, to_genotype
from search_spaces.darts.hypercuboid.plan import PRIMITIVES

widths = st.integers(1, 4096)
half = st.lists(st.tuples(widths, st.sampled_from(PRIMITIVES)), min_size=1, max_size=8)
pairs = half.map(lambda part: (*part, *reversed(part)))
chains = st.builds(lambda stem, steps: Chain(stem=stem, steps=steps), widths, pairs)


@given(chain=chains)
def test_a_chain_survives_answers_json_and_text(chain):
    assert to_chain(loads(dumps(to_genotype(chain)))) == chain
    assert read_chain(str(chain)) == chain


def test_the_line_of_text_is_the_published_form():
    chain = Chain(stem=32, steps=((32, "sharp_sep_conv"), (64, "resizable_pool")))
    assert str(chain) == "32: 32S 64R"
    assert to_genotype(chain) == {
        "stem": 32,
        "channels1": 32,
        "operation1": "sharp_sep_conv",
        "channels2": 64,
        "operation2": "resizable_pool",
    }


LEGAL = to_genotype(read_chain("32: 32S 64R"))


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({**LEGAL, "stem": 0}, "stem"),
        ({**LEGAL, "stem": True}, "stem"),
        ({**LEGAL, "channels2": 1 << 20}, "channels2"),
        ({**LEGAL, "channels2": "64"}, "channels2"),
        ({**LEGAL, "operation1": "conv"}, "operation1"),
        ({**LEGAL, "operation1": ["sharp_sep_conv"]}, "operation1"),
        ({**LEGAL, "channels3": 8}, r"\$"),
        ({**LEGAL, "channels3": 8, "operation3": "resizable_pool"}, "3 steps"),
        ({name: value for name, value in LEGAL.items() if name != "operation2"}, "operation2|2"),
        ({}, "stem"),
        ([], "object"),
        ("32: 32S 64R", "object"),
    ],
    ids=repr,
)
def test_data_that_is_no_chain_says_where_it_is_wrong(data, where):
    with pytest.raises(InvalidGenotype, match=where):
        to_chain(data)


@pytest.mark.parametrize(
    "text", ["", "32:", "32: 32X 64R", "32 32S 64R", "32: 32S", "32: 32S  64R", "0: 8S 8S", "32: ٣S ٣S"], ids=repr
)
def test_text_that_is_no_chain_is_refused(text):
    with pytest.raises(InvalidGenotype):
        read_chain(text)
