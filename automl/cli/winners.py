"""Commands that make a winner understood: what it is made of, where it comes from, and what it does not need."""

import json as json_text
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from automl.cli import options
from automl.cli.printing import cell, emit, plain, table
from automl.errors import UsageError


def explain(
    study: options.Study, trial: options.Trial, storage: options.Storage = None, json: options.AsJson = False
) -> None:
    """Explain a trial. Its parts and what each does, then its ancestors, what each changed and what that brought."""
    from automl import run

    found = run.load_study(study, storage=storage).explain(trial)
    emit(found, as_json=json, text=explanation_text(found))


def simplify(
    study: options.Study,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Which trial.", show_default="rerank's winner, else the best")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds per training.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Most parts to remove.")] = 20,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps per run.", show_default="the task's own")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON file to write, for `search --warm-start`.")
    ] = None,
    workers: options.Workers = 1,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Remove from a trial what it does not need. Part by part, as long as fresh seeds show no loss beyond noise."""
    if output is not None and output.exists():
        raise UsageError(f"--output {output} exists already. Name a new file.")
    from automl import run

    found = run.load_study(study, storage=storage, workers=workers)
    report = found.simplify(trial, seeds=seeds, rounds=rounds, steps=steps)
    emit(report, as_json=json, text=simplification_text(report, found.plan.space.listing(report["end"])))
    if output is not None:
        write_genotype(output, report["end"])
        if not json:
            typer.echo(_next_steps(found.log.header, study=study, output=output, storage=storage))


def explanation_text(found: Mapping[str, Any]) -> str:
    """Returns a trial's listing and its line of ancestors, for people."""
    head = f"Trial {found['trial']} ({found['outcome']}{_values(found['values'])})"
    lines = [head, *([found["description"]] if found["description"] else []), "", listing_text(found["listing"])]
    lines += ["", "How it came about, oldest first:"]
    for one in found["ancestors"]:
        others = f" with {cell(one['parents'][1:])}" if len(one["parents"]) > 1 else ""
        lines.append(f"trial {one['trial']}  {one['operator']}{others}  {one['outcome']}{_values(one['values'])}")
        lines += [f"    {change}" for change in one["changes"]]
    return "\n".join(lines)


def simplification_text(report: Mapping[str, Any], listing: Iterable[Iterable[str]]) -> str:
    """Returns what every round removed, what it cost against the start, and what is left, for people."""
    lines = [f"Trial {report['trial']} on {report['task']}, {report['seeds']} seeds, {report['trainings']} trainings"]
    for number, one in enumerate(report["rounds"], start=1):
        tried = len(one["tried"])
        if one["taken"] is None:
            lines.append(f"{number}. none of {tried} parts can go")
            continue
        taken = one["tried"][one["taken"]]
        lines.append(f"{number}. best of {tried}: {_differences(taken['from_start'])} against the start")
        lines += [f"    {change}" for change in taken["changes"]]
    return "\n".join([*lines, report["text"], "", report["description"], listing_text(listing)])


def listing_text(listing: Iterable[Iterable[str]]) -> str:
    """Returns one aligned line per part: the part as written, then what it does."""
    rows = [tuple(part) for part in listing]
    width = max((len(part) for part, _ in rows), default=0)
    return "\n".join(f"  {part:<{width}}  {what}".rstrip() for part, what in rows)


def funnel_text(report: Mapping[str, Any]) -> str:
    """Returns the stages with everybody's gain, who went on, and the way of the search on the last task, for people."""
    lines = []
    for one in report["stages"]:
        rows = [
            {
                "trial": row["trial"],
                "goes on": row["trial"] in one["survivors"],
                **{name: _interval(difference) for name, difference in row["gate"].items()},
            }
            for row in one["report"]["finalists"]
        ]
        lines.append(f"{one['stage']}: gain over the baseline on the gate split, with 95 % intervals")
        names = dict.fromkeys(name for row in rows for name in row)
        lines += [table(rows, names) if rows else "none could be trained", ""]
    lines.append(report["text"])
    curve = report["meta_validation"]
    if curve is not None:
        lines += ["", f"Best so far in the search, trained on {curve['task']} with {curve['seeds']} fresh seeds:"]
        baseline = {"trial": "baseline", **curve["baseline"]}
        lines += [table([*curve["curve"], baseline], ["trial", "search", "mean", "sd"])]
        agree = curve["spearman"]
        lines += [f"Rank correlation of the two: {agree:+.2f}"] if agree is not None else []
        lines.append(curve["text"])
    return "\n".join(lines)


def write_genotype(path: Path, genotype: Mapping[str, Any]) -> None:
    """Writes a genotype as `--warm-start` reads it.

    Raises:
        UsageError: the file cannot be written; the report is kept with the study.
    """
    try:
        path.write_text(json_text.dumps(plain(genotype), allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        kept = "The genotype is kept with the study, as `end` of its note `simplified`"
        raise UsageError(f"--output {path} cannot be written: {error.strerror}. {kept}.") from error


def _next_steps(header: Mapping[str, Any], *, study: str, output: Path, storage: str | None) -> str:
    where = ["--storage", storage] if storage else []
    space, task, name = header["space"]["locator"], header["task"]["locator"], f"{study}-simplified"
    search = ["automl", "search", space, "--task", task, "--warm-start", str(output), "--trials", "1"]
    search += ["--study", name, *where]
    steps = [search, ["automl", "rerank", name, *where], ["automl", "export", name, "--output", "DIR", *where]]
    return "\nWritten. To prove and export it:\n" + "\n".join(f"  {shlex.join(one)}" for one in steps)


def _values(values: Mapping[str, float | None]) -> str:
    known = {name: value for name, value in values.items() if value is not None}
    return f", {cell(known, limit=None)}" if known else ""


def _differences(differences: Mapping[str, Mapping[str, float]]) -> str:
    return ", ".join(f"{name} {_interval(one)}" for name, one in differences.items())


def _interval(difference: Mapping[str, float]) -> str:
    return f"{difference['mean']:+.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})"
