"""How long the command line takes to say something, and what importing the package loads.

Why: help, status and a typing error must answer at once. The rule: every command runs in fresh processes, in turn with
a Python that does nothing, and medians are printed; on a shared machine the ratio says more than the milliseconds.

    python tests/benchmarks/start_up.py --rounds 7
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from automl.assemble import create_study, open_history
from automl.execution.in_process import InProcess
from automl.flows.plan import Budget, Plan
from automl.flows.search import Search
from automl.searchers.random_search import RandomSearch
from automl.testing.simulated import run_toy
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask

HELP_SECONDS = 0.5
HEAVY = ("torch", "optuna", "evotorch", "mlflow", "ray", "onnx")
NOTHING = "python -c pass"
STUDY = "study"


def commands(storage: str) -> dict[str, list[str]]:
    """Returns what is timed, by its name in the table."""
    automl = str(Path(sys.executable).with_name("automl"))
    return {
        NOTHING: [sys.executable, "-c", "pass"],
        "import automl": [sys.executable, "-c", "import automl"],
        "automl --help": [automl, "--help"],
        "automl search --help": [automl, "search", "--help"],
        "automl spaces": [automl, "spaces"],
        "automl status": [automl, "status", STUDY, "--storage", storage],
    }


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Returns wall and CPU seconds of one run."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def finished_study(url: str, *, trials: int) -> None:
    """Writes a study of toy trials for `status` to read."""
    task, space = ToyTask(), ToySpace()
    header = {"task": {"objectives": [objective.to_json() for objective in task.objectives]}}
    create_study(url, STUDY, header=header, objectives=task.objectives)
    history = open_history(url, STUDY)
    plan = Plan(space=space, space_locator="toy", task=task, task_locator="toy", searcher=RandomSearch(space=space))
    Search(plan, budget=Budget(trials=trials), history=history, executor=InProcess(run_toy), now_ms=lambda: 0).run()
    history.close()


def loaded_by_importing() -> list[str]:
    """Returns which of the heavy libraries `import automl` loads."""
    code = "import sys, automl; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return sorted(set(HEAVY) & set(done.stdout.split()))


def main() -> None:
    """Reads the options and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--trials", type=int, default=200, help="of the study that `status` reads")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {options.rounds} runs")
    with tempfile.TemporaryDirectory(prefix="automl-start-up-") as folder:
        url = f"sqlite:///{folder}/studies.db"
        finished_study(url, trials=options.trials)
        named = commands(url)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in named}
        for _ in range(options.rounds):
            for name, command in named.items():
                times[name].append(timed(command))
    medians = {name: tuple(map(statistics.median, zip(*runs, strict=True))) for name, runs in times.items()}
    print("\n                          wall s     CPU s    x nothing")
    for name, (wall, cpu) in medians.items():
        target = f"   (under {HELP_SECONDS:g} s)" if name == "automl --help" else ""
        print(f"  {name:<22} {wall:>8.3f}  {cpu:>8.3f}  {wall / medians[NOTHING][0]:>10.1f}{target}")
    print(f"\nimport automl loads of {', '.join(HEAVY)}: {', '.join(loaded_by_importing()) or 'none'} (none)")


if __name__ == "__main__":
    main()
