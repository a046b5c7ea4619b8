"""A whole evolution on the digits, and the second look: time, memory, and what the best layer is worth.

Why: this is the demonstration of the service, on a small machine. The rule: the search runs as a user would run it, by
the command line, with MLflow attached; the memory of the whole process tree is sampled from outside (proportional set
size: pages that processes share count once), the driver and its workers apart.

    python tests/benchmarks/digits_search.py --trials 64 --workers 2 --seeds 5
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MINUTES, GIB = 3.0, 3.0
SAMPLES_PER_SECOND = 5.0
STUDY = "digits"


class Peak(threading.Thread):
    """Samples the memory of a process and all its descendants until it is stopped.

    Attributes:
        shared_once: largest sum seen, bytes, pages that several processes share counted once.
        resident: the same, counted for each process: what `ps` adds up to.
        largest: role -> largest process of it, resident bytes.
        samples: how many were taken.
    """

    def __init__(self, root: int) -> None:
        super().__init__(name="peak-memory", daemon=True)
        self.shared_once, self.resident, self.samples = 0, 0, 0
        self.largest: dict[str, int] = {}
        self._root, self._over = root, threading.Event()

    def run(self) -> None:
        """Takes samples."""
        while not self._over.wait(1 / SAMPLES_PER_SECOND):
            self._sample()

    def stop(self) -> None:
        """Ends the sampling."""
        self._over.set()
        self.join()

    def _sample(self) -> None:
        pids = descendants(self._root)
        sizes = {pid: size for pid in pids if (size := rolled_up(pid)) is not None}
        self.samples += 1
        self.resident = max(self.resident, sum(size["Rss"] for size in sizes.values()))
        self.shared_once = max(self.shared_once, sum(size["Pss"] for size in sizes.values()))
        for pid, size in sizes.items():
            role = "driver" if pid == self._root else "worker"
            self.largest[role] = max(self.largest.get(role, 0), size["Rss"])


def descendants(root: int) -> list[int]:
    """Returns a process and everything below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "stat").read_text()
            except OSError:  # it has ended
                continue
            parents[int(entry.name)] = int(line[line.rfind(")") + 2 :].split()[1])
    family = [root]
    for member in family:
        family += [pid for pid, parent in parents.items() if parent == member]
    return family


def rolled_up(pid: int) -> Mapping[str, int] | None:
    """Returns the bytes of a process by kind ("Rss", "Pss", ...), None where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return None
    return {line.partition(":")[0]: int(line.split()[1]) << 10 for line in lines if line.endswith(" kB")}


def measured(command: Sequence[str], folder: str) -> tuple[float, Peak, str]:
    """Runs `automl` with one torch thread and returns seconds, memory and what it printed."""
    begun = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AUTOML_STORAGE": f"sqlite:///{folder}/studies.db"}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    automl = str(Path(sys.executable).with_name("automl"))
    with subprocess.Popen([automl, *command], env=environment, stdout=subprocess.PIPE, text=True) as process:
        peak = Peak(process.pid)
        peak.start()
        printed = process.communicate()[0]
        peak.stop()
    if process.returncode:
        sys.exit(f"automl {' '.join(command)} ended with status {process.returncode}")
    return time.perf_counter() - begun, peak, printed


def memory(peak: Peak) -> str:
    """Returns one line on memory."""
    parts = ", ".join(f"largest {role} {size / 2**20:.0f} MiB" for role, size in sorted(peak.largest.items()))
    return (
        f"{peak.resident / 2**30:.2f} GiB resident at the peak of all processes (at most {GIB:g}), "
        f"{peak.shared_once / 2**30:.2f} GiB with shared pages counted once; {parts}; {peak.samples} samples"
    )


def main() -> None:
    """Reads the options, searches, reranks, and prints both reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--searcher", default="evolution")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5, help="fresh seeds of the second look; 0 = none")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {options.workers} workers")
    with tempfile.TemporaryDirectory(prefix="automl-digits-") as folder:
        search = ["search", "norm-act", "--task", "digits", "--study", STUDY, "--searcher", options.searcher]
        search += ["--trials", str(options.trials), "--workers", str(options.workers), "--seed", str(options.seed)]
        seconds, peak, _ = measured(search, folder)
        print(
            f"\nsearch: {seconds / 60:.2f} minutes (at most {MINUTES:g} for 64 trials with 2 workers)\n{memory(peak)}\n"
        )
        print(measured(["status", STUDY], folder)[2])
        if options.seeds:
            rerank = ["rerank", STUDY, "--top", str(options.top), "--seeds", str(options.seeds)]
            seconds, peak, report = measured([*rerank, "--workers", str(options.workers)], folder)
            print(f"rerank: {seconds / 60:.2f} minutes; {memory(peak)}\n\n{report}")


if __name__ == "__main__":
    main()
