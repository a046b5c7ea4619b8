"""A seeded study of the toy space, whole, pinned by digest: whoever changes what a search does notices it here.

No training is in these numbers, so they hold on every machine. A change that is meant belongs into the changelog; renew
the file with `UPDATE_GOLDEN=1 pytest tests/end_to_end/test_pinned_study.py`.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.assemble.plan import searcher_class
from automl.contracts import StudyLog
from automl.filters.duplicates import Duplicates
from automl.filters.quality import Quality
from automl.flows.plan import Budget, Plan
from automl.flows.report import status, study_digest
from automl.flows.search import Search
from automl.searchers.warm_start import WarmStart
from automl.testing.memory_history import MemoryHistory
from automl.testing.simulated import SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace
from automl.testing.toy_task import ToyTask

GOLDEN = Path(__file__).parents[1] / "golden" / "toy-studies.json"
SPACE, SCORE = ToySpace(), TOY_OBJECTIVES[:1]
SETTINGS: dict[str, dict[str, Any]] = {
    "random": {},
    "evolution": {"population": 8, "tournament": 3},
    "tpe": {},
    "nsga2": {},
}


def plan_of(searcher: str) -> Plan:
    """Returns a study with whatever decides: screens, a monitor that drops, two legs, a warm start, audits."""
    parts = {"space": SPACE} if searcher == "random" else {"space": SPACE, "objectives": SCORE}
    proposer = searcher_class(searcher)(**parts, **SETTINGS[searcher])
    return Plan(
        space=SPACE,
        space_locator="toy",
        task=ToyTask(variants=("one", "two"), slices=((0, 5), (5, 20), (20, 60))),
        task_locator="toy",
        searcher=WarmStart(space=SPACE, searcher=proposer, genotypes=tuple(SPACE.zoo().values())[:2]),
        screens=(Duplicates(),),
        monitors=(Quality(objectives=(replace(SCORE[0], chance=0.05),), step=20),),
        seed=7,
        depth=4,
        audit=0.25,
    )


def searched(searcher: str, *, workers: int) -> StudyLog:
    history = MemoryHistory()
    executor = SimulatedExecutor(run_toy, workers=workers, duration=toy_seconds)
    Search(
        plan_of(searcher), budget=Budget(trials=30), history=history, executor=executor, now_ms=lambda: 0
    ).run()
    return history.all()


@pytest.mark.parametrize("searcher", SETTINGS)
def test_a_seeded_toy_study_is_the_pinned_one(searcher: str) -> None:
    log = searched(searcher, workers=2)
    counts = status(log, SCORE)
    assert counts["completed"] and counts["rejected_by"]["quality"], "the pinned study exercises the filters"
    assert study_digest(searched(searcher, workers=5)) == study_digest(log)
    found = {"digest": study_digest(log), **{name: counts[name] for name in ("completed", "rejected", "duplicate")}}
    pinned = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps({**pinned, searcher: found}, indent=2, sort_keys=True) + "\n")
        return
    assert pinned[searcher] == found
