"""Names: order is meaning, and short names are a bijection."""

import pytest

from automl.errors import UnknownName
from search_spaces.darts.vocabulary import DARTS, LONG_NAMES, OPERATION_SETS, SHARP, SHARPER, SHORT_NAMES, operation_set


def test_sets_have_the_published_sizes_and_start_with_none():
    assert [len(names) for names in (DARTS, SHARP, SHARPER)] == [8, 9, 12]
    assert all(names[0] == "none" for names in OPERATION_SETS.values())
    assert all(len(set(names)) == len(names) for names in OPERATION_SETS.values())


def test_every_operation_has_a_short_name_of_its_own():
    assert len(LONG_NAMES) == len(SHORT_NAMES)
    assert all(LONG_NAMES[short] == name for name, short in SHORT_NAMES.items())
    assert {name for names in OPERATION_SETS.values() for name in names} <= set(SHORT_NAMES)


def test_an_unknown_set_is_refused_with_the_known_ones():
    assert operation_set("sharp") == SHARP
    with pytest.raises(UnknownName, match="sharper"):
        operation_set("sharpest")
