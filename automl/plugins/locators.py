"""Locators: one line of text from which the driver and every worker find the same search space or task.

    norm-act                               entry point of the group `automl.search_spaces` or `automl.tasks`
    package.module:Name                    anything importable
    path/to/file.py:Name                   a file; its digest goes into the study's header
    object:5f0c...                         an object given through the Python API, sent to workers by value
    digits?{"steps":200}                   any of them followed by constructor settings, canonical JSON

The rule: taking a locator apart, or listing what is installed, imports nothing.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, TypeAlias

from automl.canonical import JSON, dumps, loads
from automl.errors import NotCanonical, UnknownName, UsageError

Kind: TypeAlias = Literal["search space", "task"]

GROUPS: Mapping[Kind, str] = {"search space": "automl.search_spaces", "task": "automl.tasks"}
FORMS = "an installed name, package.module:Name or path/to/file.py:Name"
OBJECT = "object:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Locator:
    """A locator taken apart.

    Attributes:
        form: which of the forms.
        place: the installed name, the module, the file's absolute path or the object's digest.
        attribute: what is taken from the module or file; "" otherwise.
        settings: constructor keyword arguments.
    """

    form: Literal["name", "module", "file", "object"]
    place: str
    attribute: str = ""
    settings: Mapping[str, JSON] = field(default_factory=dict)

    def __str__(self) -> str:
        base = {"object": f"{OBJECT}{self.place}", "name": self.place}.get(self.form, f"{self.place}:{self.attribute}")
        return base + (f"?{dumps(self.settings)}" if self.settings else "")


def parse(locator: str) -> Locator:
    """Takes a locator apart; nothing is imported or read.

    Raises:
        UsageError: it has none of the forms, or its settings are no JSON object.
    """
    base, mark, tail = locator.partition("?{")
    settings = _settings(locator, "{" + tail) if mark else {}
    place, colon, attribute = base.rpartition(":")
    if base.startswith(OBJECT):
        return Locator(form="object", place=base.removeprefix(OBJECT), settings=settings)
    if not colon and base and "/" not in base and not base.endswith(".py"):
        return Locator(form="name", place=base, settings=settings)
    if not place or not all(part.isidentifier() for part in attribute.split(".")):
        raise UsageError(f'{locator!r} is no locator. Give {FORMS}, optionally followed by ?{{"setting":value}}.')
    if place.endswith(".py") or "/" in place:
        path = Path(place).expanduser().resolve()
        return Locator(form="file", place=str(path), attribute=attribute, settings=settings)
    return Locator(form="module", place=place, attribute=attribute, settings=settings)


def installed(kind: Kind) -> dict[str, str]:
    """Returns name -> `package.module:Name` of what is installed, sorted; imports none of it."""
    return dict(sorted((point.name, point.value) for point in entry_points(group=GROUPS[kind])))


def installed_place(kind: Kind, name: str) -> str:
    """Returns `package.module:Name` of an installed name.

    Raises:
        UnknownName: nothing of that name is installed.
    """
    names = installed(kind)
    if name not in names:
        raise UnknownName(kind, name, names)
    return names[name]


def canonical_locator(kind: Kind, locator: str, settings: Mapping[str, JSON]) -> str:
    """Returns the one text under which a study and its workers know a plug-in.

    Args:
        kind: what it is.
        locator: any form.
        settings: constructor keyword arguments; they win over those in `locator`.

    Raises:
        UnknownName: no such name is installed.
        UsageError: see `parse`.
    """
    parsed = parse(locator)
    if parsed.form == "name":
        installed_place(kind, parsed.place)
    return str(dataclasses.replace(parsed, settings={**parsed.settings, **settings}))


def code_digest(locator: str) -> str | None:
    """Returns the digest of a file locator's source, None for the other forms.

    Raises:
        UsageError: the file cannot be read.
    """
    parsed = parse(locator)
    return hashlib.blake2b(_read(parsed), digest_size=8).hexdigest() if parsed.form == "file" else None


def _settings(locator: str, text: str) -> dict[str, JSON]:
    try:
        settings = loads(text)
    except NotCanonical as error:
        raise UsageError(f"The settings after `?` in {locator!r} are not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise UsageError(f"The settings after `?` in {locator!r} are {text}; allowed: a JSON object.")
    return settings


def _read(parsed: Locator) -> bytes:
    try:
        return Path(parsed.place).read_bytes()
    except OSError as error:
        raise UsageError(f"{parsed.place} cannot be read: {error.strerror}. Give {FORMS}.") from error
