"""An executor with its own clock, and toy curves to run on it.

Why: order, speed-up and independence of workers are tested exactly and in no time when nothing waits for a real clock.
The rule: a job starts when a worker is free, by priority; it ends after the time that `duration` gives it; the clock
moves only while someone waits.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from automl.canonical import JSON, finite
from automl.contracts.recipe import RecipeRef
from automl.contracts.rung import Answer, Failure, RungJob, RungResult
from automl.contracts.space import Genotype
from automl.contracts.trial import Curve
from automl.errors import InvalidSetting
from automl.seeding import child_seed
from automl.testing.toy_space import ToySpace, toy_values

Fault: TypeAlias = Literal["raise", "diverge"]

NOISE = 0.01
"""Width of the uniform noise between seeds of a toy score."""


class SimulatedExecutor:
    """Runs jobs on imagined workers; deterministic, whatever the order of calls to `submit` between two waits.

    Attributes:
        now: simulated seconds since the start.
    """

    def __init__(
        self, run: Callable[[RungJob], RungResult], *, workers: int = 1, duration: Callable[[RungJob], float]
    ) -> None:
        """Hires `workers` >= 1 workers; `duration` gives a job's simulated seconds, > 0."""
        if workers < 1:
            raise InvalidSetting("workers", workers, "an int >= 1")
        self.now = 0.0
        self._run, self._workers, self._duration = run, workers, duration
        self._waiting: list[tuple[tuple[int, ...], str, RungJob]] = []
        self._running: list[tuple[float, str, RungJob]] = []
        self._busy_seconds = 0.0

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        """Queues a job; see `Executor.submit`."""
        heapq.heappush(self._waiting, (priority, key, job))

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        """Moves the clock to the next end of a job, whatever the time-out, and returns all that end then."""
        while self._waiting and len(self._running) < self._workers:
            _, key, job = heapq.heappop(self._waiting)
            seconds = self._duration(job)
            self._busy_seconds += seconds
            heapq.heappush(self._running, (self.now + seconds, key, job))
        if not self._running:
            return ()
        self.now = self._running[0][0]
        ended: list[Answer] = []
        while self._running and self._running[0][0] == self.now:
            _, key, job = heapq.heappop(self._running)
            ended.append(self._answer(key, job))
        return ended

    def idle_share(self) -> float:
        """Returns the share of worker time without a job, in [0, 1]; jobs in flight count as done."""
        horizon = max([self.now, *(end for end, _, _ in self._running)]) * self._workers
        return 1.0 - self._busy_seconds / horizon if horizon > 0 else 0.0

    def close(self) -> None:
        """Forgets what waits and what runs."""
        self._waiting.clear()
        self._running.clear()

    def _answer(self, key: str, job: RungJob) -> Answer:
        try:
            return Answer(key=key, result=self._run(job))
        except Exception as error:
            evidence: dict[str, JSON] = {"exception": type(error).__name__, "text": str(error)}
            return Answer(key=key, failure=Failure(reason="crashed", evidence=evidence))


class ToyCrash(RuntimeError):
    """Raised by `run_toy` for a genotype whose fault is "raise"."""


def toy_seconds(job: RungJob) -> float:
    """Returns simulated seconds of a toy job: 10 ms per step and candidate, half as much again per live node."""
    steps = max(1, job.steps[1] - job.steps[0])
    return sum(0.01 * steps * (1 + toy_values(_genotype(ref))[1] / 2) for ref in job.refs)


def run_toy(job: RungJob, *, faults: Mapping[str, Fault] | None = None) -> RungResult:
    """Computes the toy curves of a job; the genotype is the last edit of each ref, none = a plain baseline.

    accuracy(s) = score * s / (s + 10 + 5 * size) + noise of the seed, so that larger expressions learn more slowly and
    curves cross; loss(s) = 1 - accuracy(s); size is constant.

    Args:
        job: a probe or a training job of the toy space.
        faults: fingerprint -> "raise", or "diverge" in the middle of the slice.

    Raises:
        ToyCrash: a genotype of the job has the fault "raise".
    """
    planned = faults or {}
    outcomes = [_one(job, ref, planned.get(ToySpace().fingerprint(_genotype(ref)))) for ref in job.refs]
    sizes = [toy_values(_genotype(ref))[1] for ref in job.refs]
    return RungResult(
        curves=tuple(curve for curve, _ in outcomes),
        measurements=tuple({"parameters": int(size), "flops": int(10 * size), "finite": True} for size in sizes),
        snapshots=tuple(None for _ in job.refs),
        diverged=tuple(diverged for _, diverged in outcomes),
        steps=(job.steps[1] - job.steps[0]) * len(job.refs),
        seconds=toy_seconds(job),
    )


def _one(job: RungJob, ref: RecipeRef, fault: Fault | None) -> tuple[Curve, bool]:
    if fault == "raise":
        raise ToyCrash(f"a fault was planned for {ToySpace().describe(_genotype(ref))}")
    if job.kind == "probe":
        return Curve(), False
    first, last = job.steps
    marks = [step for step in range(first + 1, last + 1) if step % job.measure_every_steps == 0 or step == last]
    diverged = fault == "diverge"
    if diverged:
        marks = marks[: len(marks) // 2 + 1]
    rows = [_metrics(job, ref, step) for step in marks]
    if diverged and rows:
        rows[-1] = dict.fromkeys(rows[-1])
    names = rows[0] if rows else {}
    return Curve(steps=tuple(marks), metrics={name: tuple(row[name] for row in rows) for name in names}), diverged


def _metrics(job: RungJob, ref: RecipeRef, step: int) -> dict[str, float | None]:
    score, size = toy_values(_genotype(ref))
    draw = child_seed(job.seed, "toy", job.leg.variant, job.leg.replicate, dict(_genotype(ref))) / 2**63
    accuracy = score * step / (step + 10 + 5 * size) + NOISE * (draw - 0.5)
    row = {"loss": 1 - accuracy, "accuracy": accuracy, "size": size}
    return {
        name if split == job.splits[0] else f"{split}.{name}": finite(value)
        for split in job.splits
        for name, value in row.items()
    }


def _genotype(ref: RecipeRef) -> Genotype:
    baseline: Mapping[str, Any] = ToySpace().zoo()["ramp"]
    return ref.edits[-1][1] if ref.edits else baseline
