from pathlib import Path
from pydoc_data.topics import topics

import pytest

from automl.errors import InvalidSetting
from automl.training.tasks import text_files
from automl.training.tasks.text_files import python_topics, read_text


def test_python_topics_hold_every_paragraph_once() -> None:
    paragraphs = python_topics().split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    lines = {line for text in topics.values() for line in text.splitlines() if line}
    assert {line for part in paragraphs for line in part.splitlines()} == lines
    assert python_topics() == python_topics()


def test_files_are_read_with_newlines_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo \xc3\xa9\n")
    assert read_text(path) == "one\ntwo é\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "nothing is there"),
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"ab\xff", "byte 2 is none.*iconv"),
        (b"ab\0cd", "binary"),
        (b"x" * 2001, "at most 2,000 bytes.*head -c"),
    ],
)
def test_unusable_files_are_refused_with_their_reason(
    tmp_path: Path, content: bytes | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "LARGEST_BYTES", 2000)
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidSetting, match=words):
        read_text(path)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="this is a folder"):
        read_text(tmp_path)


def test_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("abc")

    def deny(self: Path, encoding: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", deny)
    with pytest.raises(InvalidSetting, match="Permission denied"):
        read_text(path)
