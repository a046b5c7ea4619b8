"""The funnel: finalists go through larger and larger tasks, and only who beats the baseline goes on.

Why: a small task lets a search see thousands of candidates, but what wins there need not win where it is wanted. The
rule: every stage is a whole second look with fresh seeds; going on takes a gain on the gate split, winning takes the
last stage's test split. Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, section 2.3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from automl.canonical import JSON
from automl.contracts.rung import Executor
from automl.contracts.space import Genotype
from automl.errors import InvalidSetting
from automl.flows.meta_validation import SearchPath, meta_validation
from automl.flows.plan import Plan
from automl.flows.rerank import rerank


def funnel(
    stages: Sequence[tuple[str, Plan]],
    finalists: Mapping[int, Genotype],
    *,
    path: SearchPath | None,
    seeds: int,
    executor: Executor,
) -> dict[str, JSON]:
    """Takes the second look stage by stage, then looks at the way of the search on the last stage's task.

    Args:
        stages: (name, plan with the stage's task), smallest task first; at least one, names differ.
        finalists: trial number -> genotype, best first; at least one.
        path: best-so-far trials of the search to train on the last task, see `meta_validation`; None = not wanted.
        seeds: fresh seeds of every training, >= 2.
        executor: runs the jobs.

    Returns:
        {"stages": [{"stage", "task_locator", "entered", "survivors", "report" (of `rerank`)}], "survivors", "winner",
        "verdict", "text", "meta_validation" (or None)}. A stage that nobody reached is not in it; "winner" and
        "verdict" are those of the last stage, None and "stopped" where nobody came so far.

    Raises:
        InvalidSetting: no stage, or two of the same name.
        EngineError: the baseline could not be trained on some stage's task.
    """
    names = [name for name, _ in stages]
    if not names or len(set(names)) < len(names):
        raise InvalidSetting("funnel", ",".join(names), "one or more different stages, e.g. text:x1,text:x10")
    told: list[dict[str, Any]] = []
    left = dict(finalists)
    for name, plan in stages:
        report = rerank(plan, left, seeds=seeds, steps=None, executor=executor)
        told.append(_stage(name, plan, entered=list(left), report=report))
        left = {number: left[number] for number in told[-1]["survivors"]}
        if not left:
            break
    through = len(told) == len(stages)
    last = told[-1]["report"]
    curve = meta_validation(stages[-1][1], path, seeds=seeds, executor=executor) if path and path.incumbents else None
    return {
        "stages": [dict(one) for one in told],
        "survivors": list(left),
        "winner": last["winner"] if through else None,
        "verdict": last["verdict"] if through else "stopped",
        "text": _text(told, through=through),
        "meta_validation": curve,
    }


def _stage(name: str, plan: Plan, *, entered: Sequence[int], report: Mapping[str, Any]) -> dict[str, Any]:
    survivors = [row["trial"] for row in report["finalists"] if row["gate_gain"] > 0]
    return {
        "stage": name,
        "task_locator": plan.task_locator,
        "entered": list(entered),
        "survivors": survivors,
        "report": dict(report),
    }


def _text(told: Sequence[Mapping[str, Any]], *, through: bool) -> str:
    counts = "; ".join(
        f"{one['stage']}: {len(one['survivors'])} of {len(one['entered'])} better than the baseline" for one in told
    )
    last = told[-1]
    end = last["report"]["text"] if through else f"Nobody goes on from {last['stage']}, so there is no winner."
    return f"{counts}. {end}"
