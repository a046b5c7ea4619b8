"""kill -9 of the driver at any point: nothing recorded is lost or doubled, and the study ends as it would have."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl.contracts import StudyLog
from automl.flows.report import study_digest
from automl.storage.studies import read_study

DRIVER = Path(__file__).with_name("toy_driver.py")
TRIALS = 30
SEARCHERS = ("random", "tpe", "nsga2")


def start(folder: Path, searcher: str, *, workers: int = 1, fault: str = "") -> subprocess.Popen[str]:
    arguments = [str(folder / "toy.db"), searcher, str(workers), str(TRIALS), *([fault] if fault else [])]
    environment = {**os.environ, "PYTHONHASHSEED": str(random.randrange(1000))}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", str(DRIVER), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finished(folder: Path, searcher: str, *, workers: int = 1) -> str:
    """Drives a study to its end and returns its digest."""
    driver = start(folder, searcher, workers=workers)
    output, errors = driver.communicate(timeout=300)
    assert driver.returncode == 0, errors
    return output.strip()


def stored(folder: Path) -> StudyLog:
    return read_study(f"sqlite:///{folder / 'toy.db'}", "toy")


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Returns searcher -> digest of the uninterrupted study."""
    return {name: finished(tmp_path_factory.mktemp(name), name) for name in SEARCHERS}


def killed_at_a_random_point(folder: Path, searcher: str, *, workers: int, dice: random.Random) -> StudyLog | None:
    """Kills a driver some milliseconds after it has opened some trial; returns what it left, None if no study yet."""
    driver = start(folder, searcher, workers=workers)
    goal = dice.randrange(TRIALS)
    while driver.poll() is None and _opened(folder) < goal:
        time.sleep(0.002)
    try:
        driver.wait(timeout=0.1 * dice.random())
    except subprocess.TimeoutExpired:
        driver.send_signal(signal.SIGKILL)
    driver.communicate()
    return stored(folder) if (folder / "toy.db").exists() and _has_study(folder) else None


def _opened(folder: Path) -> int:
    """Returns the number of trials in the database, without disturbing its writer."""
    if not (folder / "toy.db").exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'toy.db'}?mode=ro", uri=True)) as connection:
        try:
            (count,) = connection.execute("SELECT COUNT(*) FROM trials").fetchone()
        except sqlite3.OperationalError:  # its tables are being created
            return 0
    return int(count)


def _has_study(folder: Path) -> bool:
    from automl.errors import AutoMLError

    try:
        stored(folder)
    except AutoMLError:
        return False
    return True


def check_round(folder: Path, reference: str, searcher: str, *, dice: random.Random) -> bool:
    """One round: one to three kills, then the end; returns whether a kill left a study half done."""
    left = []
    for _ in range(dice.choice((1, 2, 3))):
        left.append(killed_at_a_random_point(folder, searcher, workers=dice.choice((1, 2)), dice=dice))
    assert finished(folder, searcher, workers=dice.choice((1, 2))) == reference
    end = stored(folder)
    for log in left:
        if log is not None:
            assert end.opened[: len(log.opened)] == log.opened
            assert end.closed[: len(log.closed)] == log.closed
            for number, records in log.rungs.items():
                assert set(map(repr, records)) <= set(map(repr, end.rungs[number])), "a recorded rung was lost"
    assert len(end.closed) == TRIALS and study_digest(end) == reference
    return any(log is not None and len(log.closed) < TRIALS for log in left)


def rounds(count: int, folder: Path, references: dict[str, str], *, seed: int) -> None:
    dice = random.Random(seed)
    halves = sum(
        check_round(folder_of(folder, str(n)), references[name], name, dice=dice)
        for n in range(count)
        for name in [SEARCHERS[n % len(SEARCHERS)]]
    )
    assert halves > 0, "no kill landed inside a study: the rounds prove nothing"


def folder_of(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def test_three_rounds_of_kills_end_in_the_uninterrupted_study(tmp_path: Path, references: dict[str, str]) -> None:
    rounds(3, tmp_path, references, seed=3)


@pytest.mark.slow
def test_twenty_rounds_of_kills_end_in_the_uninterrupted_study(tmp_path: Path, references: dict[str, str]) -> None:
    rounds(20, tmp_path, references, seed=11)


@pytest.mark.parametrize("fault", ["created", "opened", "recorded", "closed-attribute"])
def test_a_kill_at_a_named_write_loses_nothing(tmp_path: Path, references: dict[str, str], fault: str) -> None:
    driver = start(tmp_path, "tpe", fault=fault)
    _, errors = driver.communicate(timeout=120)
    assert driver.returncode == -signal.SIGKILL, errors
    assert finished(tmp_path, "tpe") == references["tpe"]


def test_two_workers_give_the_study_of_one(tmp_path: Path, references: dict[str, str]) -> None:
    assert finished(tmp_path, "tpe", workers=2) == references["tpe"]
