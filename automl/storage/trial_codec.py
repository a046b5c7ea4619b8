"""Records of a trial to JSON attributes and back.

Why: what is on disk outlives the classes of this release; each attribute says in which format it is written.
The rule: formats are read for ever (one golden file per released version), only the newest one is written. Curves and
derived genotypes are not stored with the end of a trial: they are read from its rungs, so there is one copy of each.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from automl.canonical import JSON, digest, dumps, finite, loads
from automl.contracts.derived import derived_of
from automl.contracts.history import Opened, RungRecord
from automl.contracts.rung import Failure, RungResult
from automl.contracts.trial import Closed, Curve, Verdict
from automl.errors import NotCanonical, StorageError

FORMAT = 1
MAX_ATTRIBUTE_BYTES = 32 << 20
MAX_KEY_CHARACTERS = 512  # of an attribute's name in Optuna's tables

OPEN = "open"
CLOSED = "closed"
RUNG = "rung:"


def rung_key(leg: str, index: int) -> str:
    """Returns the attribute's name for a rung; a very long leg is cut and told apart by its digest."""
    key = f"{RUNG}{leg}:{index}"
    if len(key) <= MAX_KEY_CHARACTERS:
        return key
    return f"{RUNG}{leg[: MAX_KEY_CHARACTERS - 64]}~{digest(leg)}:{index}"


def checked(name: str, value: Mapping[str, JSON]) -> Any:
    """Returns the value as it will be read back.

    Raises:
        StorageError: see `encoded`.
    """
    return loads(encoded(name, value))


def encoded(name: str, value: Mapping[str, JSON]) -> str:
    """Returns the JSON text of an attribute.

    Raises:
        StorageError: the value has no canonical JSON form or is too large.
    """
    try:
        text = dumps(value)
    except NotCanonical as error:
        raise StorageError(f"The attribute {name!r} cannot be stored: {error}") from error
    if len(text) > MAX_ATTRIBUTE_BYTES:
        raise StorageError(
            f"The attribute {name!r} has {len(text)} bytes; at most {MAX_ATTRIBUTE_BYTES} are stored. "
            "Keep large results in snapshots or artifacts."
        )
    return text


def opened_to_json(trial: Opened) -> dict[str, JSON]:
    """Returns the attribute `open`."""
    return {
        "format": FORMAT,
        "number": trial.number,
        "genotype": trial.genotype,
        "fingerprint": trial.fingerprint,
        "description": trial.description,
        "memo": dict(trial.memo),
        "verdicts": [verdict.to_json() for verdict in trial.verdicts],
        "measurements": {variant: dict(found) for variant, found in trial.measurements.items()},
        "opened_at_ms": trial.opened_at_ms,
    }


def opened_from_json(data: Mapping[str, Any]) -> Opened:
    """Reads `opened_to_json`'s form.

    Raises:
        StorageError: it was written by a newer release, or is damaged.
    """
    _check_format(data, OPEN)
    try:
        return Opened(
            number=data["number"],
            genotype=data["genotype"],
            fingerprint=data["fingerprint"],
            description=data["description"],
            memo=data["memo"],
            verdicts=tuple(Verdict.from_json(verdict) for verdict in data["verdicts"]),
            measurements=data["measurements"],
            opened_at_ms=data["opened_at_ms"],
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise _damaged(OPEN, error) from error


def rung_to_json(rung: RungRecord) -> dict[str, JSON]:
    """Returns the attribute of a rung; see `rung_key`."""
    return {
        "format": FORMAT,
        "leg": rung.leg,
        "index": rung.index,
        "result": None if rung.result is None else rung.result.to_json(),
        "failure": None if rung.failure is None else rung.failure.to_json(),
        "audit": rung.audit,
    }


def rung_from_json(data: Mapping[str, Any]) -> RungRecord:
    """Reads `rung_to_json`'s form.

    Raises:
        StorageError: it was written by a newer release, or is damaged.
    """
    _check_format(data, RUNG)
    try:
        return RungRecord(
            leg=data["leg"],
            index=data["index"],
            result=None if data["result"] is None else RungResult.from_json(data["result"]),
            failure=None if data["failure"] is None else Failure.from_json(data["failure"]),
            audit=data["audit"],
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise _damaged(RUNG, error) from error


def closed_to_json(trial: Closed) -> dict[str, JSON]:
    """Returns the attribute `closed`; a value that is not finite becomes null.

    Of the curves only their lengths are kept: the rungs hold the numbers, and those of an audit as well, which are not
    part of the trial's end.
    """
    return {
        "format": FORMAT,
        "outcome": trial.outcome,
        "reason": trial.reason,
        "values": [finite(value) for value in trial.values],
        "points": {leg: len(curve.steps) for leg, curve in trial.curves.items()},
        "ledger": [verdict.to_json() for verdict in trial.ledger],
        "steps": trial.steps,
        "seconds": trial.seconds,
        "audit": None if trial.audit is None else dict(trial.audit),
        "evidence": None if trial.evidence is None else dict(trial.evidence),
        "closed_at_ms": trial.closed_at_ms,
    }


def closed_from_json(data: Mapping[str, Any], *, number: int, rungs: Iterable[RungRecord]) -> Closed:
    """Reads `closed_to_json`'s form.

    Args:
        number: of the trial.
        rungs: its recorded rungs, from which the curves and the derived genotypes are read.

    Raises:
        StorageError: it was written by a newer release, or is damaged.
    """
    _check_format(data, CLOSED)
    recorded = tuple(rungs)
    try:
        return Closed(
            number=number,
            outcome=data["outcome"],
            reason=data["reason"],
            values=tuple(data["values"]),
            curves=_curves(data["points"], recorded),
            ledger=tuple(Verdict.from_json(verdict) for verdict in data["ledger"]),
            steps=data["steps"],
            seconds=data["seconds"],
            audit=data["audit"],
            evidence=data["evidence"],
            closed_at_ms=data["closed_at_ms"],
            derived=derived_of(recorded),
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise _damaged(CLOSED, error) from error


def _curves(points: Mapping[str, int], rungs: Iterable[RungRecord]) -> dict[str, Curve]:
    """Returns leg -> the first `points[leg]` measurements of its rungs, joined in order; failed rungs have none."""
    joined: dict[str, Curve] = {leg: Curve() for leg in points}
    for rung in sorted(rungs, key=lambda rung: (rung.leg, rung.index)):
        if rung.leg in joined and rung.result is not None and rung.result.curves:
            joined[rung.leg] = joined[rung.leg].then(rung.result.curves[0])
    return {leg: _begin(curve, points[leg]) for leg, curve in joined.items()}


def _begin(curve: Curve, points: int) -> Curve:
    if points > len(curve.steps):
        raise StorageError(f"A trial's end counts {points} measurements; its rungs have {len(curve.steps)}.")
    metrics = {name: values[:points] for name, values in curve.metrics.items()}
    return Curve(steps=curve.steps[:points], metrics=metrics)


def _check_format(data: Mapping[str, Any], name: str) -> None:
    found = data.get("format") if isinstance(data, Mapping) else None
    if found != FORMAT:
        raise StorageError(
            f"The attribute {name!r} is in format {found!r}; this release reads format {FORMAT}. "
            "Open the study with the release that wrote it, or a newer one."
        )


def _damaged(name: str, error: Exception) -> StorageError:
    return StorageError(f"The attribute {name!r} is damaged: {type(error).__name__} {error}.")
