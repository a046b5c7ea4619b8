"""Genotypes of another space that a training derives on its way, as its trial carries them.

Why: one differentiable search yields a cell per epoch, and a search that is stopped has yielded all the cells before.
The rule: a rung's record holds what was derived within its slice, so that a trial's list is read from its rungs alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from automl.canonical import JSON
from automl.contracts.history import RungRecord

DERIVED = "derived"
"""Name of the measurement: a list of {"step": steps done, "genotype": ..., and whatever else the trainer says}."""


def derived_after(found: JSON, step: int) -> list[JSON]:
    """Returns the entries of a trainer's list that stand behind `step`; what is no such list gives none."""
    return [dict(entry) for entry in _entries(found) if int(entry["step"]) > step]


def derived_of(rungs: Iterable[RungRecord]) -> tuple[Mapping[str, JSON], ...]:
    """Returns what a trial's rungs derived, by leg and step: {"leg", "step", "genotype", ...}; audits do not count."""
    ordered = sorted((rung for rung in rungs if not rung.audit), key=lambda rung: (rung.leg, rung.index))
    return tuple(
        {"leg": rung.leg, **entry}
        for rung in ordered
        if rung.result is not None and rung.result.measurements
        for entry in _entries(rung.result.measurements[0].get(DERIVED))
    )


def _entries(found: Any) -> list[Mapping[str, Any]]:
    if not isinstance(found, list):
        return []
    return [one for one in found if isinstance(one, Mapping) and type(one.get("step")) is int and "genotype" in one]
