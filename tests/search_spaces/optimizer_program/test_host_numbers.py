"""Scalar functions on Python floats equal the reference operations in float64, also where Python would raise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.optimizer_program.host_numbers import evaluate
from search_spaces.optimizer_program.reference import CONSTANTS, ELEMENTWISE

NUMBERS = st.one_of(st.floats(-20, 20), st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e300, -1e300, math.inf, math.nan]))


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=40, deadline=None)
@given(numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_numbers_are_those_of_the_reference(name, numbers):
    count = 1
    while True:
        given_tensors = [torch.tensor(x, dtype=torch.float64) for x in numbers[:count]]
        try:
            expected = ELEMENTWISE[name](*given_tensors)
            break
        except TypeError:
            count += 1
    ours = torch.tensor(evaluate(name, list(numbers[:count])), dtype=torch.float64)
    torch.testing.assert_close(ours, expected, rtol=1e-13, atol=1e-300, equal_nan=True)


def test_constants_are_those_of_the_reference():
    assert {name: evaluate(name, []) for name in CONSTANTS} == CONSTANTS
