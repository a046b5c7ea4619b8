"""Ctrl-C and SIGTERM in a real search: workers end with it, and going on gives the uninterrupted study."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from automl.flows.report import study_digest
from automl.storage.studies import read_study

SEARCH = ("search", "norm-act", "--study", "s", "--trials", "10", "--depth", "2", "--track", "none")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, make_shell: Any, short: tuple[str, ...]) -> str:
    """Returns the digest of the study when nobody disturbs it."""
    shell = make_shell(tmp_path_factory.mktemp("whole"))
    shell.run(*SEARCH, *short, "--workers", "2")
    return study_digest(read_study(shell.storage, "s"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_search_goes_on_to_the_uninterrupted_study(
    shell: Any, short: tuple[str, ...], uninterrupted: str, children_of: Any, number: signal.Signals
) -> None:
    search = shell.start(*SEARCH, *short)
    first_line = search.stderr.readline()  # the first closed trial
    workers = children_of(search.pid)
    search.send_signal(number)
    _, said = search.communicate(timeout=60)
    assert workers and first_line.startswith("1/10 trials")
    assert search.returncode == 130, said
    assert "Nothing is lost; go on with: automl resume s" in said and "Traceback" not in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    left = read_study(shell.storage, "s")
    assert 1 <= len(left.closed) < 10
    if number == signal.SIGTERM:
        shutil.rmtree(shell.folder / ".automl" / "work")  # snapshots are a cache
    assert "10 trials" in shell.run("resume", "s", "--track", "none").stdout
    end = read_study(shell.storage, "s")
    assert study_digest(end) == uninterrupted
    assert end.closed[: len(left.closed)] == left.closed


def test_a_search_that_is_stopped_before_it_has_begun_says_so(shell: Any, short: tuple[str, ...]) -> None:
    (shell.folder / "slow.py").write_text(
        "import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(60)\nSpace = 3\n"
    )
    search = shell.start("search", "slow.py:Space", "--study", "s")
    assert search.stderr.readline() == "loading\n"
    search.send_signal(signal.SIGINT)
    _, said = search.communicate(timeout=60)
    assert (search.returncode, said) == (130, "Stopped before study 's' was created.\n")
