"""What every screen and monitor must keep; inherit it in a test file.

Why: a filter that keeps state, reads a clock or answers without evidence makes studies depend on their order and
rejections impossible to audit. The rule: a subclass gives the filter and cases that it keeps and drops.
"""

import copy
from typing import Any

from automl.canonical import dumps
from automl.contracts.trial import Monitor, Screen, Verdict


def check_evidence(verdict: Verdict, *, name: str) -> None:
    """Asserts that a verdict names its filter, can be stored, and, if it drops, gives a reason."""
    assert verdict.filter == name
    dumps(verdict.to_json())
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert verdict.keep or verdict.reason


class ScreenSuite:
    """Conformance suite of `Screen`; a case is judge's arguments: (genotype, fingerprint, measurements, study)."""

    def screen(self) -> Screen:
        """Returns the screen under test."""
        raise TypeError(f"{type(self).__name__} must define screen(self)")

    def kept(self) -> tuple[Any, ...]:
        """Returns a case that it keeps."""
        raise TypeError(f"{type(self).__name__} must define kept(self)")

    def dropped(self) -> tuple[Any, ...]:
        """Returns a case that it drops."""
        raise TypeError(f"{type(self).__name__} must define dropped(self)")

    def test_it_keeps_and_drops_with_evidence(self) -> None:
        """A verdict is an entry of the ledger, readable on its own."""
        screen = self.screen()
        kept, dropped = screen.judge(*self.kept()), screen.judge(*self.dropped())
        assert kept.keep and not dropped.keep
        check_evidence(kept, name=screen.name)
        check_evidence(dropped, name=screen.name)

    def test_it_is_pure(self) -> None:
        """The same case gives the same verdict, whatever came between, and its measurements are left alone."""
        screen, case = self.screen(), self.dropped()
        before = copy.deepcopy(case[2])
        first = screen.judge(*case)
        screen.judge(*self.kept())
        assert screen.judge(*case) == first == self.screen().judge(*self.dropped())
        assert case[2] == before


class MonitorSuite:
    """Conformance suite of `Monitor`. A case is the keyword and positional arguments of `judge` as a mapping."""

    def monitor(self) -> Monitor:
        """Returns the monitor under test."""
        raise TypeError(f"{type(self).__name__} must define monitor(self)")

    def kept(self) -> dict[str, Any]:
        """Returns a case that it keeps."""
        raise TypeError(f"{type(self).__name__} must define kept(self)")

    def dropped(self) -> dict[str, Any]:
        """Returns a case that it drops."""
        raise TypeError(f"{type(self).__name__} must define dropped(self)")

    def silent(self) -> dict[str, Any]:
        """Returns a case on which it has no word."""
        raise TypeError(f"{type(self).__name__} must define silent(self)")

    def test_it_keeps_drops_and_is_silent(self) -> None:
        """Where it has no word it writes no entry."""
        monitor = self.monitor()
        kept, dropped = monitor.judge(**self.kept()), monitor.judge(**self.dropped())
        assert kept is not None and kept.keep and dropped is not None and not dropped.keep
        assert monitor.judge(**self.silent()) is None
        check_evidence(kept, name=monitor.name)
        check_evidence(dropped, name=monitor.name)

    def test_it_is_pure(self) -> None:
        """The same case gives the same verdict, whatever came between."""
        monitor = self.monitor()
        first = monitor.judge(**self.dropped())
        monitor.judge(**self.kept())
        assert monitor.judge(**self.dropped()) == first == self.monitor().judge(**self.dropped())
