"""The disk fills up under a running search: one clear error, and the study goes on once there is room again."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automl.flows.report import study_digest
from automl.storage.studies import read_study

SEARCH = ("search", "norm-act", "--study", "s", "--depth", "2", "--track", "none")
PATIENCE_SECONDS = 120


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Returns the folder of a file system of 3 MB of its own; skips where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system needs root")
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, until_ended: "subprocess.Popen[str]") -> None:
    """Takes every free byte, again and again, until the process has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with open(disk / "filler", "ab", buffering=0) as filler:
        while until_ended.poll() is None and time.monotonic() < deadline:
            try:
                filler.write(bytes(512))
            except OSError:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    until_ended.wait(0.02)


@pytest.mark.slow
def test_a_search_on_a_full_disk_ends_clearly_and_goes_on_when_there_is_room(
    shell: Any, short: tuple[str, ...], small_disk: Path
) -> None:
    storage = f"sqlite:///{small_disk / 'studies.db'}"
    search = shell.start(*SEARCH, *short, "--trials", "500", "--storage", storage)
    assert search.stderr.readline().startswith("1/500 trials")
    fill(small_disk, search)
    output, said = search.communicate(timeout=10)
    assert search.returncode == 1, said
    assert "Traceback" not in said and output == ""
    assert "full" in said and "resume the study" in " ".join(said.split())
    shell.run("resume", "s", "--track", "none", "--storage", storage, code=1)  # and again as long as it is full
    (small_disk / "filler").unlink()
    left = read_study(storage, "s")
    goal = str(len(left.opened) + 2)
    shell.run("resume", "s", "--trials", goal, "--track", "none", "--storage", storage)
    end = read_study(storage, "s")
    assert end.opened[: len(left.opened)] == left.opened and end.closed[: len(left.closed)] == left.closed
    shell.run(*SEARCH, *short, "--trials", goal)
    assert study_digest(end) == study_digest(read_study(shell.storage, "s"))
