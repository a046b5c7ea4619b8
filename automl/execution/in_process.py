"""Runs jobs in this very process: for tests and debugging.

The rule: no limits are enforced, and a candidate that exits or crashes takes the driver with it. Jobs and results still
go through their canonical JSON, so that a job cannot succeed here and fail in a worker.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from automl.canonical import dumps, loads
from automl.contracts.rung import Answer, RungJob, RungResult
from automl.execution.failures import failure_of


@dataclass(slots=True)
class InProcess:
    """An `Executor` that runs one queued job per `wait`.

    Attributes:
        run: trains or probes one job.
    """

    run: Callable[[RungJob], RungResult]
    _queue: list[tuple[tuple[int, ...], int, str, str]] = field(init=False, repr=False, default_factory=list)
    _submitted: int = field(init=False, repr=False, default=0)

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        """Queues a job; the smallest priority runs first, equal ones in order of submission."""
        heapq.heappush(self._queue, (priority, self._submitted, key, dumps(job.to_json())))
        self._submitted += 1

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        """Runs one queued job to its end, however long it takes; returns nothing when none is queued."""
        if not self._queue:
            return ()
        _, _, key, job = heapq.heappop(self._queue)
        try:
            result = self.run(RungJob.from_json(loads(job)))
            back = RungResult.from_json(loads(dumps(result.to_json())))
        except (Exception, SystemExit) as error:  # candidates may raise anything; Ctrl-C is the user's and passes
            return (Answer(key=key, failure=failure_of(error)),)
        return (Answer(key=key, result=back),)

    def idle_share(self) -> float:
        """Returns 0: the driver is the worker."""
        return 0.0

    def close(self) -> None:
        """Forgets what is queued."""
        self._queue.clear()
