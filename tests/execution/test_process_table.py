"""Families and memory from a made-up process table; the kernel's counters of both cgroup versions."""

import os
import sys
from pathlib import Path

import pytest

from automl.execution.process_table import (
    PAGE_BYTES,
    Process,
    TableWatch,
    family,
    oom_kills,
    read_table,
    resident_bytes,
)


def process(parent: int, session: int, megabytes: int = 1) -> Process:
    return Process(parent=parent, session=session, resident_bytes=megabytes << 20)


TABLE = {
    1: process(0, 1),
    10: process(1, 10, 100),  # the worker
    11: process(10, 10, 20),  # its child
    12: process(11, 12, 3),  # a grandchild that left the session
    13: process(1, 10, 4),  # an orphan that stayed in it
    20: process(1, 20, 50),  # another worker
}


def test_family_is_the_session_and_all_descendants() -> None:
    assert family(TABLE, 10) == {10, 11, 12, 13}
    assert family(TABLE, 20) == {20}


def test_memory_is_that_of_the_family() -> None:
    assert resident_bytes(TABLE, 10) == 127 << 20


def test_process_that_is_gone_has_no_family_and_no_memory() -> None:
    assert family(TABLE, 99) == frozenset()
    assert resident_bytes({}, 10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_this_process_is_in_the_table() -> None:
    mine = read_table()[os.getpid()]
    assert mine.parent == os.getppid()
    assert mine.session == os.getsid(0)
    assert mine.resident_bytes > 10 << 20


def test_command_with_blanks_and_parentheses_does_not_shift_the_fields(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = ["S", "3", "4", "5", *(["0"] * 17), "6", "0"]
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c)) {' '.join(fields)}\n")
    (tmp_path / "self").mkdir()
    assert read_table(tmp_path) == {7: Process(parent=3, session=5, resident_bytes=6 * PAGE_BYTES)}


def test_families_are_watched_closely_and_everything_once_a_second(tmp_path: Path) -> None:
    def show(pid: int, *, parent: int, pages: int) -> None:
        (tmp_path / str(pid)).mkdir(exist_ok=True)
        fields = ["S", str(parent), str(pid), str(pid), *(["0"] * 17), str(pages), "0"]
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (any) {' '.join(fields)}\n")

    def pages() -> dict[int, int]:
        return {pid: found.resident_bytes // PAGE_BYTES for pid, found in watch.read([10]).items()}

    now = [0.0]
    watch = TableWatch(clock=lambda: now[0], proc=tmp_path)
    for pid, parent in ((10, 1), (11, 10), (20, 1)):
        show(pid, parent=parent, pages=1)
    assert pages() == {10: 1, 11: 1, 20: 1}
    for pid, parent in ((10, 1), (11, 10), (20, 1), (12, 11)):
        show(pid, parent=parent, pages=2)
    assert pages() == {10: 2, 11: 2, 12: 2, 20: 1}  # also the grandchild that is new
    now[0] = 1.0
    assert pages() == {10: 2, 11: 2, 12: 2, 20: 2}


def test_without_proc_the_table_is_empty(tmp_path: Path) -> None:
    assert read_table(tmp_path / "none") == {}
    assert oom_kills(tmp_path / "none", tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("group", "file"),
    [
        ("0::/user/job", "user/job/memory.events"),
        ("0::/hidden", "memory.events"),
        ("4:cpu,memory:/user/job", "memory/user/job/memory.oom_control"),
        ("4:memory:/hidden", "memory/memory.oom_control"),
    ],
)
def test_kills_of_the_kernel_are_counted(tmp_path: Path, group: str, file: str) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(f"1:cpuset:/\n{group}\n")
    counter = tmp_path / "cgroup" / file
    counter.parent.mkdir(parents=True)
    counter.write_text("low 0\nunder_oom 0\noom_kill 3\n")
    assert oom_kills(tmp_path / "proc", tmp_path / "cgroup") == 3
