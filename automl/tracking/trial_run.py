"""One closed trial as an MLflow run: its parameters, curves, tags and files.

Why: the mapping from our words to MLflow's columns is a pure function, tested without MLflow.
The rule: every time stamp comes from the history, so sending a trial twice stores nothing twice.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automl.canonical import JSON, digest, dumps
from automl.contracts.history import Opened
from automl.contracts.trial import Closed, Objective
from automl.numerics.proxy_worth import PROXIES
from automl.tracking.run_record import (
    MAX_PARAM,
    MAX_TAG,
    Point,
    Portrayal,
    RunRecord,
    RunStatus,
    cut,
    legal_names,
)
from automl.tracking.tally import rejecting_filter

TAG_STUDY = "automl.study_uuid"
TAG_TRIAL = "trial"
TAG_REVIEW = "review"
TAG_PICTURE = "picture"
COST_METRICS = PROXIES
"""Parameters and FLOPs, and what else a probe was asked to score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyIdentity:
    """What every run of a study shares.

    Attributes:
        name: of the study.
        uuid: see `study_uuid`.
        objectives: of the task, in order.
        portrayal: of the search space.
    """

    name: str
    uuid: str
    objectives: tuple[Objective, ...]
    portrayal: Portrayal


def was_trained(opened: Opened, closed: Closed) -> bool:
    """Returns whether the trial has a run of its own: it was trained, or trained for audit after its rejection."""
    return opened.trained or closed.audit is not None


def trial_run(opened: Opened, closed: Closed, *, study: StudyIdentity) -> RunRecord:
    """Returns the run of one closed trial, picture excluded."""
    description = study.portrayal.description(opened.genotype)
    points = tuple(_points(opened, closed, study.objectives))
    finite = tuple(point for point in points if math.isfinite(point.value))
    absent = [f"{p.key}@{p.step}" for p in points if not math.isfinite(p.value)]
    parents = opened.memo.get("parents") or ()
    return RunRecord(
        name=f"trial {closed.number}",
        status=_status(closed),
        started_at_ms=opened.opened_at_ms,
        ended_at_ms=max(closed.closed_at_ms, opened.opened_at_ms),
        tags=_tags(opened, closed, study, not_finite=absent),
        params={
            "genotype_digest": digest(opened.genotype),
            "description": cut(description, limit=MAX_PARAM),
            "parent": ",".join(str(parent) for parent in parents) or "none",
        },
        points=finite,
        files=_files(opened, closed, study.portrayal, description=description),
    )


def score_names(objectives: tuple[Objective, ...], *, prefix: str = "score") -> tuple[str, ...]:
    """Returns the metric name of each objective: `score`, or `score/<name>` where there are several."""
    if len(objectives) == 1:
        return (prefix,)
    names = legal_names(tuple(objective.name for objective in objectives))
    return tuple(f"{prefix}/{names[objective.name]}" for objective in objectives)


def plain_reason(opened: Opened, closed: Closed) -> str:
    """Returns why the trial did not complete, with the evidence: `validity: constant output (0.0, needs 1e-6)`."""
    if closed.outcome != "rejected":
        return closed.reason
    verdict = next((v for v in (closed.ledger or opened.verdicts) if not v.keep), None)
    if verdict is None:
        return closed.reason
    return f"{verdict.reason or verdict.filter} (measured {dumps(verdict.measured)}, limit {dumps(verdict.threshold)})"


def _status(closed: Closed) -> RunStatus:
    match closed.outcome:
        case "completed" | "duplicate":
            return "FINISHED"
        case "rejected":
            return "KILLED"
        case "failed":
            return "FAILED"


def _tags(opened: Opened, closed: Closed, study: StudyIdentity, *, not_finite: list[str]) -> dict[str, str]:
    tags = {TAG_STUDY: study.uuid, TAG_TRIAL: str(closed.number), "outcome": closed.outcome}
    if closed.outcome == "rejected":
        tags["rejected_by"] = rejecting_filter(opened, closed)
    if closed.outcome == "duplicate":
        tags["duplicate_of"] = str(duplicate_of(opened, closed))
    if closed.outcome != "completed":
        tags["reason"] = cut(plain_reason(opened, closed), limit=MAX_TAG)
    if not_finite:
        tags["not_finite"] = cut(", ".join(not_finite), limit=MAX_TAG)
    if closed.audit is not None:
        tags["audit"] = cut(dumps(closed.audit), limit=MAX_TAG)
    return tags


def duplicate_of(opened: Opened, closed: Closed) -> int | None:
    """Returns the older trial whose result the trial replays, None where it is no duplicate."""
    return next((v.duplicate_of for v in (*opened.verdicts, *closed.ledger) if v.duplicate_of is not None), None)


def _points(opened: Opened, closed: Closed, objectives: tuple[Objective, ...]) -> Iterator[Point]:
    """Yields every number of the trial; absent ones are NaN here and become a tag in `trial_run`."""
    at_ms = max(closed.closed_at_ms, opened.opened_at_ms)
    for name, value in zip(score_names(objectives), closed.values, strict=True):
        yield Point(name, _number(value), 0, at_ms)
    yield Point("seconds", closed.seconds, 0, at_ms)
    for prefix, measured in _prefixed(opened.measurements):
        for cost in COST_METRICS:
            if isinstance(measured.get(cost), int | float):
                yield Point(prefix + cost, float(measured[cost]), 0, at_ms)
    for prefix, curve in _prefixed(closed.curves):
        names = legal_names(tuple(curve.metrics))
        for metric, values in curve.metrics.items():
            for step, value in zip(curve.steps, values, strict=True):
                yield Point(prefix + names[metric], _number(value), step, at_ms)


def _prefixed(by_key: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields ("", entry) for a single entry, ("<legal key>/", entry) for several."""
    names = legal_names(tuple(by_key))
    for key, entry in by_key.items():
        yield ("" if len(by_key) == 1 else f"{names[key]}/"), entry


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _files(opened: Opened, closed: Closed, portrayal: Portrayal, *, description: str) -> dict[str, str]:
    files = {"genotype.json": dumps(opened.genotype)}
    if len(description) > MAX_PARAM:
        files["description.txt"] = description
    if closed.outcome == "completed" and (code := portrayal.code(opened.genotype)) is not None:
        files["candidate.py"] = code
    if closed.derived:
        files["derived.json"] = dumps([dict(entry) for entry in closed.derived])
    if closed.outcome in ("rejected", "failed"):
        files["evidence.json"] = dumps(_evidence(opened, closed))
    return files


def _evidence(opened: Opened, closed: Closed) -> dict[str, JSON]:
    ledger = closed.ledger or opened.verdicts
    return {
        "ledger": [verdict.to_json() for verdict in ledger],
        "failure": closed.evidence,
        "audit": closed.audit,
    }
