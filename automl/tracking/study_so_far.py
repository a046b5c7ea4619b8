"""What tracking reads of a study, whole or while it goes on.

Why: the side thread looks at a study that keeps growing, once per trial, and must not copy it each time.
The rule: opened and closed trials are read by number and never change; a `StudyLog` is one of these.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from automl.contracts.history import Opened
from automl.contracts.trial import Closed


class StudySoFar(Protocol):
    """A study up to some closed trial."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def header(self) -> Mapping[str, Any]:
        """What it was created with."""

    @property
    def opened(self) -> Sequence[Opened]:
        """Its trials, in order; at least the closed ones."""

    @property
    def closed(self) -> Sequence[Closed]:
        """How they ended, in order."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """Name -> JSON written beside the trials."""
