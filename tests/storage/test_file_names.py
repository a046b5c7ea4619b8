"""Names of studies as names of files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.storage.file_names import file_name


@pytest.mark.parametrize(
    ("study", "expected"),
    [("demo-1", "demo-1"), ("..", "%2E%2E"), (".", "%2E"), ("a/b c", "a%2Fb%20c"), ("é", "%C3%A9")],
)
def test_names_are_percent_encoded(study: str, expected: str) -> None:
    assert file_name(study) == expected


@given(st.lists(st.text(min_size=1, max_size=100), min_size=2, max_size=2, unique=True))
def test_two_studies_share_no_file_and_stay_in_their_folder(studies: list[str]) -> None:
    names = [file_name(study) for study in studies]
    assert names[0] != names[1]
    for name in names:
        assert Path("folder", name).resolve().parent == Path("folder").resolve()
        assert len(name) <= 200 and name.isascii()


def test_long_names_that_begin_alike_differ() -> None:
    assert file_name("é" * 99 + "a") != file_name("é" * 99 + "b")
