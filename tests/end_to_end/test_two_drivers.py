"""A study has one writer: a second driver is refused by name, readers are not, and a dead driver's place is free."""

import signal
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_a_second_driver_is_refused_and_readers_are_served(
    shell: Any, short: tuple[str, ...], children_of: Any
) -> None:
    search = ("search", "norm-act", "--study", "s", "--trials", "500", "--depth", "2", "--track", "none", *short)
    driver = shell.start(*search)
    try:
        driver.stderr.readline()  # the first closed trial
        for second in (search, ("resume", "s"), ("rerank", "s", "--top", "1", "--seeds", "2")):
            refused = shell.run(*second, code=1)
            assert f"Study 's' is being driven by process {driver.pid} on " in refused.stderr
            assert "Wait for it, stop it, or choose another --study name." in refused.stderr
        status = shell.json("status", "s")
        assert status["completed"] >= 1 and status["trials"] < 500
        assert shell.json("top", "s", "-n", "1")[0]["outcome"] == "completed"
        assert driver.poll() is None, "the refused ones did not disturb it"
        workers = children_of(driver.pid)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    goal = len(shell.json("show", "s", "0")["curves"]) + shell.json("status", "s")["trials"]
    shell.run("resume", "s", "--trials", str(goal), "--track", "none")
    assert (shell.json("status", "s")["trials"], shell.json("status", "s")["open"]) == (goal, 0)
    assert workers and not any(Path(f"/proc/{pid}").exists() for pid in workers)
