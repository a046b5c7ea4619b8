"""Reading commands: what is installed, how a study stands, its best trials, one trial whole."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from automl.cli import options
from automl.cli.printing import cell, emit, fields, plain, table

OUTCOMES = ("completed", "rejected", "duplicate", "failed")
STATUS = (
    *("study", "open", "trained", "baseline", "best", "pareto", "rejected_by", "failures", "redrawn"),
    *("steps_trained", "steps_saved", "steps_audit", "audit", "law_health", "workers", "idle_share"),
)
WHOLE = (
    *("trial", "outcome", "reason", "values", "description", "fingerprint", "parents", "steps", "seconds"),
    *("genotype", "memo", "measurements", "audit", "evidence", "review"),
)
VERDICT = ("filter", "keep", "reason", "measured", "threshold", "leg", "steps")
DERIVED = ("leg", "step", "description")
PROXY = ("proxy", "correlation", "low", "high", "trials", "state")
TOP = ("trial", "outcome", "reason", "values", "steps", "seconds", "description")
IDLE_SHARE = 0.15
"""Above this share of idle worker time a larger depth pays."""
LONG_STUDY = 4
"""Trained trials per depth from which the share says something: before that, workers idle while they start."""


def spaces(json: options.AsJson = False) -> None:
    """List the installed search spaces."""
    from automl import run

    _list(run.installed_spaces(), as_json=json)


def tasks(json: options.AsJson = False) -> None:
    """List the installed tasks."""
    from automl import run

    _list(run.installed_tasks(), as_json=json)


def searchers(json: options.AsJson = False) -> None:
    """List the searchers."""
    from automl import run

    _list(run.installed_searchers(), as_json=json)


def status(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="Name of the study; without it, list studies.")
    ] = None,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Show how STUDY stands. Outcomes, which filter rejected, where the steps went."""
    from automl import run

    if study is None:
        studies = run.list_studies(storage)
        names = dict.fromkeys(name for row in studies for name in row)
        text = table(studies, names) if studies else "No studies yet. Start one with `automl search SPACE`."
        emit(studies, as_json=json, text=text)
        return
    found = run.load_study(study, storage=storage).status()
    emit(found, as_json=json, text=status_text(found))


def top(
    study: options.Study,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 10,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Show the best trials of STUDY."""
    from automl import run

    rows = run.load_study(study, storage=storage).top(n)
    text = table(rows, TOP) if rows else "No trial has completed yet."
    emit(rows, as_json=json, text=text)


def show(
    study: options.Study, trial: options.Trial, storage: options.Storage = None, json: options.AsJson = False
) -> None:
    """Show one trial whole. Genotype, description, curves, and what every filter measured."""
    from automl import run

    found = run.load_study(study, storage=storage).show(trial)
    emit(found, as_json=json, text=trial_text(found))


def status_text(found: Mapping[str, Any]) -> str:
    """Returns a study's status for people."""
    counts = ", ".join(f"{found[name]} {name}" for name in OUTCOMES if found.get(name))
    lines = [f"{cell(found.get('trials'))} trials" + (f": {counts}" if counts else "")]
    details = fields(found, names=STATUS)
    lines += [details] if details else []
    if found.get("proxies"):
        lines += ["", table([{"proxy": name, **worth} for name, worth in found["proxies"].items()], PROXY)]
    idle, depth = found.get("idle_share"), found.get("depth")
    long_enough = isinstance(depth, int) and int(found.get("trained", 0)) >= LONG_STUDY * depth
    if long_enough and isinstance(idle, float) and idle > IDLE_SHARE:
        lines.append(f"Workers were idle {idle:.0%} of the time: a new study would gain from a larger --depth.")
    return "\n".join(lines)


def trial_text(found: Mapping[str, Any]) -> str:
    """Returns one trial for people: its fields, every filter's verdict, the curve of each leg."""
    parts = [fields(found, names=WHOLE)]
    if found.get("ledger"):
        parts.append(table(found["ledger"], VERDICT))
    if found.get("derived"):
        parts.append(f"derived, where it changed\n{table(_changes(found['derived']), DERIVED, limit=None)}")
    for leg, curve in found.get("curves", {}).items():
        points = [
            {"step": step, **{name: numbers[index] for name, numbers in curve["metrics"].items()}}
            for index, step in enumerate(curve["steps"])
        ]
        parts.append(f"{leg}\n{table(points, ['step', *curve['metrics']])}")
    return "\n\n".join(parts)


def _changes(derived: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the entries that differ from the one before of the same leg."""
    before: dict[str, str] = {}
    changed: list[Mapping[str, Any]] = []
    for one in derived:
        if before.get(one["leg"]) != one["description"]:
            changed.append(one)
        before[one["leg"]] = one["description"]
    return changed


def _list(rows: list[dict[str, str]], *, as_json: bool) -> None:
    emit(
        plain(rows),
        as_json=as_json,
        text=table(rows, ("name", "description"), limit=None) if rows else "None installed.",
    )
