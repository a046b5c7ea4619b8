"""Ctrl-C in a real search: nothing is lost, and the message says how to go on."""

import json
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen, run
from typing import Any

import pytest

SEARCH = (
    *("search", "norm-act", "--trials", "500", "--study", "stopped", "--track", "none"),
    *("--set", "task.steps=20", "--set", "task.width=4"),
)


def automl(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "automl", *arguments]


def status(folder: Path) -> Any:
    done = run(automl("status", "stopped", "--json"), cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_ctrl_c_leaves_a_study_that_goes_on(tmp_path: Path) -> None:
    with Popen(automl(*SEARCH), cwd=tmp_path, stderr=PIPE, text=True) as search:
        assert search.stderr is not None
        seen = search.stderr.readline()  # the progress line of the first closed trial
        search.send_signal(signal.SIGINT)
        seen += search.stderr.read()
    assert search.returncode == 130, seen
    assert "Nothing is lost; go on with: automl resume stopped" in seen
    assert "Traceback" not in seen
    before = status(tmp_path)
    assert 1 <= before["completed"] < 500
    goal = before["trials"] + 2
    run(automl("resume", "stopped", "--trials", str(goal), "--track", "none"), cwd=tmp_path, check=True)
    after = status(tmp_path)
    assert (after["trials"], after["open"]) == (goal, 0)
