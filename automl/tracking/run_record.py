"""One MLflow run as plain data, and the limits that MLflow puts on it.

Why: what is sent can be built and tested without importing MLflow. The rule: a record obeys MLflow's limits by
construction. MLflow 3.17 silently cuts parameters over 6,000 characters and tags over 8,000, stores NaN as a metric
that no filter finds and infinity as 1.8e308, and refuses names with other characters than letters, digits, `_-. /`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from automl.canonical import JSON, digest
from automl.contracts.space import Genotype

MAX_NAME = 240
MAX_PARAM = 500
MAX_TAG = 2_000

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]

_ILLEGAL = re.compile(r"[^A-Za-z0-9_\-./]+")


class Point(NamedTuple):
    """One metric value: finite, with the step and the wall clock (ms) of the history."""

    key: str
    value: float
    step: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run.

    Attributes:
        name: shown in the list of runs.
        status: FINISHED completed, KILLED rejected, FAILED failed.
        started_at_ms: from the history.
        ended_at_ms: from the history.
        tags: values of at most `MAX_TAG` characters.
        params: values of at most `MAX_PARAM` characters; whole texts are files.
        points: metric values, all finite.
        files: artifact name -> text.
    """

    name: str
    status: RunStatus
    started_at_ms: int
    ended_at_ms: int
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrayal:
    """How a search space shows a genotype to people; a space's own verbs.

    Attributes:
        describe: genotype -> one line.
        draw: (genotype, matplotlib Axes) draws it; None = no pictures.
        source: genotype -> a dependency-free PyTorch file, or None where there is none.
        draw_derived: as `draw`, for genotypes that the space's trainings derive; None = it derives none.
    """

    describe: Callable[[Genotype], str]
    draw: Callable[[Genotype, object], None] | None
    source: Callable[[Genotype], str | None]
    draw_derived: Callable[[Genotype, object], None] | None = None

    def description(self, genotype: Genotype) -> str:
        """Returns `describe`'s line; where a space cannot describe its own genotype, says so instead of raising."""
        try:
            return self.describe(genotype)
        except Exception as error:
            return f"(no description: {type(error).__name__}: {error})"

    def code(self, genotype: Genotype) -> str | None:
        """Returns `source`'s file; a space that fails here gives a file holding the reason as a comment."""
        try:
            return self.source(genotype)
        except Exception as error:
            return f"# This space could not write the candidate: {type(error).__name__}: {error!r}\n"


def study_uuid(name: str, header: Mapping[str, JSON]) -> str:
    """Returns the identity of a study in MLflow: the header's "uuid", else a digest of name and header."""
    given = header.get("uuid")
    return str(given) if given else digest([name, header])


def legal_name(text: str, *, taken: frozenset[str] = frozenset()) -> str:
    """Returns `text` as a metric name that MLflow accepts; other characters become blanks, long names are cut.

    Args:
        text: e.g. the key of a leg, `mlp{"learning_rate":0.1}` -> `mlp learning_rate 0.1`.
        taken: names that must be avoided; a digest of `text` is then appended.
    """
    blank = re.sub(r" +", " ", _ILLEGAL.sub(" ", text.replace("#", " replicate "))).strip(" ./")
    parts = [part for part in re.sub(r"/+", "/", blank).split("/") if part.strip(" .")]
    name = "/".join(parts)[:MAX_NAME] or digest(text)
    return name if name not in taken else f"{name[: MAX_NAME - 18]} {digest(text)}"


def legal_names(texts: tuple[str, ...]) -> dict[str, str]:
    """Returns text -> a legal name of its own."""
    names: dict[str, str] = {}
    for text in texts:
        names[text] = legal_name(text, taken=frozenset(names.values()))
    return names


def cut(text: str, *, limit: int) -> str:
    """Returns `text`, ended by "..." where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
