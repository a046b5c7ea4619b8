"""One trial on its way through its legs and rungs: a state machine without effects.

Why: what a trial does next depends on its own records only, so a resumed study replays them and goes on where it was;
and an audit is the same walk without filters. The rule: rungs run one after another, stage by stage over the legs; a
leg that diverges or is dropped is finished, and the trial ends when every alternative of some (variant, replicate) is.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from automl.canonical import JSON
from automl.contracts.derived import derived_of
from automl.contracts.history import Opened, RungRecord
from automl.contracts.recipe import Leg, Task
from automl.contracts.trial import Closed, Curve, Monitor, Outcome, Values, Verdict

PROBE = "probe"
"""Filter name of the verdict that stands for a failed probe job; the trial closes as failed, not as rejected."""

Reference = Callable[[str, int], Sequence[Curve]]
"""(leg key, rung index) -> curves of the closed trials that this one may be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRung:
    """The rung a trial needs next.

    Attributes:
        leg: on which leg.
        index: which rung of the leg.
        steps: its slice.
        snapshot: content key to continue from.
        last: whether it is the leg's last.
    """

    leg: Leg
    index: int
    steps: tuple[int, int]
    snapshot: str | None
    last: bool


class TrialRun:
    """Walks one trial; ask it what is next, feed it the record.

    Args:
        trial: as opened; a verdict that does not keep ends it at once.
        task: gives legs, rungs and values.
        monitors: judge between rungs, in this order.
        reference: see `Reference`.
    """

    def __init__(
        self, trial: Opened, *, task: Task, monitors: Sequence[Monitor], reference: Reference
    ) -> None:
        self._trial, self._task, self._monitors, self._reference = trial, task, monitors, reference
        self._legs = task.legs("search")
        self._rungs = {leg.key: task.rungs(leg) for leg in self._legs}
        deepest = max(len(rungs) for rungs in self._rungs.values())
        self._agenda = deque(
            (leg, index) for index in range(deepest) for leg in self._legs if index < len(self._rungs[leg.key])
        )
        self._curves: dict[str, Curve] = {}
        self._snapshots: dict[str, str | None] = {}
        self._ended_legs: dict[str, str] = {}
        self._records: list[RungRecord] = []
        self._ledger: list[Verdict] = list(trial.verdicts)
        self._steps, self._seconds = 0, 0.0
        self.end: Closed | None = None
        self._settle_by_screens()

    def next(self) -> NextRung | None:
        """Returns the rung to run now, or None when the trial has ended (then `end` says how)."""
        if self.end is not None:
            return None
        leg, index = self._agenda[0]
        rungs = self._rungs[leg.key]
        return NextRung(
            leg=leg,
            index=index,
            steps=rungs[index],
            snapshot=self._snapshots.get(leg.key),
            last=index == len(rungs) - 1,
        )

    def absorb(self, record: RungRecord) -> None:
        """Takes the record of the rung that `next` named."""
        leg, index = self._agenda.popleft()
        assert (record.leg, record.index) == (leg.key, index), "records arrive in the order of `next`"
        self._records.append(record)
        if record.result is None:
            assert record.failure is not None
            evidence = {"leg": leg.key, "rung": index, **record.failure.evidence}
            self._close("failed", record.failure.reason, evidence=evidence)
            return
        result = record.result
        first, last = self._rungs[leg.key][index]
        self._steps += (result.curves[0].steps[-1] if result.diverged[0] and result.curves[0].steps else last) - first
        self._seconds += result.seconds
        self._snapshots[leg.key] = result.snapshots[0]
        curve = self._curves[leg.key] = self._curves.get(leg.key, Curve()).then(result.curves[0])
        ended_by = "diverged" if result.diverged[0] else self._judge(leg, record, curve)
        if ended_by is not None:
            self._end_leg(leg, ended_by)
        if self.end is None and not self._agenda:
            self._finish()

    def _settle_by_screens(self) -> None:
        drop = next((verdict for verdict in self._ledger if not verdict.keep), None)
        if drop is None:
            return
        if drop.duplicate_of is not None:
            self._close("duplicate", f"of {drop.duplicate_of}")
        elif drop.filter == PROBE:
            self._close("failed", drop.reason, evidence={"probe": drop.measured})
        else:
            self._close("rejected", drop.filter)

    def _judge(self, leg: Leg, record: RungRecord, curve: Curve) -> str | None:
        """Returns the monitor that drops the leg, if one does."""
        for monitor in self._monitors:
            reference = self._reference(leg.key, record.index)
            verdict = monitor.judge(self._trial, record, leg=leg, curve=curve, reference=reference)
            if verdict is None:
                continue
            self._ledger.append(replace(verdict, leg=leg.key, steps=self._steps))
            if not verdict.keep:
                return verdict.filter
        return None

    def _end_leg(self, leg: Leg, why: str) -> None:
        self._ended_legs[leg.key] = why
        self._agenda = deque(entry for entry in self._agenda if entry[0].key != leg.key)
        rivals = [o.key for o in self._legs if (o.variant, o.replicate) == (leg.variant, leg.replicate)]
        if any(key not in self._ended_legs for key in rivals):
            return
        filters = [self._ended_legs[key] for key in rivals if self._ended_legs[key] != "diverged"]
        if filters:
            self._close("rejected", filters[-1])
        else:
            self._close("failed", "diverged", evidence={"leg": leg.key, "step": self._curves[leg.key].steps[-1]})

    def _finish(self) -> None:
        finished = {leg: self._curves[leg.key] for leg in self._legs if leg.key not in self._ended_legs}
        values = self._task.values(finished)
        if any(value is None for value in values):
            self._close("failed", "diverged", evidence={"values": list(values)})
        else:
            self._close("completed", "", values=values)

    def _close(
        self,
        outcome: Outcome,
        reason: str,
        *,
        values: Values | None = None,
        evidence: Mapping[str, JSON] | None = None,
    ) -> None:
        self.end = Closed(
            number=self._trial.number,
            outcome=outcome,
            reason=reason,
            values=values if values is not None else (None,) * len(self._task.objectives),
            curves=dict(self._curves),
            ledger=tuple(self._ledger),
            steps=self._steps,
            seconds=self._seconds,
            evidence=evidence,
            derived=derived_of(self._records),
        )
