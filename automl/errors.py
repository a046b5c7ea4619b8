"""Every error that this package raises on purpose, with the values that caused it.

Why one file: a caller can catch `AutoMLError` at the door, and a reader sees at once what can go wrong.
The rule: a message says what was given (name=value, where), what is allowed, and how to fix it.
"""

import difflib
from collections.abc import Iterable


class AutoMLError(Exception):
    """Root of the errors of this package; the CLI prints it as one short paragraph and exits with 1."""


class UsageError(AutoMLError):
    """A wrong request, as opposed to one that failed; the CLI exits with 2."""


class UnknownName(UsageError):
    """A name that nothing answers to.

    Attributes:
        kind: what was looked for ("search space", "task", "setting", ...).
        given: the name as typed.
        allowed: the names that exist.
    """

    def __init__(self, kind: str, given: str, allowed: Iterable[str]) -> None:
        self.kind, self.given, self.allowed = kind, given, sorted(allowed)
        near = difflib.get_close_matches(given, self.allowed, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(self.allowed) if self.allowed else "none"
        super().__init__(f"Unknown {kind} {given!r}.{hint} Known: {known}.")


class InvalidSetting(UsageError):
    """A setting whose value is out of its legal range.

    Attributes:
        name: the setting, dotted (`searcher.population`).
        given: the value as given.
        allowed: the legal range in words.
    """

    def __init__(self, name: str, given: object, allowed: str) -> None:
        self.name, self.given, self.allowed = name, given, allowed
        super().__init__(f"{name}={given!r} is not allowed: {allowed}.")


class InvalidGenotype(AutoMLError):
    """Data that is no genotype of the space; nothing was built from it.

    Attributes:
        where: the part that is wrong, as a path into the JSON ("op4", "$").
        given: a short repr of what stands there.
        allowed: what may stand there.
    """

    def __init__(self, where: str, given: object, allowed: str) -> None:
        shown = repr(given)
        self.where, self.given, self.allowed = where, shown if len(shown) <= 80 else shown[:77] + "...", allowed
        super().__init__(f"Not a genotype of this space: {where} is {self.given}; allowed: {allowed}.")


class NotCanonical(AutoMLError):
    """A value that has no canonical JSON form (NaN, infinity, an object), or text that is not JSON."""


class CannotEncode(UsageError):
    """A space that the chosen searcher cannot propose from.

    Attributes:
        space: name of the space.
        searcher: the refused searcher.
        able: the searchers that can.
    """

    def __init__(self, space: str, searcher: str, reason: str, able: Iterable[str]) -> None:
        self.space, self.searcher, self.able = space, searcher, sorted(able)
        super().__init__(
            f"Searcher {searcher!r} cannot propose from space {space!r}: {reason}. Use one of: {', '.join(self.able)}."
        )


class StudyNotFound(UsageError):
    """No study of that name in that storage."""

    def __init__(self, study: str, storage: str, existing: Iterable[str]) -> None:
        self.study, self.storage, self.existing = study, storage, sorted(existing)
        near = difflib.get_close_matches(study, self.existing, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(self.existing) if self.existing else "none yet; start one with `automl search SPACE`"
        super().__init__(f"No study {study!r} in {storage}.{hint} Studies there: {known}.")


class HeaderMismatch(UsageError):
    """A study that was started with other settings than it is now driven with.

    Attributes:
        field: dotted name of the first differing field.
        stored: its value when the study was created.
        given: its value now.
    """

    def __init__(self, study: str, field: str, stored: object, given: object, remedy: str) -> None:
        self.study, self.field, self.stored, self.given = study, field, stored, given
        super().__init__(
            f"Study {study!r} was created with {field}={stored!r}, now it is {given!r}. {remedy}"
        )


class StudyLocked(AutoMLError):
    """Another driver runs this study; a study has one writer.

    Attributes:
        study: name of the study.
        owner: what is known of the other driver (pid, host, start time).
    """

    def __init__(self, study: str, owner: str) -> None:
        self.study, self.owner = study, owner
        super().__init__(
            f"Study {study!r} is being driven by {owner}. Wait for it, stop it, or choose another --study name."
        )


class StorageError(AutoMLError):
    """The history could not be read or written (disk full, locked, damaged); what was committed is kept."""


class EngineError(AutoMLError):
    """The engine itself failed (workers die at start, infrastructure retries used up); the study can be resumed."""


class ExportError(AutoMLError):
    """A candidate could not be exported; nothing half-written is left behind."""
