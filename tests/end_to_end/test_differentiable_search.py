"""A differentiable search at the command line: out of the box, stopped, resumed, and looked at."""

import signal
from typing import Any

import pytest

from automl.flows.report import study_digest
from automl.storage.studies import read_study

SEARCH = (
    *("search", "darts-supernet", "--study", "s", "--trials", "2", "--track", "none", "--depth", "2"),
    *("--set", "space.channels=2", "--set", "space.cells=2", "--set", "space.derive_every=2"),
    *("--set", "task.steps=8", "--set", "task.rung_every=2", "--set", "task.batch_size=16"),
    *("--set", "task.width=4"),
)


@pytest.mark.slow
def test_a_stopped_search_goes_on_to_the_uninterrupted_study_and_its_cells(
    shell: Any, make_shell: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = make_shell(tmp_path_factory.mktemp("whole"))
    whole.run(*SEARCH, "--workers", "2")
    expected = read_study(whole.storage, "s")
    search = shell.start(*SEARCH)
    search.stderr.readline()  # the first closed trial
    search.send_signal(signal.SIGKILL)
    search.communicate(timeout=60)
    left = read_study(shell.storage, "s")
    assert len(left.closed) < 2
    shell.run("resume", "s", "--track", "none")
    end = read_study(shell.storage, "s")
    assert study_digest(end) == study_digest(expected)
    assert [closed.derived for closed in end.closed] == [closed.derived for closed in expected.closed]
    assert [entry["step"] for entry in end.closed[0].derived] == [2, 4, 6, 8]
    assert {closed.outcome for closed in end.closed} == {"completed"}
    shown = shell.run("show", "s", "0").stdout
    assert "derived, where it changed" in shown and "normal " in shown
    assert shell.json("show", "s", "0")["derived"][0]["description"].startswith("normal ")


@pytest.mark.slow
def test_a_guard_stops_a_search_and_its_cells_stay(shell: Any) -> None:
    settings = ("--set", "space.guard=skips", "--set", "space.skips_allowed=0", "--set", "task.steps=10")
    shell.run(*SEARCH, *settings)
    log = read_study(shell.storage, "s")
    stopped = [closed for closed in log.closed if closed.outcome == "rejected"]
    for closed in stopped:
        assert closed.reason == "skip-collapse" and closed.derived
        (drop,) = [verdict for verdict in closed.ledger if not verdict.keep]
        assert drop.steps < 10 and "stands_at_step" in drop.measured
    assert stopped, "with no skip connection allowed, of two searches on noise at least one is stopped"
