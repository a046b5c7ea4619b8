"""A prefix is the slice that it stands for, also after its list has grown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.numerics.prefix import Prefix


@given(entries=st.lists(st.integers(), max_size=8), data=st.data())
def test_a_prefix_is_the_slice_that_it_stands_for(entries: list[int], data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(entries)))
    cut, prefix = entries[:length], Prefix(entries, length)
    entries.append(-1)
    assert list(prefix) == cut and len(prefix) == length
    begin, end = data.draw(st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
    assert prefix[begin:end] == cut[begin:end]
    assert [prefix[at] for at in range(-length, length)] == [cut[at] for at in range(-length, length)]


def test_what_lies_behind_the_prefix_is_out_of_range() -> None:
    prefix = Prefix([1, 2, 3], 2)
    for index in (2, -3):
        with pytest.raises(IndexError):
            prefix[index]
