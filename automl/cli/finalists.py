"""Commands about the few trials that matter: the second look, a reviewer's word, export, replay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from automl.cli import options
from automl.cli.errors import FAILED
from automl.cli.printing import emit, fields, table
from automl.cli.stages import stages_of
from automl.cli.winners import funnel_text
from automl.errors import UsageError


def rerank(
    study: options.Study,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials.")] = 5,
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds per finalist.")] = 5,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps per run.", show_default="the task's own")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Another task to judge on.", show_default="the study's")] = None,
    funnel: Annotated[
        str | None,
        typer.Option(
            metavar="STAGES",
            help="Tasks to judge on one after another, e.g. text:x1,text:x10; NAME:xN is NAME with scale=N."
            " Who does not beat the baseline stays behind.",
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(
            min=0, help="Random candidates of the space trained beside them, better 8 or more.", show_default="none"
        ),
    ] = None,
    designs: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Published designs of the space trained beside them, between commas."),
    ] = None,
    curve_trials: Annotated[
        int | None,
        typer.Option(
            min=0, help="With --funnel: how many best-so-far trials the last task trains; 0 = none.", show_default="8"
        ),
    ] = None,
    workers: options.Workers = 1,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Take a second look at the best trials. They and the baseline are trained with fresh seeds; noise is no win."""
    stages = None if funnel is None else stages_of(funnel)
    if stages is not None and (task is not None or steps is not None):
        raise UsageError("--funnel names the tasks itself, each with its own steps. Leave out --task and --steps.")
    if stages is None and curve_trials is not None:
        raise UsageError("--curve-trials is about the tasks of --funnel. Give --funnel too, or leave it out.")
    if stages is not None and (random is not None or designs is not None):
        raise UsageError("--random and --designs stand beside one second look. Leave them out, or --funnel.")
    from automl import run

    found = run.load_study(study, storage=storage, workers=workers)
    if stages is None:
        names = [] if designs is None else [name.strip() for name in designs.split(",")]
        report = found.rerank(top=top, seeds=seeds, steps=steps, task=task, random=random or 0, designs=names)
        emit(report, as_json=json, text=rerank_text(report))
        return
    wanted = {} if curve_trials is None else {"curve_trials": curve_trials}
    report = found.funnel(stages, top=top, seeds=seeds, **wanted)
    emit(report, as_json=json, text=funnel_text(report))


def review(
    study: options.Study,
    trial: Annotated[int | None, typer.Argument(metavar="TRIAL", min=0, help="Number of the trial.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Approve the trial.")] = False,
    reject: Annotated[str | None, typer.Option(metavar="TEXT", help="Reject the trial, and say why.")] = None,
    pull: Annotated[bool, typer.Option("--pull", help="Take over the `review` tags of MLflow runs.")] = False,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    json: options.AsJson = False,
) -> None:
    """Record a reviewer's word. Give TRIAL with --approve or --reject TEXT, or --pull alone."""
    from automl import run

    found = run.load_study(study, storage=storage, tracking_uri=tracking_uri)
    said = found.review(trial, approve=approve, reject=reject, pull=pull)
    emit(said, as_json=json, text=fields(said) or "No reviews yet.")


def export(
    study: options.Study,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; made where missing.")],
    trial: Annotated[
        int | None, typer.Option(min=0, help="Which trial.", show_default="rerank's winner, else the best")
    ] = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    json: options.AsJson = False,
) -> None:
    """Export a trial of STUDY. Writes model.onnx, candidate.py, genotype.json, parity.json and weights."""
    from automl import run

    found = run.load_study(study, storage=storage, tracking_uri=tracking_uri)
    written = found.export(output, trial=trial)
    emit(written, as_json=json, text=_export_text(written))


def replay(
    study: options.Study, trial: options.Trial, storage: options.Storage = None, json: options.AsJson = False
) -> None:
    """Train a trial again from its record. Fails where the curves do not come out equal."""
    from automl import run

    found = run.load_study(study, storage=storage).replay(trial)
    emit(found, as_json=json, text=_replay_text(trial, found))
    if not found["equal"]:
        raise typer.Exit(FAILED)


def rerank_text(report: Mapping[str, Any]) -> str:
    """Returns gains on the gate split, which choose, and the sentences about the one that was chosen."""
    beside = report.get("companions") or {"finalists": [], "text": ""}
    over = {one["trial"]: one["random"] or {} for one in beside["finalists"]}
    rows = [
        {
            "trial": one["trial"],
            **{name: _interval(difference) for name, difference in one["gate"].items()},
            **{f"{name} over random": _interval(d) for name, d in over.get(one["trial"], {}).items()},
        }
        for one in report["finalists"]
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    note = "Gain over the baseline on the gate split, with 95 % intervals:"
    lines = [note, table(rows, names)] if rows else []
    return "\n".join([*lines, report["text"], *([beside["text"]] if beside["text"] else [])])


def _interval(difference: Mapping[str, float]) -> str:
    return f"{difference['mean']:+.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})"


def _export_text(written: Mapping[str, Any]) -> str:
    proven = "beats the baseline beyond noise" if written["proven"] else "not proven: rerank has not found it better"
    lines = [f"Trial {written['trial']} ({proven})"]
    for variant, bundle in written["bundles"].items():
        lines.append(f"{variant}: {', '.join(bundle['files'])} in {bundle['directory']}")
        lines.append(f"  ONNX Runtime {'agrees' if bundle['parity']['holds'] else 'does not agree'} with PyTorch")
        lines.append(f"  registered as {bundle['registered']}" if bundle["registered"] else f"  {bundle['problem']}")
    return "\n".join(lines)


def _replay_text(trial: int, found: Mapping[str, Any]) -> str:
    if found["equal"]:
        return f"Trial {trial} came out equal."
    return "\n".join([f"Trial {trial} came out different:", *(str(one) for one in found["differences"])])
