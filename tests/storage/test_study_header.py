"""The field that a refusal names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.storage.study_header import ABSENT, first_difference

STORED = {"space": {"name": "toy", "version": 1}, "seed": 0, "legs": [{"steps": 100}, {"steps": 200}]}


@pytest.mark.parametrize(
    ("given_header", "difference"),
    [
        (STORED, None),
        ({**STORED, "seed": 1}, ("seed", 0, 1)),
        ({**STORED, "space": {"name": "toy", "version": 2}}, ("space.version", 1, 2)),
        ({**STORED, "space": {"name": "toy"}}, ("space.version", 1, ABSENT)),
        ({**STORED, "extra": None}, ("extra", ABSENT, None)),
        ({**STORED, "legs": ({"steps": 100}, {"steps": 300})}, ("legs.1.steps", 200, 300)),
        ({**STORED, "legs": []}, ("legs", STORED["legs"], [])),
        ({**STORED, "seed": False}, ("seed", 0, False)),
        ({**STORED, "seed": "0", "legs": None}, ("legs", STORED["legs"], None)),
    ],
)
def test_first_difference_is_named(given_header: Any, difference: Any) -> None:
    assert first_difference(STORED, given_header) == difference


@given(st.recursive(st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=8))
def test_equal_headers_do_not_differ(header: Any) -> None:
    assert first_difference(header, header) is None
