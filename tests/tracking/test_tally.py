"""The totals that study run, charts and progress share."""

from dataclasses import replace

from automl.contracts.trial import Objective
from automl.tracking.tally import Tally


def test_counts_follow_the_outcomes(made, mixed_study):
    tally = Tally(objectives=(made.accuracy,))
    for opened, closed in zip(mixed_study.opened, mixed_study.closed, strict=True):
        tally.add(opened, closed)
    assert (tally.trials, dict(tally.outcomes)) == (4, {"completed": 2, "rejected": 1, "failed": 1})
    assert (dict(tally.rejected_by), dict(tally.failed_by)) == ({"validity": 1}, {"diverged": 1})
    assert tally.steps_trained == 30 + 10 + 30
    assert tally.steps_saved == 30  # the screened trial would have taken one whole training; a failure saves nothing


def test_best_is_the_lowest_when_minimizing(made):
    tally = Tally(objectives=(Objective(name="loss", direction="minimize", metric="loss"),))
    improved = [tally.add(*made.completed(number, value)) for number, value in enumerate((0.5, 0.7, 0.2))]
    assert improved == [True, False, True]
    assert tally.best == [(2, 0.2)]


def test_nan_and_absent_values_never_become_the_best(made):
    tally = Tally(objectives=(made.accuracy,))
    for number, value in enumerate((float("nan"), None)):
        opened, closed = made.completed(number, 0.5)
        tally.add(opened, replace(closed, values=(value,)))
    assert tally.best == [None]


def test_a_duplicate_never_becomes_the_best(made):
    tally = Tally(objectives=(made.accuracy,))
    opened, closed = made.completed(0, 0.9)
    assert not tally.add(opened, replace(closed, outcome="duplicate", reason="of 0"))
