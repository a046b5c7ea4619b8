"""The progress line, with a clock and a console of its own."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from automl.tracking.progress import Progress, duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def plain():
    return Console(file=StringIO(), width=400)


def feed(progress, clock, trials, *, seconds_each=1.0):
    for opened, closed in trials:
        clock.now += seconds_each
        progress.update(closed, opened)


def test_one_line_tells_counts_best_pace_and_time_left(made, clock):
    progress = Progress(10, (made.accuracy,), console=plain(), clock=clock)
    progress.baseline((0.8,))
    twin, end = made.completed(4, 0.7)
    trials = [made.completed(0, 0.7), made.screened(1), made.diverged(2), made.completed(3, 0.9)]
    feed(progress, clock, [*trials, (twin, replace(end, outcome="duplicate", reason="of 0"))], seconds_each=0.5)
    assert progress.line() == (
        "5/10 trials  2 completed, 1 rejected (validity 1), 1 duplicate, 1 failed  "
        "best accuracy 0.9 in trial 3 (beats baseline 0.8)  2.0 trials/s, 2s left"
    )


def test_off_a_terminal_a_line_appears_every_ten_seconds_and_at_the_end(made, clock):
    console = plain()
    with Progress(25, (made.accuracy,), console=console, clock=clock) as progress:
        feed(progress, clock, [made.completed(n, 0.5) for n in range(25)])
    lines = console.file.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["1/25", "11/25", "21/25", "25/25"]
    assert lines[-1].endswith("25s in all")
    assert "\x1b" not in console.file.getvalue()


def test_on_a_terminal_the_line_is_redrawn_in_place(made, clock):
    console = Console(file=StringIO(), width=100, force_terminal=True)
    with Progress(3, (made.accuracy,), console=console, clock=clock) as progress:
        feed(progress, clock, [made.completed(n, 0.5) for n in range(3)])
    assert "3/3 trials" in console.file.getvalue()
    assert "\x1b[2K" in console.file.getvalue()


def test_closing_twice_writes_the_end_once(made, clock):
    console = plain()
    progress = Progress(1, (made.accuracy,), console=console, clock=clock)
    feed(progress, clock, [made.completed(0, 0.5)])
    progress.close()
    once = console.file.getvalue()
    progress.close()
    assert console.file.getvalue() == once


def test_trials_of_an_earlier_session_count_but_do_not_speed_up_the_pace(made, clock):
    progress = Progress(6, (made.accuracy,), console=plain(), clock=clock, closed_before=3)
    feed(progress, clock, [made.completed(n, 0.5) for n in range(3)], seconds_each=0.0)
    feed(progress, clock, [made.completed(3, 0.5)], seconds_each=4.0)
    assert progress.line().startswith("4/6 trials")
    assert progress.line().endswith("4.0 s/trial, 8s left")


@pytest.mark.parametrize(("seconds", "text"), [(4.4, "4s"), (200, "3m 20s"), (7_500, "2h 05m")])
def test_durations_read_naturally(seconds, text):
    assert duration(seconds) == text
