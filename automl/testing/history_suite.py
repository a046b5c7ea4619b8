"""What every history must do, as tests to inherit.

Why: resuming rests on two properties: what was written is read back equal, and the log in memory is the log on disk.
The rule: inherit `HistorySuite`, implement `created` and `reopened`, and the tests run.
"""

import abc

import pytest

from automl.canonical import JSON
from automl.contracts.history import History, Opened, RungRecord, StudyLog
from automl.contracts.rung import Failure, RungResult
from automl.contracts.trial import Closed, Curve, Verdict
from automl.errors import StorageError

HEADER: dict[str, JSON] = {"space": {"name": "toy", "version": 1}, "seed": 0, "depth": 8}


def opened(number: int, *, twin: int | None = None) -> Opened:
    """Returns a trial with every field filled."""
    verdicts = [Verdict(filter="cost", keep=True, measured={"flops": 12.5}, threshold=20, seconds=0.25)]
    if twin is not None:
        verdicts.append(Verdict(filter="duplicates", keep=False, reason="same function", duplicate_of=twin))
    return Opened(
        number=number,
        genotype={"op4": "mul", "a4": 0, "nested": {"list": [1, 2.5, None, True]}},
        fingerprint=f"f{number}",
        memo={"parents": [0, 1], "operator": "mutation", "redrawn": {"validity": 3}},
        verdicts=tuple(verdicts),
        measurements={"resnet": {"parameters": 1234, "finite": True}},
        opened_at_ms=1_700_000_000_000 + number,
    )


def rung(index: int, *, leg: str = "resnet", points: int = 2) -> RungRecord:
    """Returns a recorded slice with `points` measurements, the last of them not finite."""
    steps = tuple(10 * index * points + 10 * (point + 1) for point in range(points))
    accuracy = (*(0.1 * index + 0.01 * point for point in range(points - 1)), None)
    result = RungResult(
        curves=(Curve(steps=steps, metrics={"accuracy": accuracy, "loss": tuple(1.0 / step for step in steps)}),),
        measurements=({"stability": 0.5},),
        snapshots=(f"key-{leg}-{index}",),
        diverged=(False,),
        steps=10 * points,
        seconds=1.5,
    )
    return RungRecord(leg=leg, index=index, result=result)


def failed_rung(index: int) -> RungRecord:
    """Returns a rung that failed."""
    failure = Failure(reason="timed-out", evidence={"limit_seconds": 30.0, "log": "tail\n"})
    return RungRecord(leg="resnet", index=index, failure=failure)


def completed(number: int, *records: RungRecord, values: tuple[float | None, ...] = (0.75,)) -> Closed:
    """Returns a completed trial whose curves are those of `records`."""
    curves: dict[str, Curve] = {}
    for record in records:
        assert record.result is not None
        curves[record.leg] = curves.get(record.leg, Curve()).then(record.result.curves[0])
    return Closed(
        number=number,
        outcome="completed",
        reason="",
        values=values,
        curves=curves,
        ledger=(Verdict(filter="halving", keep=True, measured=0.5, threshold=0.25, leg="resnet", steps=20),),
        steps=40,
        seconds=3.0,
        closed_at_ms=1_700_000_001_000,
    )


def ended(number: int, outcome: str, reason: str) -> Closed:
    """Returns a trial that ended without values and without curves."""
    evidence = {"exit": "SIGKILL", "leg": "resnet"} if outcome == "failed" else None
    return Closed(number=number, outcome=outcome, reason=reason, values=(None,), evidence=evidence)  # type: ignore[arg-type]


class HistorySuite(abc.ABC):
    """Inherit it as `TestMyHistory(HistorySuite)`."""

    @abc.abstractmethod
    def created(self) -> History:
        """Returns the open history of a new study with `HEADER` and one objective to maximize."""

    @abc.abstractmethod
    def reopened(self, history: History) -> History:
        """Returns the same study, opened again by a driver that has nothing but what was stored."""

    def persisted(self, history: History) -> StudyLog:
        """Checks that the log in memory is the log on disk, and returns it."""
        in_memory = history.all()
        on_disk = self.reopened(history).all()
        assert in_memory == on_disk
        return on_disk

    def test_new_study_has_its_header_and_nothing_else(self) -> None:
        log = self.persisted(self.created())
        assert log.header == HEADER
        assert (log.opened, log.rungs, log.closed, log.notes) == ((), {}, (), {})

    def test_opened_trials_are_read_back_equal(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.open(opened(1, twin=0))
        assert self.persisted(history).opened == (opened(0), opened(1, twin=0))

    def test_rungs_are_read_back_equal_whatever_the_order_they_arrive_in(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.open(opened(1))
        tuned = rung(0, leg='mlp{"learning_rate":0.1}#2')
        for number, record in ((1, rung(0)), (0, rung(1)), (0, tuned), (0, rung(0)), (1, failed_rung(1))):
            history.record(number, record)
        log = self.persisted(history)
        assert log.rungs == {0: (tuned, rung(0), rung(1)), 1: (rung(0), failed_rung(1))}
        assert log.closed == ()

    def test_rung_recorded_again_replaces_the_first(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.record(0, failed_rung(0))
        history.record(0, rung(0))
        assert self.persisted(history).rungs == {0: (rung(0),)}

    def test_legs_with_very_long_keys_do_not_meet(self) -> None:
        history = self.created()
        history.open(opened(0))
        legs = ["x" * 600 + end for end in "ab"]
        for leg in legs:
            history.record(0, rung(0, leg=leg))
        assert [record.leg for record in self.persisted(history).rungs[0]] == legs

    def test_completed_trial_is_read_back_equal_with_its_curves(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.record(0, rung(0))
        history.record(0, rung(1))
        history.close_trial(completed(0, rung(0), rung(1)))
        (closed,) = self.persisted(history).closed
        assert closed == completed(0, rung(0), rung(1))
        assert closed.curves["resnet"].steps == (10, 20, 30, 40)

    def test_rejected_and_failed_trials_are_read_back_equal(self) -> None:
        history = self.created()
        ends = (ended(0, "rejected", "cost"), ended(1, "failed", "crashed"))
        for end in ends:
            history.open(opened(end.number))
            history.close_trial(end)
        assert self.persisted(history).closed == ends

    def test_duplicate_keeps_the_values_of_its_twin_and_has_no_curves(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.open(opened(1, twin=0))
        history.record(0, rung(0))
        history.close_trial(completed(0, rung(0)))
        history.close_trial(Closed(number=1, outcome="duplicate", reason="of 0", values=(0.75,)))
        duplicate = self.persisted(history).closed[1]
        assert (duplicate.outcome, duplicate.values, duplicate.curves) == ("duplicate", (0.75,), {})

    def test_rungs_of_an_audit_are_kept_but_are_no_part_of_the_end(self) -> None:
        history = self.created()
        history.open(opened(0))
        for index in range(3):
            history.record(0, rung(index))
        audited = Closed(
            number=0,
            outcome="rejected",
            reason="halving",
            values=(None,),
            curves={"resnet": rung(0).result.curves[0]},  # type: ignore[union-attr]
            audit={"values": [0.9], "steps": 40},
        )
        history.close_trial(audited)
        log = self.persisted(history)
        assert log.closed == (audited,)
        assert len(log.rungs[0]) == 3

    def test_value_that_is_not_finite_becomes_absent(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.close_trial(completed(0, values=(float("nan"),)))
        assert self.persisted(history).closed[0].values == (None,)

    def test_trials_open_in_order_only(self) -> None:
        history = self.created()
        with pytest.raises(StorageError, match="the next is 0"):
            history.open(opened(1))
        history.open(opened(0))
        with pytest.raises(StorageError, match="the next is 1"):
            history.open(opened(0))
        assert self.persisted(history).opened == (opened(0),)

    def test_trials_close_in_order_and_once(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.open(opened(1))
        with pytest.raises(StorageError, match="0 is next"):
            history.close_trial(ended(1, "rejected", "cost"))
        history.close_trial(ended(0, "rejected", "cost"))
        with pytest.raises(StorageError, match="1 is next"):
            history.close_trial(ended(0, "failed", "crashed"))
        assert self.persisted(history).closed == (ended(0, "rejected", "cost"),)

    def test_trial_that_was_never_opened_cannot_close(self) -> None:
        with pytest.raises(StorageError):
            self.created().close_trial(ended(0, "rejected", "cost"))

    def test_closed_trials_take_no_more_rungs(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.close_trial(ended(0, "rejected", "cost"))
        with pytest.raises(StorageError, match="not open"):
            history.record(0, rung(0))

    def test_study_goes_on_where_it_was_left(self) -> None:
        history = self.created()
        history.open(opened(0))
        history.open(opened(1))
        history.record(1, rung(0))
        history = self.reopened(history)
        history.close_trial(ended(0, "rejected", "cost"))
        history.record(1, rung(1))
        history.open(opened(2))
        history.close_trial(completed(1, rung(0), rung(1)))
        log = self.persisted(history)
        assert [trial.number for trial in log.opened] == [0, 1, 2]
        assert log.closed[1] == completed(1, rung(0), rung(1))

    def test_notes_are_replaced(self) -> None:
        history = self.created()
        history.note("baseline", {"values": [0.5]})
        history.note("review:3", "approved")
        history.note("baseline", {"values": [0.25]})
        assert self.persisted(history).notes == {"baseline": {"values": [0.25]}, "review:3": "approved"}

    def test_what_is_not_canonical_is_refused_and_nothing_is_written(self) -> None:
        history = self.created()
        with pytest.raises(StorageError, match="null"):
            history.note("bad", float("nan"))
        bad = Opened(number=0, genotype={"x": float("inf")}, fingerprint="f")
        with pytest.raises(StorageError, match="null"):
            history.open(bad)
        assert self.persisted(history).opened == ()
