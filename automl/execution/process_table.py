"""What the kernel knows of processes: who belongs to a worker, how much memory they hold, who was killed for memory.

Why: a limit that is checked inside the worker is no limit; a candidate may hang, fork, or hold the GIL.
The rule: off Linux there is no /proc; then the table is empty, the counter is 0, and no memory limit is enforced.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One line of the process table.

    Attributes:
        parent: pid of the parent.
        session: pid of the session's leader.
        resident_bytes: memory in RAM; pages shared after a fork count for each process.
    """

    parent: int
    session: int
    resident_bytes: int


NO_PROCESSES: Mapping[int, Process] = {}
WHOLE_TABLE_SECONDS = 1.0


def read_table(proc: Path = PROC, *, foreign: Mapping[int, Process] = NO_PROCESSES) -> dict[int, Process]:
    """Returns pid -> process for all processes that can be seen.

    Args:
        proc: where the kernel shows them.
        foreign: processes of an earlier table that are taken over unread, unless they are gone.
    """
    table = {}
    try:
        names = os.listdir(proc)
    except OSError:
        return {}
    for pid in (int(name) for name in names if name.isdecimal()):
        process = foreign.get(pid) or _read_process(f"{proc}/{pid}/stat")
        if process is not None:
            table[pid] = process
    return table


@dataclass(slots=True, kw_only=True)
class TableWatch:
    """The process table, read again and again by someone who cares for a few families in it.

    Reading a process takes 40 microseconds, which ten times a second adds up to a share of the core that a worker is to
    have. So what belongs to no family is read once a second; families and new processes are read every time.

    Attributes:
        clock: monotonic seconds.
        proc: where the kernel shows processes.
    """

    clock: Callable[[], float]
    proc: Path = PROC
    _table: Mapping[int, Process] = field(init=False, repr=False, default_factory=dict)
    _next_whole: float = field(init=False, repr=False, default=-math.inf)

    def read(self, leaders: Iterable[int]) -> Mapping[int, Process]:
        """Returns the table as it is now; what is foreign to the leaders' families may be a second old."""
        foreign = dict(self._table)
        for pid in (pid for leader in leaders for pid in family(self._table, leader)):
            foreign.pop(pid, None)
        if self.clock() >= self._next_whole:  # a pid of old may be another process by now
            self._next_whole, foreign = self.clock() + WHOLE_TABLE_SECONDS, {}
        self._table = read_table(self.proc, foreign=foreign)
        return self._table


def family(table: Mapping[int, Process], leader: int) -> frozenset[int]:
    """Returns the pids of a worker's session and of all its descendants, itself included."""
    members = {pid for pid, process in table.items() if pid == leader or process.session == leader}
    grown = True
    while grown:
        children = {pid for pid, process in table.items() if process.parent in members} - members
        members |= children
        grown = bool(children)
    return frozenset(members)


def resident_bytes(table: Mapping[int, Process], leader: int) -> int:
    """Returns the memory in RAM of a worker and everything it has started."""
    return sum(table[pid].resident_bytes for pid in family(table, leader))


def oom_kills(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Returns how many processes of our memory cgroup the kernel has killed for lack of memory; 0 where unknown."""
    return max((_count(path) for path in _counters(proc, cgroups)), default=0)


def _read_process(path: str) -> Process | None:
    try:
        with open(path, "rb") as file:
            line = file.read()
    except OSError:  # it ended since the listing
        return None
    # the second field is the command in parentheses and may hold anything: fields are counted from the last ')'
    fields = line[line.rfind(b")") + 2 :].split()
    return Process(parent=int(fields[1]), session=int(fields[3]), resident_bytes=int(fields[21]) * PAGE_BYTES)


def _counters(proc: Path, cgroups: Path) -> list[Path]:
    """Returns the files that may hold the counter: version 2 has one tree, version 1 one per controller."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    paths = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            paths += [cgroups / group.lstrip("/") / "memory.events", cgroups / "memory.events"]
        elif "memory" in controllers.split(","):
            # inside a container the group's path is often not mounted, and the root of the mount is the group
            memory = cgroups / "memory"
            paths += [memory / group.lstrip("/") / "memory.oom_control", memory / "memory.oom_control"]
    return paths


def _count(path: Path) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts else 0
