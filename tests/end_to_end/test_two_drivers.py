"""A study has one writer: a second driver is refused by name, readers are not, and a dead driver's place is free."""

import signal
from pathlib import Path
from typing import Any

import pytest

import automl
from automl.errors import StudyLocked
from automl.storage.studies import read_study


@pytest.mark.slow
def test_a_second_driver_is_refused_and_readers_are_served(
    shell: Any, short: tuple[str, ...], children_of: Any
) -> None:
    search = ("search", "norm-act", "--study", "s", "--trials", "500", "--depth", "2", "--track", "none", *short)
    driver = shell.start(*search)
    try:
        driver.stderr.readline()  # the first closed trial
        for second in (search, ("resume", "s")):
            refused = shell.run(*second, code=1)
            assert f"Study 's' is being driven by process {driver.pid} on " in refused.stderr
            assert "Wait for it, stop it, or choose another --study name." in refused.stderr
        with pytest.raises(StudyLocked, match=f"process {driver.pid} "):
            automl.load_study("s", storage=shell.storage).review(0, approve=True)
        assert shell.json("status", "s")["completed"] >= 1
        assert driver.poll() is None, "the refused ones did not disturb it"
        workers = children_of(driver.pid)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    goal = len(read_study(shell.storage, "s").opened)
    shell.run("resume", "s", "--trials", str(goal), "--track", "none")
    end = read_study(shell.storage, "s")
    assert len(end.opened) == len(end.closed) == goal < 500
    assert workers and not any(Path(f"/proc/{pid}").exists() for pid in workers)
