"""A driver for the test that kills it: its one job announces itself, forks, and sleeps for ever."""

import json
import sys
from pathlib import Path

from automl.execution.processes import Processes
from automl.testing.executor_suite import toy_job


def main() -> None:
    settings = json.loads(sys.argv[1])
    sys.path.insert(0, str(Path(__file__).parent))
    executor = Processes(factory="faulty_candidates:by_file", arguments={}, log_directory=settings["logs"])
    job = toy_job("announce and sleep", path=settings["pid"], child=settings["child"])
    executor.submit("one", job, priority=(0,))
    while True:
        executor.wait(1.0)


if __name__ == "__main__":
    main()
