"""One line that says how a search goes, for all workers together: the rich room.

Why: a bar per worker tells nothing; what counts is how many completed, what rejects the rest, the best against the
baseline, and when it ends. The rule: driven by closed trials and an injected clock alone; on a terminal the line is
redrawn in place, elsewhere a plain line appears every few seconds, so log files stay readable.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from automl.contracts.history import Opened
from automl.contracts.trial import Closed, Objective, Values
from automl.tracking.tally import Tally, better

PLAIN_EVERY_SECONDS = 10.0
REDRAW_SECONDS = 0.1
WINDOW = 50


class Progress:
    """The line; the driver calls it after each close."""

    def __init__(
        self,
        total: int,
        objectives: tuple[Objective, ...],
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        closed_before: int = 0,
    ) -> None:
        """Shows nothing before the first event.

        Args:
            total: trials in the budget, those of earlier sessions included.
            objectives: of the task.
            console: where to write; None = standard error, so that standard output stays clean.
            clock: seconds, monotonic.
            closed_before: trials closed in earlier sessions; `update` is called for them too, they cost no time.
        """
        self._total, self._objectives, self._clock = total, objectives, clock
        self._console = console or Console(stderr=True)
        self._closed_before = closed_before
        self._tally = Tally(objectives=objectives)
        self._baseline: Values = ()
        self._started = clock()
        self._times: deque[float] = deque([self._started], maxlen=WINDOW + 1)
        self._shown_at: float | None = None
        self._live: Live | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def baseline(self, values: Values) -> None:
        """Sets what the best is compared with, one value per objective."""
        self._baseline = values

    def update(self, closed: Closed, opened: Opened) -> None:
        """Counts one closed trial and redraws when it is time."""
        self._tally.add(opened, closed)
        if self._tally.trials > self._closed_before:
            self._times.append(self._clock())
            self._show(REDRAW_SECONDS if self._console.is_terminal else PLAIN_EVERY_SECONDS)

    def close(self) -> None:
        """Writes the final line once and gives the terminal back; calling it again does nothing."""
        if not self._closed and self._tally.trials:
            self._show(0.0)
        if self._live is not None:
            self._live.stop()
        self._closed = True

    def line(self) -> str:
        """Returns the line as plain text."""
        return "  ".join(part for part in (self._share(), self._counts(), self._best(), self._pace()) if part)

    def _show(self, every_seconds: float) -> None:
        now = self._clock()
        if self._shown_at is not None and now - self._shown_at < every_seconds:
            return
        self._shown_at = now
        if not self._console.is_terminal:
            self._console.print(Text(self.line()), soft_wrap=True)
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()
        self._live.update(Text(self.line(), overflow="ellipsis", no_wrap=True), refresh=True)

    def _share(self) -> str:
        return f"{self._tally.trials}/{self._total} trials"

    def _counts(self) -> str:
        tally = self._tally
        filters = ", ".join(f"{name} {count}" for name, count in tally.rejected_by.most_common(3))
        parts = [f"{tally.outcomes['completed']} completed"]
        if tally.outcomes["rejected"]:
            parts.append(f"{tally.outcomes['rejected']} rejected ({filters})")
        parts += [f"{tally.outcomes[name]} {name}" for name in ("duplicate", "failed") if tally.outcomes[name]]
        return ", ".join(parts)

    def _best(self) -> str:
        words = []
        for index, (objective, best) in enumerate(zip(self._objectives, self._tally.best, strict=True)):
            if best is None:
                continue
            number, value = best
            base = self._baseline[index] if index < len(self._baseline) else None
            against = "" if base is None else f" ({_against(value, base, objective)} baseline {base:.4g})"
            words.append(f"best {objective.name} {value:.4g} in trial {number}{against}")
        return "; ".join(words)

    def _pace(self) -> str:
        elapsed = self._times[-1] - self._times[0]
        if len(self._times) < 2 or elapsed <= 0:
            return ""
        rate = (len(self._times) - 1) / elapsed
        left = max(0, self._total - self._tally.trials)
        speed = f"{rate:.1f} trials/s" if rate >= 1 else f"{1 / rate:.1f} s/trial"
        whole = self._times[-1] - self._started
        return f"{speed}, {duration(left / rate)} left" if left else f"{speed}, {duration(whole)} in all"


def duration(seconds: float) -> str:
    """Writes a duration for people: `45s`, `3m 20s`, `2h 05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def _against(value: float, base: float, objective: Objective) -> str:
    if value == base:
        return "equals"
    return "beats" if better(value, base, objective=objective) else "behind"
