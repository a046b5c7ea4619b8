"""The side thread, driven by sinks of its own and once by a dead server."""

import threading
import time

import pytest

from automl.tracking.live_sync import LiveSync


class Sink:
    """Remembers what it was sent; `gate` holds it back, `failures` makes the next calls raise."""

    def __init__(self, *, failures: int = 0) -> None:
        self.trials, self.studies, self.failures = [], [], failures
        self.gate = threading.Event()
        self.gate.set()

    def send_trials(self, log):
        assert self.gate.wait(5)
        if self.failures:
            self.failures -= 1
            raise OSError("tracking is away")
        self.trials.append(len(log.closed))

    def send_study(self, log, *, ended):
        self.studies.append((len(log.closed), ended, dict(log.notes)))


@pytest.fixture
def empty(made):
    return made.study()


def test_everything_is_sent_by_the_time_it_is_closed(made, empty):
    sink = Sink()
    live = LiveSync(lambda: sink, log=empty)
    for number in range(3):
        live.notify(*made.completed(number, 0.5))
    live.note("baseline", {"values": [0.4]})
    assert live.close()
    assert sink.trials[-1] == 3
    assert sink.studies[-1] == (3, True, {"baseline": {"values": [0.4]}})
    assert live.status().complete


def test_the_search_never_waits_for_a_slow_store(made, empty):
    sink = Sink()
    sink.gate.clear()
    live = LiveSync(lambda: sink, log=empty)
    started = time.monotonic()
    for number in range(100):
        live.notify(*made.completed(number, 0.5))
    assert time.monotonic() - started < 1.0
    assert not live.close(wait_seconds=0.05)
    sink.gate.set()


def test_connecting_happens_in_the_thread(empty):
    threads = []
    live = LiveSync(lambda: threads.append(threading.current_thread().name) or Sink(), log=empty)
    assert live.close()
    assert threads == ["automl-live-sync"]


def test_after_a_problem_the_fold_starts_again_with_a_new_sink(made, empty):
    sinks = [Sink(failures=1), Sink()]
    remaining = iter(sinks)
    live = LiveSync(lambda: next(remaining), log=empty, pause_seconds=0.0)
    live.notify(*made.completed(0, 0.5))
    assert live.close()
    assert sinks[1].trials[-1] == 1


def test_closing_ends_the_pause_with_one_last_attempt(made, empty):
    attempts = []

    def connect():
        attempts.append(1)
        raise OSError("tracking is away")

    live = LiveSync(connect, log=empty, pause_seconds=3_600.0)
    live.notify(*made.completed(0, 0.5))
    assert not live.close(wait_seconds=5.0)
    assert 1 <= len(attempts) <= 2
    assert live.status().problem == "tracking is away"


def test_a_resumed_study_brings_its_closed_trials_along(made):
    sink = Sink()
    live = LiveSync(lambda: sink, log=made.study(made.completed(0, 0.5), made.completed(1, 0.5)))
    live.notify(*made.completed(2, 0.5))
    assert live.close()
    assert sink.trials[-1] == 3


def test_a_dead_server_is_reported_and_never_raised(made, empty):
    def connect():
        from automl.tracking.mlflow_sync import Sync

        return Sync("http://127.0.0.1:9", objectives=(made.accuracy,), portrayal=made.portrayal)

    live = LiveSync(connect, log=empty)
    live.notify(*made.completed(0, 0.5))
    assert not live.close(wait_seconds=20.0)
    assert "does not answer" in live.status().problem
