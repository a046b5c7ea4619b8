"""From the names on the command line to the methods that are compared.

Why: a schedule or optimizer is called by the name it was published under, by a file, or by the trial that found it; the
engine knows no search space, so names are asked of the installed ones. The rule: whatever a name stands for is decoded
by its space here, before anything is trained.

    cosine                 a design in the zoo of the space `lr-schedule` (optimizers: `optimizer-program`)
    baseline               the task's own
    schedule-free          in the place of a schedule; brings its own optimizer, so it is compared once
    found.json             a genotype of that space, or a row of `automl top --json`
    STUDY:TRIAL            a trial, of whatever space that changes schedules (or optimizers)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

from automl.assemble import read_log, space_of
from automl.canonical import loads
from automl.contracts import Genotype, SearchSpace
from automl.errors import InvalidSetting, NotCanonical, UnknownName, UsageError
from automl.flows.workloads import Method

BASELINE = "baseline"
SCHEDULE_FREE = "schedule-free"
SCHEDULE_FREE_SPACE = "automl.training.schedule_free_space:ScheduleFreeSpace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What a list of names is about.

    Attributes:
        kind: "schedule" or "optimizer".
        slot: the field of a recipe that such a thing must change.
        space: locator of the space whose zoo is asked, and whose genotypes stand in files.
    """

    kind: Literal["schedule", "optimizer"]
    slot: str
    space: str


SCHEDULES = Axis(kind="schedule", slot="schedule", space="lr-schedule")
OPTIMIZERS = Axis(kind="optimizer", slot="update_rule", space="optimizer-program")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One named schedule or optimizer.

    Attributes:
        name: as given; of a file its stem.
        edits: () = the task's own.
        slots: fields of a recipe that it changes.
    """

    name: str
    edits: tuple[tuple[str, Genotype], ...] = ()
    slots: frozenset[str] = frozenset()


def methods_of(
    schedules: Sequence[str],
    optimizers: Sequence[str],
    *,
    storage: str,
    axes: tuple[Axis, Axis] = (SCHEDULES, OPTIMIZERS),
) -> list[Method]:
    """Returns every schedule with every optimizer, in order; a list without names stands for the task's own.

    Args:
        schedules: names.
        optimizers: names.
        storage: URL of the histories that STUDY:TRIAL is looked up in.
        axes: where the names are looked up.

    Raises:
        UsageError: no names at all, two methods of one name, or two parts that change the same field of a recipe.
        UnknownName: a name that the zoo does not have.
        InvalidGenotype: a file or trial whose genotype its space does not decode.
    """
    if not schedules and not optimizers:
        raise UsageError("No methods to compare. Give --schedules or --optimizers, e.g. --schedules linear,cosine.")
    chosen = [
        [part_of(axis, name, storage=storage) for name in names or (BASELINE,)]
        for axis, names in zip(axes, (schedules, optimizers), strict=True)
    ]
    methods: dict[str, Method] = {}
    for schedule, optimizer in product(*chosen):
        alone = schedule.name == SCHEDULE_FREE and bool(optimizer.edits)
        parts = [schedule] if alone else [schedule, optimizer]
        method = _combined(parts)
        if methods.get(method.name, method) != method:
            raise UsageError(f"Two different methods are called {method.name!r}. Rename a file, or leave one out.")
        methods[method.name] = method
    return list(methods.values())


def part_of(axis: Axis, name: str, *, storage: str) -> Part:
    """Returns what a name stands for; see the module."""
    if not name:
        raise InvalidSetting(f"{axis.kind}s", name, "names between commas, none of them empty, e.g. linear,cosine")
    if name == BASELINE:
        return Part(name=name)
    if axis.kind == "schedule" and name == SCHEDULE_FREE:
        return _part(axis, name, locator=SCHEDULE_FREE_SPACE, genotype=None)
    if name.endswith(".json"):
        return _part(axis, Path(name).stem, locator=axis.space, genotype=_read(axis, Path(name)))
    if ":" in name:
        return _of_trial(axis, name, storage=storage)
    return _part(axis, name, locator=axis.space, genotype=None)


def _part(axis: Axis, name: str, *, locator: str, genotype: Genotype | None) -> Part:
    """Returns the part with a genotype, decoded; None = the design of that name in the space's zoo."""
    space = space_of(locator)
    if genotype is None:
        zoo = space.zoo()
        if name not in zoo:
            extra = [SCHEDULE_FREE] if axis.kind == "schedule" else []
            raise UnknownName(axis.kind, name, [*zoo, *extra, BASELINE])
        genotype = zoo[name]
    _require_slot(axis, name, space)
    return Part(name=name, edits=((locator, space.decode(space.encode(genotype))),), slots=space.slots)


def _of_trial(axis: Axis, name: str, *, storage: str) -> Part:
    study, _, number = name.rpartition(":")
    log = read_log(storage, study)
    if not number.isdecimal() or int(number) >= len(log.opened):
        raise InvalidSetting(f"{axis.kind}s", name, f"STUDY:TRIAL with a trial from 0 to {len(log.opened) - 1}")
    made_with = log.header["space"]
    locator = str(made_with["locator"])
    if locator.startswith("object:"):
        reason = f"The space of study {study!r} was given as a Python object, so no worker of a comparison finds it"
        raise UsageError(f"{reason}. Save the genotype to a file and name that.")
    genotype = space_of(locator).upgrade(log.opened[int(number)].genotype, made_with["version"])
    return _part(axis, name, locator=locator, genotype=genotype)


def _require_slot(axis: Axis, name: str, space: SearchSpace) -> None:
    if axis.slot not in space.slots:
        allowed = f"something that changes {axis.slot}; {space.name} changes {', '.join(sorted(space.slots))}"
        raise InvalidSetting(f"{axis.kind}s", name, allowed)


def _read(axis: Axis, path: Path) -> Genotype:
    try:
        content: Any = loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--{axis.kind}s {path} cannot be read: {error.strerror}.") from error
    except NotCanonical as error:
        raise UsageError(f"--{axis.kind}s {path}: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"--{axis.kind}s {path} holds no genotype. Give genotype.json of an export, or the like.")
    inner = content.get("genotype")
    found: Genotype = inner if isinstance(inner, dict) else content
    return found


def _combined(parts: Sequence[Part]) -> Method:
    """Returns the parts as one method, named after those that are not the task's own."""
    taken: set[str] = set()
    for part in parts:
        if taken & part.slots:
            names = " and ".join(repr(one.name) for one in parts)
            raise UsageError(f"{names} both change {', '.join(sorted(taken & part.slots))}. Compare them one by one.")
        taken |= part.slots
    named = [part.name for part in parts if part.edits]
    return Method(name=" + ".join(named) or BASELINE, edits=tuple(edit for part in parts for edit in part.edits))
