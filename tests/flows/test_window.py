"""p(k): which older trials a trial is proposed from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.flows.window import Window


def smallest_p(trained: list[bool], depth: int) -> int:
    """The definition, word by word: the smallest p with fewer than `depth` trained trials among p..k-1."""
    return next(p for p in range(len(trained) + 1) if sum(trained[p:]) < depth)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9))
def test_low_is_the_smallest_p_with_fewer_than_depth_trained_trials_behind_it(trained: list[bool], depth: int) -> None:
    window = Window(depth)
    for count, flag in enumerate(trained):
        assert window.low() == smallest_p(trained[:count], depth)
        window.add(trained=flag)
    assert window.low() == smallest_p(trained, depth)


def test_settled_trials_do_not_use_up_the_depth() -> None:
    window = Window(2)
    for trained in (True, False, False, True):
        window.add(trained=trained)
    assert window.low() == 1


def test_depth_one_is_strictly_sequential() -> None:
    window = Window(1)
    window.add(trained=True)
    window.add(trained=True)
    assert window.low() == 2


def test_depth_below_one_is_refused_with_the_rule_of_thumb() -> None:
    with pytest.raises(InvalidSetting, match="4 x workers"):
        Window(0)
