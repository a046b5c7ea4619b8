"""Several train jobs as one, and its answer as theirs.

Why: what trains as one computation must be one job. The rule: a stacked candidate's numbers do not depend on its
company (`RungJob.width`), so jobs may be merged as they happen to wait, and no study depends on it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from automl.canonical import dumps
from automl.contracts.rung import Answer, RungJob, RungResult

Member: TypeAlias = tuple[str, RungJob, tuple[int, ...]]
"""Key, job and priority as submitted."""

PER_CANDIDATE = frozenset({"learning_rate", "weight_decay"})
"""Overrides that may differ within a stack; others change the batches or the horizon."""


def alike(job: RungJob) -> str:
    """Returns what jobs must share to be merged; "" for a job that stays alone."""
    if job.kind != "train" or job.width == 1 or len(job.refs) != 1:
        return ""
    ref = job.refs[0]
    shared = {name: value for name, value in ref.overrides.items() if name not in PER_CANDIDATE}
    leg = replace(job.leg, overrides={}, replicate=0 if job.replicates else job.leg.replicate)
    rest = replace(job, refs=(), leg=leg, snapshots=(), replicates=())
    return dumps([rest.to_json(), ref.task, ref.variant, shared, bool(job.replicates)])


def merge(members: Sequence[Member]) -> RungJob:
    """Returns one job for jobs that are alike; a job by itself stays as it is."""
    jobs = [job for _, job, _ in members]
    if len(jobs) == 1:
        return jobs[0]
    return replace(
        jobs[0],
        refs=tuple(job.refs[0] for job in jobs),
        leg=replace(jobs[0].leg, overrides={}),
        snapshots=tuple(job.snapshots[0] if job.snapshots else None for job in jobs),
        replicates=tuple(job.replicates[0] for job in jobs if job.replicates),
    )


def split(members: Sequence[Member], result: RungResult) -> list[tuple[RungJob, Answer]]:
    """Returns each member's job and answer; steps are its own, seconds in proportion to them."""
    steps = [_steps(job, result, index) for index, (_, job, _) in enumerate(members)]
    total = max(1, sum(steps))
    return [
        (
            job,
            Answer(
                key=key,
                result=RungResult(
                    curves=(result.curves[index],),
                    measurements=(result.measurements[index],),
                    snapshots=(result.snapshots[index],),
                    diverged=(result.diverged[index],),
                    steps=round(result.steps * steps[index] / total),
                    seconds=result.seconds * steps[index] / total,
                ),
            ),
        )
        for index, (key, job, _) in enumerate(members)
    ]


def _steps(job: RungJob, result: RungResult, index: int) -> int:
    """Returns the steps of a member's slice that were trained."""
    first, last = job.steps
    if result.diverged[index] and result.curves[index].steps:
        return result.curves[index].steps[-1] - first
    return last - first
