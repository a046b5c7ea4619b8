"""The walk of one trial through its legs and rungs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from automl.contracts import Closed, Curve, Failure, Leg, Objective, Opened, RungRecord, RungResult, Values, Verdict
from automl.flows.trial_run import PROBE, TrialRun


@dataclass(frozen=True)
class TwoLegs:
    """A task with the legs given; its value is the best last score of the legs that finished."""

    all_legs: tuple[Leg, ...]
    objectives: tuple[Objective, ...] = (Objective(name="score", direction="maximize", metric="score", chance=0.1),)

    def legs(self, purpose: str) -> tuple[Leg, ...]:
        return self.all_legs

    def rungs(self, leg: Leg) -> tuple[tuple[int, int], ...]:
        return ((0, 10), (10, 30))

    def values(self, curves: Mapping[Leg, Curve]) -> Values:
        scores = [s for curve in curves.values() if (s := curve.last("score")) is not None]
        return (max(scores) if scores else None,)


@dataclass(frozen=True)
class AtLeast:
    """A monitor that drops a leg below a bar."""

    bar: float
    name: str = "at-least"

    def wants(self, leg: Leg, rung: tuple[int, int]) -> tuple[str, ...]:
        return ()

    def judge(
        self, trial: Opened, rung: RungRecord, *, leg: Leg, curve: Curve, reference: Sequence[Curve]
    ) -> Verdict:
        score = curve.last("score")
        keep = score is not None and score >= self.bar
        return Verdict(filter=self.name, keep=keep, measured=score, threshold=self.bar)


def trial(*verdicts: Verdict) -> Opened:
    return Opened(number=3, genotype={"a": 1}, fingerprint="f", verdicts=verdicts)


def record(run: TrialRun, score: float | None, *, diverged: bool = False) -> RungRecord:
    """What the next rung of `run` gives if it ends with `score`."""
    rung = run.next()
    assert rung is not None
    curve = Curve(steps=(rung.steps[1],), metrics={"score": (score,)})
    result = RungResult(
        curves=(curve,), measurements=({},), snapshots=(f"s{rung.index}",), diverged=(diverged,), steps=0, seconds=0.5
    )
    return RungRecord(leg=rung.leg.key, index=rung.index, result=result)


def walk(run: TrialRun, scores: Mapping[tuple[str, int], float | None]) -> Closed:
    """Runs to the end; a score of None diverges."""
    while (rung := run.next()) is not None:
        score = scores[rung.leg.key, rung.index]
        run.absorb(record(run, score, diverged=score is None))
    assert run.end is not None
    return run.end


def make(legs: tuple[Leg, ...], *monitors: AtLeast, verdicts: tuple[Verdict, ...] = ()) -> TrialRun:
    return TrialRun(trial(*verdicts), task=TwoLegs(legs), monitors=monitors, reference=lambda leg, index: ())


A, B = Leg(variant="a"), Leg(variant="b")
COARSE, FINE = Leg(variant="a", overrides={"learning_rate": 0.1}), Leg(variant="a", overrides={"learning_rate": 0.01})


def test_rungs_run_stage_by_stage_over_the_legs() -> None:
    run, seen = make((A, B)), []
    while (rung := run.next()) is not None:
        seen.append((rung.leg.variant, rung.steps, rung.snapshot, rung.last))
        run.absorb(record(run, 0.5))
    assert seen == [
        ("a", (0, 10), None, False),
        ("b", (0, 10), None, False),
        ("a", (10, 30), "s0", True),
        ("b", (10, 30), "s0", True),
    ]
    assert run.end is not None and (run.end.outcome, run.end.values, run.end.steps) == ("completed", (0.5,), 60)


def test_a_drop_on_any_architecture_rejects_the_trial_and_saves_the_other_legs() -> None:
    end = walk(make((A, B), AtLeast(0.2)), {("a", 0): 0.1})
    assert (end.outcome, end.reason, end.values, end.steps) == ("rejected", "at-least", (None,), 10)
    assert [(v.filter, v.keep, v.leg, v.steps) for v in end.ledger] == [("at-least", False, "a", 10)]


def test_a_trial_lives_while_one_alternative_does() -> None:
    scores = {(COARSE.key, 0): 0.1, (FINE.key, 0): 0.9, (FINE.key, 1): 0.95}
    end = walk(make((COARSE, FINE), AtLeast(0.2)), scores)
    assert (end.outcome, end.values) == ("completed", (0.95,))


def test_a_diverged_alternative_is_no_reason_to_fail() -> None:
    end = walk(make((COARSE, FINE)), {(COARSE.key, 0): None, (FINE.key, 0): 0.4, (FINE.key, 1): 0.6})
    assert (end.outcome, end.values) == ("completed", (0.6,))


def test_all_alternatives_diverged_is_a_failure_and_a_mix_with_a_drop_is_a_rejection() -> None:
    diverged = walk(make((COARSE, FINE)), {(COARSE.key, 0): None, (FINE.key, 0): None})
    mixed = walk(make((COARSE, FINE), AtLeast(0.2)), {(COARSE.key, 0): None, (FINE.key, 0): 0.1})
    assert (diverged.outcome, diverged.reason) == ("failed", "diverged")
    assert (mixed.outcome, mixed.reason) == ("rejected", "at-least")


def test_a_failed_job_ends_the_trial_with_its_reason_and_evidence() -> None:
    run = make((A, B))
    run.absorb(RungRecord(leg="a", index=0, failure=Failure(reason="timed-out", evidence={"limit_seconds": 3})))
    assert run.next() is None and run.end is not None
    assert (run.end.outcome, run.end.reason) == ("failed", "timed-out")
    assert run.end.evidence == {"leg": "a", "rung": 0, "limit_seconds": 3}


def test_screens_settle_a_trial_at_once() -> None:
    twin = make((A,), verdicts=(Verdict(filter="duplicates", keep=False, duplicate_of=1),)).end
    refused = make((A,), verdicts=(Verdict(filter="cost", keep=False, reason="too big"),)).end
    crashed = make((A,), verdicts=(Verdict(filter=PROBE, keep=False, reason="crashed"),)).end
    assert twin is not None and (twin.outcome, twin.reason) == ("duplicate", "of 1")
    assert refused is not None and (refused.outcome, refused.reason) == ("rejected", "cost")
    assert crashed is not None and (crashed.outcome, crashed.reason) == ("failed", "crashed")


def test_a_value_that_is_not_finite_at_the_end_is_a_failure_not_a_completion() -> None:
    run = make((A,))
    run.absorb(record(run, 0.5))
    run.absorb(record(run, None))
    assert run.end is not None and (run.end.outcome, run.end.reason) == ("failed", "diverged")


def test_what_was_derived_before_a_drop_stays_with_the_trial() -> None:
    run = make((Leg(variant="a"),), AtLeast(bar=0.5))
    for step, score in ((10, 0.9), (30, 0.1)):
        plain = record(run, score)
        assert plain.result is not None
        found = {"derived": [{"step": step, "genotype": {"cell": step}}]}
        run.absorb(replace(plain, result=replace(plain.result, measurements=(found,))))
    assert run.end is not None and run.end.outcome == "rejected"
    assert run.end.derived == tuple({"leg": "a", "step": step, "genotype": {"cell": step}} for step in (10, 30))
