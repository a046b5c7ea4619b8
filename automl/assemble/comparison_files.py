"""The files of a comparison: the whole report as JSON, and its performance profile as a picture.

Why: a comparison takes minutes and is kept nowhere else. The rule: nothing that stands in the folder is overwritten.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.errors import UsageError

REPORT_FILE = "report.json"
PROFILE_FILE = "profile.png"


def require_empty(directory: Path) -> None:
    """Checks that a folder can be written to.

    Raises:
        UsageError: it is a file, or holds something.
    """
    if directory.is_dir() and not any(directory.iterdir()):
        return
    if directory.exists():
        raise UsageError(f"--output {directory} exists already. Name a new folder, or an empty one.")


def write_comparison(directory: Path, report: Mapping[str, Any]) -> None:
    """Writes report.json and profile.png.

    Raises:
        UsageError: the folder cannot be written.
    """
    from automl.tracking.comparison_figure import profile_figure
    from automl.tracking.pictures import png

    try:
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=2, allow_nan=False)
        (directory / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
        (directory / PROFILE_FILE).write_bytes(png(profile_figure(report)))
    except OSError as error:
        raise UsageError(f"--output {directory} cannot be written: {error.strerror}. Name another folder.") from error
