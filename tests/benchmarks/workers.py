"""Two workers against one on the digits: how much sooner the same study is done.

Why: a study is to get nearly all of a second core, and no other result from it. The rule: each search runs in a fresh
process with a storage of its own, one worker and two in turn (1 2 1 2), one thread per worker; the target is for the
whole search call, workers' start and baseline included; the driver's imports, which no worker can share, stand apart.

    python tests/benchmarks/workers.py --trials 64 --rounds 2
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

TARGET = 1.85
LEAST_TRIAL_SECONDS = 1.0


def one_search(workers: int, options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Runs one search in this process and returns its times in seconds."""
    begun = time.perf_counter()
    import automl
    from automl.flows.report import study_digest

    settings = dict(item.split("=", 1) for item in options.set)
    study = automl.search(
        "norm-act",
        task="digits",
        trials=options.trials,
        depth=options.depth,
        workers=workers,
        searcher=options.searcher,
        study="workers",
        storage=f"sqlite:///{folder}/studies.db",
        track="none",
        settings={name: json.loads(value) for name, value in settings.items()},
    )
    log, (session,) = study.log, study.log.notes["sessions"]
    trained = [closed for closed in log.closed if closed.steps]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "workers": workers,
        "whole": time.perf_counter() - begun,
        "search": session["seconds"],
        "trials": (log.closed[-1].closed_at_ms - log.opened[0].opened_at_ms) / 1e3,
        "trial": statistics.fmean(closed.seconds for closed in trained),
        "trained": len(trained),
        "idle": session["idle_share"],
        "driver": usage.ru_utime + usage.ru_stime,
        "digest": study_digest(log),
    }


def in_fresh_process(workers: int, arguments: Sequence[str]) -> dict[str, Any]:
    """Returns what `one_search` says, from a process of its own."""
    command = [sys.executable, __file__, *arguments, "--child", str(workers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints one line per search, then the ratios of the medians."""
    columns = ("whole", "search", "trials", "trial", "driver")
    print("workers " + "".join(f"{name:>9}" for name in columns) + "     idle  trained  digest")
    for row in rows:
        cells = "".join(f"{row[name]:>9.2f}" for name in columns)
        print(f"{row['workers']:>7} {cells} {row['idle']:>8.1%} {row['trained']:>8}  {row['digest'][:16]}")
    print(
        "whole = with imports, search = from the workers' start, trials = first opening to last close, trial = mean "
        "seconds\nof a trained trial in its worker, driver = CPU seconds of the driver; all in seconds"
    )
    medians = {
        n: {name: statistics.median(r[name] for r in rows if r["workers"] == n) for name in columns} for n in (1, 2)
    }
    print()
    for name in ("search", "trials", "whole"):
        target = f"  (at least {TARGET})" if name == "search" else ""
        print(f"two workers are {medians[1][name] / medians[2][name]:.2f} times as fast: {name}{target}")
    slower = medians[2]["trial"] / medians[1]["trial"]
    print(f"a trial takes {slower:.2f} times as long beside another one: the cores' own limit is {2 / slower:.2f}")
    print(f"mean trial {medians[1]['trial']:.2f} s (at least {LEAST_TRIAL_SECONDS:g} for the target to mean anything)")
    print(f"digests equal: {len({row['digest'] for row in rows}) == 1}")


def main() -> None:
    """Reads the options and runs the searches in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--searcher", default="evolution")
    parser.add_argument("--set", nargs="*", default=[], help="settings as of the command line, e.g. task.steps=200")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        with tempfile.TemporaryDirectory(prefix="automl-workers-") as folder:
            sys.stdout.write(json.dumps(one_search(options.child, options, folder)) + "\n")
        return
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; depth {options.depth}")
    rows = [in_fresh_process(n, sys.argv[1:]) for _ in range(options.rounds) for n in (1, 2)]
    print_table(rows)


if __name__ == "__main__":
    main()
