"""Where options and settings come from: environment, TOML file, command line.

A TOML file has the options of `automl search` by name and one table `[set]` with what `--set` takes:

    space = "norm-act"
    trials = 200
    [set]
    task.steps = 200
    filter.quality.times_chance = 2.5

The rule: defaults < environment < file < options. The file counts as part of the command line that names it.
"""

import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from automl.canonical import loads
from automl.config.fields import coerce, fields_of
from automl.config.sections import assignments, flatten
from automl.errors import InvalidSetting, NotCanonical, UnknownName, UsageError

DEFAULT_TASK = "digits"
DEFAULT_STORAGE = "sqlite:///.automl/studies.db"
DEFAULT_TRACKING = "sqlite:///.automl/mlflow.db"
DEVICES = ("auto", "cpu", "cuda")
_SET = "set"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The options of `automl search` and of a TOML file, with their defaults.

    Attributes:
        space: search space, by name or locator.
        task: what candidates are trained on, by name or locator.
        searcher: who proposes.
        trials: budget of proposals, an int >= 1; all proposals count, rejected ones too.
        trained: budget of trained trials, an int >= 1; none = no bound of its own.
        timeout: seconds after which no new trial is started, > 0; none = no bound.
        workers: worker processes, an int >= 1; rule of thumb: one per core.
        depth: trained trials that may be open at once, an int >= 1; rule of thumb: 4 x workers, at most trials / 8.
        study: name of the study; none = the first free one of the form space-task-number.
        storage: URL of the history; none = AUTOML_STORAGE or sqlite:///.automl/studies.db.
        tracking_uri: MLflow's; none = MLFLOW_TRACKING_URI or sqlite:///.automl/mlflow.db.
        seed: root of every random choice, any int.
        device: where candidates are trained: auto, cpu or cuda.
        data: folder or file with the task's data, for tasks that read one.
        audit: share in [0, 1] of the rejected trials that are trained anyway, to see what filters throw away.
        warm_start: an earlier study, or a JSON file with genotypes, to propose first; a file of that name wins.
        track: which trials become MLflow runs; the others are rows of a table.
    """

    space: str | None = None
    task: str = DEFAULT_TASK
    searcher: str = "evolution"
    trials: int = 64
    trained: int | None = None
    timeout: float | None = None
    workers: int = 1
    depth: int = 8
    study: str | None = None
    storage: str | None = None
    tracking_uri: str | None = None
    seed: int = 0
    device: str = "auto"
    data: str | None = None
    audit: float = 0.0
    warm_start: str | None = None
    track: Literal["trained", "all", "none"] = "trained"


def search_arguments(
    given: Mapping[str, Any], *, file: Path | None = None, set_arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns the keyword arguments of `automl.run.search`: what is given by file and options, and `settings`.

    Args:
        given: options of the command line by name of `SearchOptions`; None = not given.
        file: TOML file.
        set_arguments: `name=value` of each `--set`.

    Raises:
        UsageError: the file cannot be read, or there is no space.
        UnknownName: a key of the file that is no option.
        InvalidSetting: a value of the file that is not of its type.
    """
    options, settings = _read_file(file) if file else ({}, {})
    options |= {name: value for name, value in given.items() if value is not None}
    settings |= assignments(set_arguments)
    if options.get("space") is None:
        raise UsageError("No search space is given. Name one (see `automl spaces`), or set `space` in the file.")
    if options.get("warm_start") is not None:
        options["warm_start"] = _warm_start(str(options["warm_start"]))
    return {**options, "settings": settings}


def first_free_name(space: str, task: str, *, taken: Collection[str]) -> str:
    """Returns a name for a study that was given none: `norm-act-digits-1`, or the next number.

    Args:
        space: name or locator; of a locator the class name is taken.
        task: the same.
        taken: names in use.
    """
    words = (one.partition("?{")[0].rpartition(":")[2].lower() for one in (space, task))
    base = "-".join(re.sub(r"[^a-z0-9]+", "-", word).strip("-") for word in words)
    return next(name for number in count(1) if (name := f"{base}-{number}") not in taken)


def _warm_start(given: str) -> str | list[Mapping[str, Any]]:
    """Returns the genotypes of a file, or the name of a study as it is."""
    path = Path(given)
    return read_genotypes(path) if path.is_file() or path.suffix == ".json" else given


def read_genotypes(path: Path) -> list[Mapping[str, Any]]:
    """Returns the genotypes of a JSON file: one genotype, a list of them, or rows of `automl top --json`.

    Raises:
        UsageError: the file cannot be read, or holds something else; what a genotype may hold is for the space to say.
    """
    try:
        content = loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--warm-start {path} cannot be read: {error.strerror}.") from error
    except NotCanonical as error:
        raise UsageError(f"--warm-start {path}: {error}") from error
    rows = content if isinstance(content, list) else [content]
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise UsageError(f"--warm-start {path} holds no genotypes. Give genotype.json of an export, or a list of them.")
    return [row["genotype"] if isinstance(row.get("genotype"), Mapping) else row for row in rows]


def storage_url(given: str | None = None, *, environ: Mapping[str, str] | None = None) -> str:
    """Returns the URL of the history: as given, AUTOML_STORAGE, or the default."""
    return given or _environ(environ).get("AUTOML_STORAGE") or DEFAULT_STORAGE


def tracking_uri(given: str | None = None, *, environ: Mapping[str, str] | None = None) -> str:
    """Returns MLflow's tracking URI: as given, MLFLOW_TRACKING_URI, or the default."""
    return given or _environ(environ).get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING


def device(given: str | None = None, *, environ: Mapping[str, str] | None = None) -> str:
    """Returns "auto", "cpu" or "cuda": as given unless that is "auto", then AUTOML_DEVICE.

    Raises:
        InvalidSetting: another word.
    """
    source, value = "device", given or "auto"
    if value == "auto" and _environ(environ).get("AUTOML_DEVICE"):
        source, value = "AUTOML_DEVICE", _environ(environ)["AUTOML_DEVICE"]
    if value not in DEVICES:
        raise InvalidSetting(source, value, "auto, cpu or cuda")
    return value


def _environ(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environ is None else environ


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} is not TOML: {error}.") from error
    settings = content.pop(_SET, {})
    if not isinstance(settings, Mapping):
        raise InvalidSetting(f"{path.name}: {_SET}", settings, "a table, e.g. [set] and below it task.steps = 200")
    known = fields_of(SearchOptions)
    options = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise UnknownName(f"key in {path.name}:", key, [*known, _SET])
        options[name] = coerce(f"{path.name}: {key}", value, known[name].type)
    return options, flatten(settings)
