"""Reads text: a user's file, or the documentation that comes with Python.

Why the latter: a language task should run without a download, and every Python has the same 465,000 characters of
prose, tables and code in `pydoc_data.topics`. The rule: files are untrusted, and every refusal says what is needed.
"""

import re
from pathlib import Path
from pydoc_data.topics import topics

from automl.errors import InvalidSetting

SETTING = "task.path"
FORM = "a text file in UTF-8"
LARGEST_BYTES = 20_000_000
"""Half of it becomes train windows of 16 bytes per character."""


def python_topics() -> str:
    """Returns Python's own documentation in the order of its keys; paragraphs that stand in several topics come once.

    A fifth of it is repeated, and a repeated passage would stand in several splits.
    """
    paragraphs = (part for key in sorted(topics) for part in re.split(r"\n{2,}", topics[key].strip("\n")))
    return "\n\n".join(dict.fromkeys(paragraphs))


def read_text(path: Path) -> str:
    """Returns the text of a file, with every line end as a newline.

    Raises:
        InvalidSetting: missing, a folder, unreadable, too large, empty, or no text.
    """
    if not path.is_file():
        found = "this is a folder" if path.is_dir() else "nothing is there"
        raise InvalidSetting(SETTING, str(path), f"{FORM}; {found}")
    if path.stat().st_size > LARGEST_BYTES:
        remedy = f"cut it, e.g. with `head -c {LARGEST_BYTES}`"
        raise InvalidSetting(SETTING, str(path), f"{FORM} of at most {LARGEST_BYTES:,} bytes; {remedy}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = "convert it, e.g. with `iconv -t UTF-8`"
        raise InvalidSetting(SETTING, str(path), f"{FORM}; byte {error.start} is none; {remedy}") from error
    except OSError as error:
        raise InvalidSetting(SETTING, str(path), f"{FORM} that can be read ({error.strerror})") from error
    if "\0" in text:
        raise InvalidSetting(SETTING, str(path), f"{FORM}; this one holds NUL characters, so it is binary")
    if not text.strip():
        raise InvalidSetting(SETTING, str(path), f"{FORM}; this one is empty")
    return text
