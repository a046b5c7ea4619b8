"""The command line in processes of its own, as a user starts it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SHORT = ("--set", "task.steps=30", "--set", "task.width=4", "--set", "filter.stability.enabled=false")
"""Options that make a trial on the digits a matter of a fifth of a second."""


@dataclass(frozen=True)
class Shell:
    """An empty folder in which commands are typed; everything embedded lies in its `.automl`."""

    folder: Path

    @property
    def storage(self) -> str:
        """URL of the default storage, for readers outside."""
        return f"sqlite:///{self.folder / '.automl' / 'studies.db'}"

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Starts a command and returns at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "automl", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command that must end with the exit code given, and never with a traceback."""
        process = self.start(*arguments, **environment)
        try:
            output, errors = process.communicate(timeout=300)
        finally:
            process.kill()
        assert process.returncode == code, f"exit {process.returncode}:\n{output}\n{errors}"
        assert "Traceback" not in errors, errors
        return subprocess.CompletedProcess(arguments, process.returncode, output, " ".join(errors.split()))

    def json(self, *arguments: str) -> Any:
        """Runs a reading command and returns its JSON."""
        return json.loads(self.run(*arguments, "--json").stdout)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def make_shell() -> type[Shell]:
    return Shell


@pytest.fixture(scope="session")
def short() -> tuple[str, ...]:
    return SHORT


def children(pid: int) -> set[int]:
    """Returns the living direct children of a process."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdecimal() else []
        except OSError:  # it has ended meanwhile
            continue
        if words and int(words[1]) == pid and words[0] != "Z":
            found.add(int(entry.name))
    return found


@pytest.fixture(scope="session")
def children_of() -> Any:
    if not Path("/proc/self/stat").exists():
        pytest.skip("processes are listed from /proc")
    return children
