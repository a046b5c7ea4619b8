"""Jobs under way: an executor whose infrastructure failures are retried, and whose jobs are merged where they may be.

Why: a lost disk or a worker that cannot start is no fault of the candidate; it is tried again, not charged, and not
told to the searcher. The rule: after three retries the driver stops; nothing recorded is lost. Jobs that can train as
one wait for each other while others run; one bad candidate fails alone, because a merged job that fails is taken apart.
"""

from collections.abc import Sequence

from automl.contracts.rung import Answer, Executor, RungJob
from automl.errors import EngineError, InvalidSetting
from automl.flows.merging import Member, alike, merge, split

RETRIES = 3


class Jobs:
    """Wraps an executor; every submitted key is answered exactly once, never with an infrastructure failure.

    Args:
        executor: runs the jobs.
        width: most jobs that are merged into one, >= 1.
        workers: merged jobs that are worth having under way, >= 1; below it, what waits is sent although not full.
    """

    def __init__(self, executor: Executor, *, width: int = 1, workers: int = 1) -> None:
        if width < 1:
            raise InvalidSetting("width", width, "an int >= 1")
        if workers < 1:
            raise InvalidSetting("workers", workers, "an int >= 1")
        self._executor, self._width, self._workers = executor, width, workers
        self._waiting: dict[str, list[Member]] = {}
        self._under_way: dict[str, tuple[RungJob, tuple[int, ...], list[Member]]] = {}
        self._tries: dict[str, int] = {}

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        """Queues a job; see `Executor.submit`."""
        group = alike(job) if self._width > 1 else ""
        if not group:
            self._send([(key, job, priority)])
            return
        members = self._waiting.setdefault(group, [])
        members.append((key, job, priority))
        if len(members) >= self._width:
            self._send(self._waiting.pop(group))

    def wait(self, timeout_seconds: float) -> Sequence[tuple[RungJob, Answer]]:
        """Returns the jobs that have ended, with their answers.

        Raises:
            EngineError: a job failed for infrastructure reasons more than three times running.
        """
        while self._waiting and len(self._under_way) < self._workers:
            self._send(self._waiting.pop(next(iter(self._waiting))))
        ended: list[tuple[RungJob, Answer]] = []
        for answer in self._executor.wait(timeout_seconds):
            if answer.failure is not None and answer.failure.reason == "infrastructure":
                self._retry(answer)
            else:
                self._tries.pop(answer.key, None)
                ended += self._told(answer)
        return ended

    def _send(self, members: list[Member]) -> None:
        """Hands one job for all members to the executor, under the first one's key."""
        key, job, priority = members[0][0], merge(members), min(priority for _, _, priority in members)
        self._under_way[key] = (job, priority, members)
        self._executor.submit(key, job, priority=priority)

    def _told(self, answer: Answer) -> list[tuple[RungJob, Answer]]:
        """Returns the members' answers; where several failed together, each is tried again alone first."""
        job, _, members = self._under_way.pop(answer.key)
        if len(members) == 1:
            return [(job, answer)]
        if answer.result is not None:
            return split(members, answer.result)
        for member in members:
            self._send([member])
        return []

    def _retry(self, answer: Answer) -> None:
        tries = self._tries[answer.key] = self._tries.get(answer.key, 0) + 1
        assert answer.failure is not None
        if tries > RETRIES:
            raise EngineError(
                f"Job {answer.key} failed {tries} times for reasons outside the candidate: "
                f"{dict(answer.failure.evidence)}. Repair the machine, then `automl resume`."
            )
        job, priority, _ = self._under_way[answer.key]
        self._executor.submit(answer.key, job, priority=priority)
