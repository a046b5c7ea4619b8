"""A driver of a toy study in a process of its own, for tests that kill it: real storage, real workers, no training.

Usage: python toy_driver.py DATABASE SEARCHER WORKERS TRIALS [FAULT]; prints the study's digest. FAULT names a write
after which the driver kills itself: "created", "opened", "recorded" or "closed-attribute" (between the closing writes).
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.storages import RDBStorage

from automl.assemble.plan import searcher_class
from automl.execution.processes import Processes
from automl.filters.duplicates import Duplicates
from automl.flows.plan import Budget, Plan
from automl.flows.report import study_digest
from automl.flows.search import Search
from automl.storage.studies import create_study, open_history
from automl.storage.trial_rows import TrialRows
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace
from automl.testing.toy_task import ToyTask

JOB_SECONDS = 0.005


def plan_of(searcher: str) -> Plan:
    """Returns the toy plan with one of the product's searchers."""
    space, make = ToySpace(), searcher_class(searcher)
    parts: dict[str, Any] = {"space": space, "objectives": TOY_OBJECTIVES[:1]}
    return Plan(
        space=space,
        space_locator="toy",
        task=ToyTask(slices=((0, 5), (5, 30))),
        task_locator="toy",
        searcher=make(**parts) if searcher != "random" else make(space=space),
        screens=(Duplicates(),),
        depth=4,
    )


def die_after(fault: str) -> None:
    """Makes a write of the storage the last thing this process does."""
    counts = {"seen": 0}

    def dying(write: Callable[..., Any], matches: Callable[..., bool], at: int) -> Callable[..., Any]:
        def wrapped(self: RDBStorage | TrialRows, *args: Any, **kwargs: Any) -> Any:
            result = write(self, *args, **kwargs)
            counts["seen"] += matches(*args, **kwargs)
            if counts["seen"] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    if fault == "created":
        RDBStorage.create_new_study = dying(RDBStorage.create_new_study, lambda *a, **k: True, 1)  # type: ignore[method-assign]
    elif fault == "opened":
        RDBStorage.create_new_trial = dying(RDBStorage.create_new_trial, lambda *a, **k: True, 9)  # type: ignore[method-assign]
    else:
        prefix, at = {"recorded": ("rung:", 12), "closed-attribute": ("closed", 7)}[fault]
        TrialRows.set_attribute = dying(  # type: ignore[method-assign]
            TrialRows.set_attribute, lambda trial, key, value: key.startswith(prefix), at
        )


def main(database: str, searcher: str, workers: str, trials: str, fault: str = "") -> None:
    """Drives the study to its end, or to its death."""
    if fault:
        die_after(fault)
    plan, url = plan_of(searcher), f"sqlite:///{database}"
    create_study(url, "toy", header={"searcher": searcher}, directions=["maximize"])
    history = open_history(url, "toy")
    executor = Processes(
        factory="automl.testing.toy_task:toy_factory",
        arguments={"seconds": JOB_SECONDS},
        log_directory=Path(database).parent / "logs",
        workers=int(workers),
        limit_seconds=30,
    )
    try:
        Search(
            plan,
            budget=Budget(trials=int(trials)),
            history=history,
            executor=executor,
            now_ms=lambda: time.time_ns() // 1_000_000,
        ).run()
        sys.stdout.write(study_digest(history.all()) + "\n")
    finally:
        executor.close()
        history.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
