"""Commands about the few trials that matter: the second look, a reviewer's word, export, replay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from automl.cli import options
from automl.cli.errors import FAILED
from automl.cli.printing import emit, fields
from automl.errors import UsageError


def rerank(
    study: options.Study,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials.")] = 5,
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds per finalist.")] = 5,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps per run.", show_default="the task's own")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Another task to judge on.", show_default="the study's")] = None,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Take a second look at the best trials. They and the baseline are trained with fresh seeds; noise is no win."""
    from automl import run

    report = run.load_study(study, storage=storage).rerank(top=top, seeds=seeds, steps=steps, task=task)
    emit(report, as_json=json, text=str(report["text"]))


def review(
    study: options.Study,
    trial: Annotated[int | None, typer.Argument(metavar="TRIAL", min=0, help="Number of the trial.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Approve the trial.")] = False,
    reject: Annotated[str | None, typer.Option(metavar="TEXT", help="Reject the trial, and say why.")] = None,
    pull: Annotated[bool, typer.Option("--pull", help="Take over the `review` tags of MLflow runs.")] = False,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Record or show reviews of STUDY. A reviewer approves or rejects a trial."""
    _check_review(trial, approve=approve, reject=reject, pull=pull)
    from automl import run

    said = run.load_study(study, storage=storage).review(trial, approve=approve, reject=reject, pull=pull)
    emit(said, as_json=json, text=fields(said) or "No reviews yet.")


def export(
    study: options.Study,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; made where missing.")],
    trial: Annotated[
        int | None, typer.Option(min=0, help="Which trial.", show_default="rerank's winner, else the best")
    ] = None,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Export a trial of STUDY. Writes model.onnx, candidate.py, genotype.json, parity.json and weights."""
    from automl import run

    written = run.load_study(study, storage=storage).export(output, trial=trial)
    emit(written, as_json=json, text=fields(written))


def replay(
    study: options.Study, trial: options.Trial, storage: options.Storage = None, json: options.AsJson = False
) -> None:
    """Train a trial again from its record. Fails where the curves do not come out equal."""
    from automl import run

    found = run.load_study(study, storage=storage).replay(trial)
    emit(found, as_json=json, text=_replay_text(trial, found))
    if not found["equal"]:
        raise typer.Exit(FAILED)


def _check_review(trial: int | None, *, approve: bool, reject: str | None, pull: bool) -> None:
    said = approve or reject is not None
    if approve and reject is not None:
        raise UsageError("Both --approve and --reject are given; give one.")
    if said and trial is None:
        raise UsageError("Which trial? Write `automl review STUDY TRIAL --approve`.")
    if said and pull:
        raise UsageError("--pull takes the words from MLflow; give it without --approve and --reject.")


def _replay_text(trial: int, found: Mapping[str, Any]) -> str:
    if found["equal"]:
        return f"Trial {trial} came out equal."
    return "\n".join([f"Trial {trial} came out different:", *(str(one) for one in found["differences"])])
