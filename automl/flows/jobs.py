"""Jobs under way: an executor whose infrastructure failures are retried.

Why: a lost disk or a worker that cannot start is no fault of the candidate; it is tried again, not charged, and not
told to the searcher. The rule: after three retries the driver stops; nothing recorded is lost.
"""

from collections.abc import Sequence

from automl.contracts.rung import Answer, Executor, RungJob
from automl.errors import EngineError

RETRIES = 3


class Jobs:
    """Wraps an executor; every submitted key is answered exactly once, never with an infrastructure failure."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._under_way: dict[str, tuple[RungJob, tuple[int, ...]]] = {}
        self._tries: dict[str, int] = {}

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        """Queues a job; see `Executor.submit`."""
        self._under_way[key] = (job, priority)
        self._executor.submit(key, job, priority=priority)

    def wait(self, timeout_seconds: float) -> Sequence[tuple[RungJob, Answer]]:
        """Returns the jobs that have ended, with their answers.

        Raises:
            EngineError: a job failed for infrastructure reasons more than three times running.
        """
        ended = []
        for answer in self._executor.wait(timeout_seconds):
            if answer.failure is not None and answer.failure.reason == "infrastructure":
                self._retry(answer)
            else:
                self._tries.pop(answer.key, None)
                ended.append((self._under_way.pop(answer.key)[0], answer))
        return ended

    def _retry(self, answer: Answer) -> None:
        tries = self._tries[answer.key] = self._tries.get(answer.key, 0) + 1
        assert answer.failure is not None
        if tries > RETRIES:
            raise EngineError(
                f"Job {answer.key} failed {tries} times for reasons outside the candidate: "
                f"{dict(answer.failure.evidence)}. Repair the machine, then `automl resume`."
            )
        job, priority = self._under_way[answer.key]
        self._executor.submit(answer.key, job, priority=priority)
