"""The search: one driver, a window of open trials, everything committed in trial order.

Why: a study must come out the same for any number of workers and any interruption. The rule: trial k is proposed from
the trials before p(k) (see `automl.flows.window`); what was recorded is replayed in place of asking and training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from automl.canonical import JSON
from automl.contracts.history import History, Opened, RungRecord, StudyLog
from automl.contracts.rung import Executor, Failure, RungResult
from automl.contracts.space import Genotype
from automl.contracts.trial import Closed
from automl.errors import EngineError
from automl.flows.jobs import Jobs
from automl.flows.plan import Budget, Plan
from automl.flows.references import ReachedCurves, Seen
from automl.flows.screening import screen
from automl.flows.trial_run import NextRung, TrialRun
from automl.flows.window import Window
from automl.seeding import child

BASELINE = -1
"""Stands in for a trial number where the baseline itself is trained."""


@dataclass(slots=True, kw_only=True)
class _Live:
    """An open trial that is being trained: its walk, its records, and the audit's walk if there is one."""

    opened: Opened
    run: TrialRun
    records: dict[tuple[str, int], RungRecord] = field(default_factory=dict)
    audit: TrialRun | None = None


class Search:
    """Drives one study until its budget is spent.

    Args:
        plan: the parts of the study.
        budget: how far to go; what is already recorded counts.
        history: the log, opened by this driver.
        executor: runs jobs.
        watch: called with each trial that closes, in trial order; must not raise.
        noted: called with each note (name, value) that the search writes beside the trials; must not raise.
        release: called with snapshot keys that nobody needs any more.
        stop: asked before each new proposal; True = propose no more, finish what is open.
        now_ms: wall clock in milliseconds, for time stamps only.
        workers: of the executor, >= 1; decides when jobs are merged, never what comes of them.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        budget: Budget,
        history: History,
        executor: Executor,
        watch: Callable[[Opened, Closed], None] = lambda opened, closed: None,
        noted: Callable[[str, Any], None] = lambda name, value: None,
        release: Callable[[Sequence[str]], None] = lambda keys: None,
        stop: Callable[[], bool] = lambda: False,
        now_ms: Callable[[], int],
        workers: int = 1,
    ) -> None:
        self._plan, self._budget, self._history = plan, budget, history
        self._watch, self._noted, self._release = watch, noted, release
        self._stop, self._now_ms = stop, now_ms
        self._window = Window(plan.depth, block=plan.block)
        self._seen, self._curves = Seen(), ReachedCurves()
        self._opened: list[Opened] = []
        self._closed: list[Closed] = []
        self._live: dict[int, _Live] = {}
        self._jobs = Jobs(executor, width=plan.width, workers=workers)
        self._probed: dict[str, RungResult | Failure] = {}
        self._state: Any = None
        self._told, self._trained = 0, 0

    def run(self) -> None:
        """Goes on until the budget is spent and everything open is closed.

        Raises:
            EngineError: the baseline fails, or infrastructure failures repeat.
            StorageError: the history cannot be written; the study opens again.
        """
        log = self._history.all()
        recorded, self._closed = log.opened, list(log.closed)
        for closed in self._closed:
            self._curves.add(closed.number, log.rungs.get(closed.number, ()))
            self._seen.finish(recorded[closed.number], closed)
        self._state = self._plan.searcher.init()
        self._start_baseline(log)
        while True:
            while self._may_open(len(recorded)):
                self._open_next(recorded, log.rungs)
            if not self._live and len(self._closed) == len(self._opened):
                return
            self._pump(1.0)

    def _may_open(self, recorded: int) -> bool:
        number = len(self._opened)
        if self._window.low() > len(self._closed):
            return False
        if number < recorded:
            return True
        spent = self._budget.trained is not None and self._trained >= self._budget.trained
        return number < self._budget.trials and not spent and not self._stop()

    def _open_next(self, recorded: Sequence[Opened], rungs: Mapping[int, Sequence[RungRecord]]) -> None:
        number, low, searcher = len(self._opened), self._window.low(), self._plan.searcher
        while self._told < low:
            self._state = searcher.tell(self._state, self._opened[self._told], self._closed[self._told])
            self._told += 1
        if number < len(recorded):
            opened = recorded[number]
            self._state = searcher.restore(self._state, opened)
        else:
            opened = self._propose(number, low)
            self._history.open(opened)
        self._opened.append(opened)
        self._seen.add(opened.fingerprint, number)
        self._window.add(trained=opened.trained)
        self._trained += opened.trained
        if number >= len(self._closed):
            records = {(r.leg, r.index): r for r in rungs.get(number, ())}
            run = TrialRun(
                opened,
                task=self._plan.task,
                monitors=self._plan.monitors,
                reference=lambda leg, index: self._curves.before(low, leg, index),
            )
            self._live[number] = _Live(opened=opened, run=run, records=records)
            self._advance(number)

    def _propose(self, number: int, low: int) -> Opened:
        plan = self._plan
        pending = tuple(trial.genotype for trial in self._opened[low:])
        genotype, memo = plan.searcher.ask(self._state, pending, number, child(plan.seed, "ask", number))
        fingerprint = plan.space.fingerprint(genotype)
        screened = screen(
            genotype,
            fingerprint,
            screens=plan.screens,
            variants=plan.variants,
            study=self._seen.before(low),
            probe=self._probe,
        )
        return Opened(
            number=number,
            genotype=genotype,
            fingerprint=fingerprint,
            description=plan.describe(genotype),
            memo=memo,
            verdicts=screened.verdicts,
            measurements=screened.measurements,
            opened_at_ms=self._now_ms(),
        )

    def _probe(self, genotype: Genotype | None, variant: str, requests: tuple[str, ...]) -> RungResult | Failure:
        """Runs one probe job, handling whatever else ends meanwhile."""
        key = f"probe:{variant}"
        self._jobs.submit(key, self._plan.probe_job(genotype, variant, requests), priority=(BASELINE,))
        while key not in self._probed:
            self._pump(1.0)
        return self._probed.pop(key)

    def _start_baseline(self, log: StudyLog) -> None:
        """Probes and trains the task's own recipe, unless an earlier life of the study has."""
        note = log.notes.get("baseline", {})
        measurements: dict[str, Mapping[str, JSON]] = dict(note.get("measurements", {}))
        requests = tuple(sorted({name for s in self._plan.screens for name in s.probes}))
        for variant in self._plan.variants if requests else ():
            if variant in measurements:
                continue
            result = self._probe(None, variant, requests)
            if isinstance(result, Failure):
                raise EngineError(_baseline_failed(self._plan, result.reason, result.evidence))
            measurements[variant] = result.measurements[0]
        self._seen.baseline = measurements
        if "values" not in note:
            self._note_baseline({"measurements": measurements})
            opened = Opened(number=BASELINE, genotype={}, fingerprint="", measurements=measurements)
            run = TrialRun(opened, task=self._plan.task, monitors=(), reference=lambda leg, index: ())
            self._live[BASELINE] = _Live(opened=opened, run=run)
            self._advance(BASELINE)

    def _advance(self, number: int) -> None:
        """Replays what is recorded of an open trial, then submits its next rung or commits its end."""
        live = self._live[number]
        while True:
            run = live.audit or live.run
            rung = run.next()
            if rung is None:
                if live.audit is None and self._audited(live):
                    unjudged = replace(live.opened, verdicts=())
                    live.audit = TrialRun(unjudged, task=self._plan.task, monitors=(), reference=lambda leg, index: ())
                    continue
                break
            record = live.records.get((rung.leg.key, rung.index))
            if record is None:
                self._submit_rung(number, rung)
                return
            run.absorb(record)
        if number == BASELINE:
            self._finish_baseline(live)
        self._commit()

    def _audited(self, live: _Live) -> bool:
        end = live.run.end
        if end is None or end.outcome != "rejected" or self._plan.audit == 0:
            return False
        return bool(child(self._plan.seed, "audit", end.number).random() < self._plan.audit)

    def _submit_rung(self, number: int, rung: NextRung) -> None:
        genotype = None if number == BASELINE else self._live[number].opened.genotype
        key = f"{number}:{rung.index}:{rung.leg.key}"
        self._jobs.submit(key, self._plan.train_job(genotype, rung), priority=(number,))

    def _pump(self, timeout_seconds: float) -> None:
        """Takes what has ended: stores it before anything that follows from it is submitted."""
        for job, answer in self._jobs.wait(timeout_seconds):
            if job.kind == "probe":
                ended = answer.result if answer.result is not None else answer.failure
                assert ended is not None
                self._probed[answer.key] = ended
                continue
            number, index, leg = answer.key.split(":", 2)
            live = self._live[int(number)]
            record = RungRecord(
                leg=leg,
                index=int(index),
                result=answer.result,
                failure=answer.failure,
                audit=live.audit is not None,
            )
            if int(number) != BASELINE:
                self._history.record(int(number), record)
            live.records[leg, int(index)] = record
            self._advance(int(number))

    def _finish_baseline(self, live: _Live) -> None:
        end = live.run.end
        assert end is not None
        if end.outcome != "completed":
            raise EngineError(_baseline_failed(self._plan, end.reason, end.evidence or {}))
        note: dict[str, JSON] = {
            "measurements": live.opened.measurements,
            "values": list(end.values),
            "curves": {leg: curve.to_json() for leg, curve in end.curves.items()},
            "steps": end.steps,
            "seconds": end.seconds,
        }
        self._note_baseline(note)
        del self._live[BASELINE]

    def _note_baseline(self, note: dict[str, JSON]) -> None:
        self._history.note("baseline", note)
        self._noted("baseline", note)

    def _commit(self) -> None:
        """Closes trials in trial order, as far as they have ended."""
        while (live := self._live.get(len(self._closed))) is not None:
            run = live.audit or live.run
            if live.run.end is None or run.end is None:
                return
            closed = self._final(live)
            self._history.close_trial(closed)
            self._closed.append(closed)
            del self._live[closed.number]
            records = tuple(live.records.values())
            self._curves.add(closed.number, records)
            self._seen.finish(live.opened, closed)
            self._release([key for r in records if r.result for key in r.result.snapshots if key])
            self._watch(live.opened, closed)

    def _final(self, live: _Live) -> Closed:
        end = live.run.end
        assert end is not None
        twin = next((v.duplicate_of for v in end.ledger if v.duplicate_of is not None), None)
        if twin is not None:
            end = replace(end, values=self._closed[twin].values)
        if live.audit is not None and live.audit.end is not None:
            trained_anyway = live.audit.end
            audit = {
                "values": list(trained_anyway.values),
                "outcome": trained_anyway.outcome,
                "steps": trained_anyway.steps - end.steps,
            }
            end = replace(end, audit=audit)
        return replace(end, closed_at_ms=self._now_ms())


def _baseline_failed(plan: Plan, reason: str, evidence: Mapping[str, Any]) -> str:
    return (
        f"The baseline of task {plan.task.name!r} itself ended as {reason!r} ({dict(evidence)}), so no candidate "
        f"could be compared with it. Check the task's data, model and learning rate."
    )
