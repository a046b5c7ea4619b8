"""A new study that starts from an earlier one.

Why: cells that a differentiable search derived, and the best trials of a study that went before, are what one wants to
see first. The rule: they are chosen once, when the new study is created, and stand in its header; whatever the earlier
study does later changes nothing.
"""

from dataclasses import replace

from automl.assemble import Request, read_log, space_locator, space_of, study_headers
from automl.contracts import DerivingSpace, Genotype, Objective, SearchSpace, StudyLog
from automl.errors import InvalidGenotype, UsageError
from automl.flows.earlier_study import Fingerprint, best_genotypes, derived_genotypes
from automl.plugins import Objects, installed, parse

SHARE = 4
"""An earlier study gives at most a quarter of the new one's trials; the rest is for the searcher."""


def started_from(request: Request, earlier: str, *, study: str | None, trials: int, storage_url: str) -> Request:
    """Returns the request with what an earlier study gives to propose first.

    Its genotypes are those that its trainings derived for the requested space, where its own space derives such; else,
    where it is a study of the same space, its best trials. A study that exists and has started from the same earlier
    one keeps what it was given then.

    Args:
        request: without a warm start.
        earlier: name of the earlier study, in the same storage.
        study: name of the new study; None = it is new.
        trials: its budget.
        storage_url: of both.

    Raises:
        StudyNotFound: there is no earlier study of that name.
        UsageError: it is of another space, or has nothing to give.
    """
    known = study_headers(storage_url).get(study or "", {}).get("searcher", {})
    if known.get("warm_start_study") == earlier:
        return replace(request, warm_start=tuple(known["warm_start"]), warm_start_study=earlier)
    objects: dict[str, object] = {}
    target = space_locator(request, objects)
    given = _given(read_log(storage_url, earlier), target, objects, most=max(1, trials // SHARE))
    return replace(request, warm_start=given, warm_start_study=earlier)


def _given(log: StudyLog, target: str, objects: Objects, *, most: int) -> tuple[Genotype, ...]:
    """Returns the genotypes for the space at `target`, all of which it decodes."""
    locator, space = log.header["space"]["locator"], space_of(target, objects)
    if parse(locator).form == "object" and locator not in objects:
        reason = "its space was given by value, so it cannot be asked what its genotypes are"
        raise UsageError(f"warm start: of study {log.name!r} {reason}. Give the genotypes themselves.")
    earlier = space_of(locator, objects)
    if isinstance(earlier, DerivingSpace) and _same(earlier.derives, target, objects):
        found = derived_genotypes(log, most=most, fingerprint=_checked_fingerprint(space, log.name))
        reason = "its trials have derived nothing so far"
    elif _same(locator, target, objects):
        found = _best(log, space, most=most)
        reason = "none of its trials has completed"
    else:
        also = f" and derives genotypes of {earlier.derives}" if isinstance(earlier, DerivingSpace) else ""
        fix = "Name a study of the same space, or of one that derives its genotypes"
        raise UsageError(f"warm start: study {log.name!r} is of {locator}{also}, not of {target}. {fix}.")
    if not found:
        raise UsageError(f"warm start: study {log.name!r} has nothing to start from, because {reason}.")
    return tuple(found)


def _best(log: StudyLog, space: SearchSpace, *, most: int) -> list[Genotype]:
    """Returns the best trials, translated where the space's version has changed."""
    version = log.header["space"]["version"]
    if version != space.version:
        changed = [replace(one, genotype=space.upgrade(one.genotype, version)) for one in log.opened]
        log = replace(log, opened=tuple(changed))
    objectives = [Objective.from_json(one) for one in log.header["task"]["objectives"]]
    return best_genotypes(log, objectives, most=most, fingerprint=_checked_fingerprint(space, log.name))


def _checked_fingerprint(space: SearchSpace, study: str) -> Fingerprint:
    """Returns the space's fingerprint, which refuses genotypes that the space as it is set here does not take."""

    def fingerprint(genotype: Genotype) -> str:
        try:
            return space.fingerprint(space.decode(space.encode(genotype)))
        except InvalidGenotype as error:
            reason = f"study {study!r} has genotypes that {space.name}, as it is set here, does not take"
            raise UsageError(f"warm start: {reason}. {error} Set the space as it was there.") from error

    return fingerprint


def _same(one: str, other: str, objects: Objects) -> bool:
    """Returns whether two locators name the same space, whatever its settings."""
    first, second = (_place(locator) for locator in (one, other))
    return first == second or type(space_of(one, objects)) is type(space_of(other, objects))


def _place(locator: str) -> str:
    """Returns a locator without settings, of an installed name what it stands for."""
    base = locator.partition("?{")[0]
    return installed("search space").get(base, base)
