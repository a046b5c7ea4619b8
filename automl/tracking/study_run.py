"""A study as an MLflow run: identity as tags, totals as metrics, all trials as a table.

Why: the experiment `automl` compares studies, and trials that never trained have no run of their own; they are rows
of its table.
The rule: time stamps and steps come from the history, so the same log gives the same run.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from automl.canonical import dumps
from automl.contracts.history import Opened
from automl.contracts.trial import Closed, Values
from automl.tracking.run_record import MAX_TAG, Point, RunRecord, cut, legal_name, legal_names
from automl.tracking.study_so_far import StudySoFar
from automl.tracking.tally import Tally
from automl.tracking.trial_run import TAG_STUDY, StudyIdentity, duplicate_of, plain_reason, score_names

TABLE_FILE = "trials.csv"
HEADER_FILE = "study.json"
COLUMNS = ("trial", "outcome", "rejected_by", "reason", "duplicate_of", "values", "steps", "seconds")
TEXT_COLUMNS = ("description", "genotype", "fingerprint")


def baseline_values(log: StudySoFar) -> Values:
    """Returns the baseline's values from the history's note, () before it was trained."""
    return tuple(log.notes.get("baseline", {}).get("values", ()))


def study_run(log: StudySoFar, *, study: StudyIdentity, tally: Tally) -> RunRecord:
    """Returns the study's run as of its closed trials; the table is added by the caller."""
    started = log.opened[0].opened_at_ms if log.opened else 0
    ended = max([started, *(closed.closed_at_ms for closed in log.closed[-1:])])
    return RunRecord(
        name=log.name,
        status="FINISHED",
        started_at_ms=started,
        ended_at_ms=ended,
        tags={TAG_STUDY: study.uuid, "study": log.name, **_header_tags(log.header)},
        points=tuple(_points(study, tally, baseline_values(log), at_ms=ended)),
        files={HEADER_FILE: dumps(log.header)},
    )


def table_row(opened: Opened, closed: Closed, *, study: StudyIdentity) -> tuple[str, ...]:
    """Returns the trial's row of the table, in the order of `COLUMNS`, `TEXT_COLUMNS`."""
    twin = duplicate_of(opened, closed)
    return (
        str(closed.number),
        closed.outcome,
        closed.reason if closed.outcome == "rejected" else "",
        plain_reason(opened, closed),
        "" if twin is None else str(twin),
        " ".join("-" if value is None else f"{value:.6g}" for value in closed.values),
        str(closed.steps),
        f"{closed.seconds:.3f}",
        cut(study.portrayal.description(opened.genotype), limit=MAX_TAG),
        dumps(opened.genotype),
        opened.fingerprint,
    )


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as CSV, which MLflow's artifact viewer shows as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *TEXT_COLUMNS))
    writer.writerows(rows)
    return text.getvalue()


def _header_tags(header: Mapping[str, Any]) -> dict[str, str]:
    """The header's top-level entries as tags: text as it is, everything else as canonical JSON, cut."""
    return {
        legal_name(key): cut(value if isinstance(value, str) else dumps(value), limit=MAX_TAG)
        for key, value in header.items()
        if value is not None and key != "uuid"
    }


def _points(study: StudyIdentity, tally: Tally, baseline: Values, *, at_ms: int) -> list[Point]:
    """Totals stand at step = number of closed trials; the best stands at the trial that reached it."""
    totals: dict[str, float] = {
        "trials": tally.trials,
        **{outcome: tally.outcomes[outcome] for outcome in ("completed", "rejected", "duplicate", "failed")},
        "steps_trained": tally.steps_trained,
        "steps_saved": tally.steps_saved,
        "seconds": tally.seconds,
    }
    filters = legal_names(tuple(tally.rejected_by))
    totals |= {f"rejected_by/{filters[name]}": count for name, count in tally.rejected_by.items()}
    points = [Point(name, float(value), tally.trials, at_ms) for name, value in totals.items()]
    for name, improvements in zip(score_names(study.objectives, prefix="best"), tally.improvements, strict=True):
        points += [Point(name, value, number, closed_at_ms) for number, value, closed_at_ms in improvements]
    for name, value in zip(score_names(study.objectives, prefix="baseline"), baseline, strict=False):
        if value is not None:
            points.append(Point(name, value, 0, at_ms))
    return points
