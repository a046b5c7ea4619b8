"""Seeded 30-trial studies on the toy space, pinned by digest: a change of numbers anywhere in the engine shows here.

No torch and no clock is in these numbers, so they hold on every machine. UPDATE_GOLDEN=1 rewrites them; the commit
that does so must say why the studies changed.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from automl.assemble.plan import searcher_class
from automl.filters.duplicates import Duplicates
from automl.filters.quality import Quality
from automl.flows.plan import Budget, Plan
from automl.flows.report import study_digest
from automl.flows.search import Search
from automl.testing.memory_history import MemoryHistory
from automl.testing.simulated import SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace
from automl.testing.toy_task import ToyTask

GOLDEN = Path(__file__).parents[1] / "golden" / "toy-studies.json"
SEARCHERS = ("random", "evolution", "tpe", "nsga2")


def digest_of(searcher: str, *, workers: int) -> str:
    """Returns the digest of a study of 30 trials."""
    space = ToySpace()
    parts: dict[str, Any] = {"space": space}
    if searcher != "random":
        parts["objectives"] = TOY_OBJECTIVES[:1]
    plan = Plan(
        space=space,
        space_locator="toy",
        task=ToyTask(),
        task_locator="toy",
        searcher=searcher_class(searcher)(**parts),
        screens=(Duplicates(),),
        monitors=(Quality(objectives=TOY_OBJECTIVES[:1], step=20),),
        seed=7,
        depth=4,
        audit=0.25,
    )
    history = MemoryHistory()
    executor = SimulatedExecutor(run_toy, workers=workers, duration=toy_seconds)
    Search(plan, budget=Budget(trials=30), history=history, executor=executor, now_ms=lambda: 0).run()
    return study_digest(history.all())


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_seeded_study_is_the_pinned_one_for_any_number_of_workers(searcher: str) -> None:
    found = {digest_of(searcher, workers=workers) for workers in (1, 3)}
    assert len(found) == 1
    pinned = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps({**pinned, searcher: found.copy().pop()}, indent=1, sort_keys=True) + "\n")
        return
    assert found == {pinned[searcher]}
