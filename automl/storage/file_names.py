"""The name of a study as the name of a file or folder.

Why: study names are free text, and locks, snapshots and logs lie in files named after them. The rule: two studies never
share a file; no name leaves its folder or is longer than file systems take.
"""

from urllib.parse import quote

from automl.canonical import digest

LONGEST = 150
"""File systems take 255 bytes, and a prefix and a suffix are added."""


def file_name(study: str) -> str:
    """Returns the name, percent-encoded; one that is too long is cut, with its digest behind."""
    encoded = quote(study, safe="")
    if not encoded.strip("."):
        encoded = encoded.replace(".", "%2E")
    return encoded if len(encoded) <= LONGEST else f"{encoded[:LONGEST]}-{digest(study)}"
