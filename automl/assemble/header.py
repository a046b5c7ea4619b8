"""From what a user asked for to the study's header: every setting resolved, checked and written down.

Why: the header is what a study is; resuming builds the same study from it, and a difference is refused by name.
The rule: nothing that decides results stays a default of the code; a later default changes no old study.
"""

import inspect
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from automl.assemble.plan import plan_of, searcher_class, space_of, task_of
from automl.canonical import JSON
from automl.config import check, fields_of, filter_settings, sections
from automl.contracts import DerivingSpace, Genotype, Split, Task
from automl.errors import HeaderMismatch, InvalidSetting, UsageError
from automl.plugins import Objects, canonical_locator, code_digest, find, object_locator, parse

FORMAT = 1
"""Version of the study header."""

ENVIRONMENT = ("numpy", "optuna", "torch")
"""Packages whose version decides whether numbers come out equal; EvoTorch is added where the searcher uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one worker may use; set by `--set executor.limit_seconds=60`.

    Attributes:
        limit_seconds: wall time of one job, > 0; rule of thumb: ten times a usual rung.
        memory_gib: memory of one worker with its children, in GiB, > 0.
        threads: torch threads of one worker, >= 1; part of what makes results equal.
        batch: candidates that are trained as one computation, >= 1 (1 = one after the other); auto measures once, when
            the study is created, whether and how many are worth it.
    """

    limit_seconds: float = 600.0
    memory_gib: float = 4.0
    threads: int = 1
    batch: Literal["auto"] | int = "auto"

    def __post_init__(self) -> None:
        if not self.limit_seconds > 0:
            raise InvalidSetting("executor.limit_seconds", self.limit_seconds, "seconds > 0")
        if not self.memory_gib > 0:
            raise InvalidSetting("executor.memory_gib", self.memory_gib, "GiB > 0")
        if self.threads < 1:
            raise InvalidSetting("executor.threads", self.threads, "an int >= 1")
        if self.batch != "auto" and self.batch < 1:
            raise InvalidSetting("executor.batch", self.batch, "'auto' or an int >= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asked for, as far as it decides the results.

    Attributes:
        space: name, locator or object.
        task: name, locator or object.
        searcher: a name of `SEARCHERS`.
        seed: root seed.
        depth: see `Plan`.
        device: "auto", "cpu" or "cuda".
        data: passed to the task as its setting `path`; None = not given.
        audit: see `Plan`.
        settings: dotted names -> values, as of `--set`.
        warm_start: genotypes proposed first.
        warm_start_study: the earlier study that they are of; None = they were given by themselves.
    """

    space: object
    task: object
    searcher: str
    seed: int = 0
    depth: int = 8
    device: str = "auto"
    data: str | None = None
    audit: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    warm_start: Sequence[Genotype] = ()
    warm_start_study: str | None = None

    def __post_init__(self) -> None:
        for name in ("seed", "depth"):
            if type(getattr(self, name)) is not int:
                raise InvalidSetting(name, getattr(self, name), "an int")
        if not isinstance(self.settings, Mapping):
            raise InvalidSetting("settings", self.settings, "a mapping of dotted names to values")
        if isinstance(self.warm_start, str | Mapping):
            raise InvalidSetting("warm_start", self.warm_start, "a list of genotypes")


def header_of(request: Request) -> tuple[dict[str, JSON], Objects]:
    """Returns the study header of a request, every setting resolved, and the objects given by value.

    Raises:
        UnknownName: a space, task, searcher, filter or setting that does not exist.
        InvalidSetting: a setting out of its range.
        CannotEncode: the searcher cannot propose from the space.
    """
    from automl.filters.chain import MONITORS, SCREENS, judges_by_default

    parts = _sections(request)
    task_settings = parts["task"] if request.data is None else {**parts["task"], "path": request.data}
    objects: dict[str, object] = {}
    space_locator = _locate("search space", request.space, "space", parts["space"], objects)
    task_locator = _locate("task", request.task, "task", task_settings, objects)
    space, task = space_of(space_locator, objects), task_of(task_locator, objects)
    for variant in dict.fromkeys(leg.variant for leg in task.legs("search")):
        space.require(task.signature(variant), task.baseline(variant))
    for genotype in request.warm_start:
        space.decode(space.encode(genotype))
    filters: dict[str, JSON] = {}
    for name, cls in {**SCREENS, **MONITORS}.items():
        on = judges_by_default(name, space.slots, derives=isinstance(space, DerivingSpace))
        settings = filter_settings(name, cls, parts[f"filter.{name}"], on=on)
        if settings is not None:
            filters[name] = _whole(cls, settings)
    proposer = searcher_class(request.searcher)
    header: dict[str, JSON] = {
        "format": FORMAT,
        "space": {"locator": space_locator, "version": space.version, "code": code_digest(space_locator)},
        "task": {
            "locator": task_locator,
            "code": code_digest(task_locator),
            "data": _data_digests(task),
            "objectives": [objective.to_json() for objective in task.objectives],
        },
        "searcher": {
            "name": request.searcher,
            "settings": _whole(proposer, check("searcher", proposer, parts["searcher"])),
            "warm_start": list(request.warm_start),
            **({} if request.warm_start_study is None else {"warm_start_study": request.warm_start_study}),
        },
        "filters": filters,
        "seed": request.seed,
        "depth": request.depth,
        "audit": request.audit,
        "device": _device(request.device),
        "limits": _limits(parts["executor"]),
        "environment": environment(request.searcher),
    }
    plan_of(header, objects)
    return header, objects


def space_locator(request: Request, objects: dict[str, object]) -> str:
    """Returns the locator of the requested space with its settings; a space given by value is added to `objects`."""
    return _locate("search space", request.space, "space", _sections(request)["space"], objects)


def task_locator(task: object, settings: Mapping[str, Any], objects: dict[str, object]) -> str:
    """Returns the locator of a task given by name, locator or object; objects are added to `objects`."""
    return _locate("task", task, "task", settings, objects)


def environment(searcher: str) -> dict[str, JSON]:
    """Returns what equal numbers depend on besides the header's settings."""
    packages = (*ENVIRONMENT, "evotorch") if searcher in ("evolution", "cem", "pgpe") else ENVIRONMENT
    return {
        "automl": version("automl-search"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        **{package: version(package) for package in packages},
    }


def check_unchanged(study: str, header: Mapping[str, Any], *, accept_environment: bool, objects: Objects) -> None:
    """Compares what a study was created with to what is here now: plug-in code, space version, data, environment.

    Raises:
        HeaderMismatch: names the first difference, and what to do.
    """
    from automl.storage.study_header import first_difference

    space, task = space_of(header["space"]["locator"], objects), task_of(header["task"]["locator"], objects)
    now: dict[str, JSON] = {
        "space": {**header["space"], "version": space.version, "code": code_digest(header["space"]["locator"])},
        "task": {**header["task"], "code": code_digest(header["task"]["locator"]), "data": _data_digests(task)},
        "environment": environment(header["searcher"]["name"]),
    }
    for part, remedy in _REMEDIES.items():
        found = first_difference(header[part], now[part])
        if found is not None and not (part == "environment" and accept_environment):
            raise HeaderMismatch(study, f"{part}.{found[0]}", found[1], found[2], remedy)


_REMEDIES = {
    "space": "Restore the space as it was, or start a new study.",
    "task": "Restore the task and its data as they were, or start a new study.",
    "environment": "Results may differ in the last digits; go on with --accept-environment, or restore it.",
}


def _sections(request: Request) -> dict[str, dict[str, Any]]:
    """Returns the settings by part of the study."""
    from automl.filters.chain import MONITORS, SCREENS

    return sections(request.settings, filters=[*SCREENS, *MONITORS])


def _locate(
    kind: Literal["search space", "task"],
    given: object,
    section: str,
    settings: Mapping[str, Any],
    objects: dict[str, object],
) -> str:
    if not isinstance(given, str):
        if settings:
            names = ", ".join(f"{section}.{name}" for name in settings)
            raise UsageError(f"{names}: this {kind} is given as an object, so set its fields when you make it.")
        if inspect.isclass(given):
            raise UsageError(f"{given.__name__} is a class; give an object of it, {given.__name__}(), or its locator.")
        locator = object_locator(given)
        objects[locator] = given
        return locator
    if given.startswith("object:"):
        raise UsageError(f"{kind} {given!r} was given by value: resume such a study from Python with the same object.")
    found = find(kind, given)
    if inspect.isclass(found):
        settings = check(section, found, {**parse(given).settings, **settings})
    return canonical_locator(kind, given, settings)


def _whole(cls: type, given: Mapping[str, Any]) -> dict[str, JSON]:
    """Returns every setting of a component: what was given, over the defaults of today."""
    return {name: setting.default for name, setting in fields_of(cls).items()} | dict(given)


def _limits(given: Mapping[str, Any]) -> dict[str, JSON]:
    """Returns the limits without the batch, which is a part of the header by itself (`automl.assemble.batch_plan`)."""
    limits = Limits(**check("executor", Limits, given))
    return {name: getattr(limits, name) for name in fields_of(Limits) if name != "batch"}


def _data_digests(task: Task) -> dict[str, JSON]:
    splits: tuple[Split, ...] = ("train", "validation", "gate", "test")
    variant = task.legs("search")[0].variant
    return {split: task.data(split, variant).digest for split in splits}


def _device(wanted: str) -> str:
    """Returns "cpu" or "cuda"; asks the driver library, because the driver of a study never opens CUDA."""
    if wanted != "auto":
        return wanted
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
