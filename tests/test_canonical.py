"""Canonical JSON: equal values have equal text and digests; what is no JSON is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.canonical import digest, dumps, finite, loads
from automl.errors import NotCanonical

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_reading_gives_back_what_was_written(value: object) -> None:
    assert loads(dumps(value)) == value


@given(values)
def test_writing_what_was_read_gives_the_same_text(value: object) -> None:
    text = dumps(value)
    assert dumps(loads(text)) == text


@given(st.dictionaries(st.text(), scalars, min_size=2), st.randoms())
def test_order_of_keys_does_not_matter(value: dict[str, object], random: object) -> None:
    names = list(value)
    random.shuffle(names)
    shuffled = {name: value[name] for name in names}
    assert dumps(shuffled) == dumps(value)
    assert digest(shuffled) == digest(value)


def test_text_is_pinned() -> None:
    assert dumps({"b": [1, 2.5, None], "a": "ä"}) == r'{"a":"\u00e4","b":[1,2.5,null]}'


def test_digest_is_pinned() -> None:
    """`b2sum -l 64` of the text `{"a":1}`; a changed digest orphans every stored study."""
    assert digest({"a": 1}) == "1f8c00645b7df6ce"
    assert len(digest({"a": 1}, size_bytes=16)) == 32


@given(values, values)
def test_different_values_have_different_digests(first: object, second: object) -> None:
    assert (digest(first) == digest(second)) == (dumps(first) == dumps(second))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), {"a": [float("nan")]}])
def test_numbers_that_are_not_finite_are_refused(value: object) -> None:
    with pytest.raises(NotCanonical, match="null"):
        dumps(value)


@pytest.mark.parametrize("value", [{1, 2}, object(), {(1, 2): 3}, b"bytes"])
def test_objects_are_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        dumps(value)


def test_endless_nesting_is_refused_both_ways() -> None:
    nested: list[object] = []
    nested.append(nested)
    with pytest.raises(NotCanonical):
        dumps(nested)
    with pytest.raises(NotCanonical):
        loads("[" * 100_000)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "{", "", "{'a': 1}", b"\xff\xfe"])
def test_text_that_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(NotCanonical):
        loads(text)


def test_text_over_the_limit_is_refused_unread() -> None:
    assert loads("[1,2]", max_bytes=5) == [1, 2]
    with pytest.raises(NotCanonical, match="6 bytes; at most 5"):
        loads("[1,2] ", max_bytes=5)


def test_python_reads_the_same() -> None:
    assert json.loads(dumps({"x": [True, 1e-9]})) == {"x": [True, 1e-9]}


@pytest.mark.parametrize(
    ("number", "expected"), [(1, 1.0), (0.5, 0.5), (None, None), (float("nan"), None), (float("inf"), None)]
)
def test_finite_keeps_numbers_and_drops_the_rest(number: float | None, expected: float | None) -> None:
    assert finite(number) == expected
