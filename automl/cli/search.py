"""`automl search` and `automl resume`: drive a study.

The rule: whatever stops a search, nothing is lost, and the message says how to go on.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn

import typer

from automl.cli import options
from automl.cli.errors import INTERRUPTED
from automl.cli.look import status_text
from automl.config import SearchOptions, first_free_name, search_arguments


def search(
    space: Annotated[
        str | None,
        typer.Argument(metavar="SPACE", help="Name (see `automl spaces`), package.module:Name or file.py:Name."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="What candidates are trained on.", show_default="digits")] = None,
    searcher: Annotated[str | None, typer.Option(help="Who proposes.", show_default="evolution")] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Budget of proposals, rejected ones included.", show_default="64")
    ] = None,
    trained: options.Trained = None,
    timeout: options.Timeout = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.", show_default="1")] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=1, help="Trained trials open at once; about 4 x workers.", show_default="8"),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study.", show_default="SPACE-TASK-1 or the next number")
    ] = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    seed: Annotated[int | None, typer.Option(help="Root of every random choice.", show_default="0")] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        typer.Option(help="Where candidates are trained.", show_default="AUTOML_DEVICE or auto"),
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="PATH", help="Data of tasks that read a file or folder.")] = None,
    audit: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of rejected trials trained anyway.", show_default="0"),
    ] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY|FILE",
            help="Propose first what an earlier study derived for SPACE or found best in it, or the genotypes of a"
            " JSON file.",
        ),
    ] = None,
    track: Annotated[
        Literal["trained", "all", "none"] | None,
        typer.Option(help="Which trials become MLflow runs.", show_default="trained"),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="One setting, e.g. task.steps=200; repeats.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with these options and a table [set].")
    ] = None,
) -> None:
    """Run a study of SPACE. Every trial it proposes is kept in the study's history, rejected ones included."""
    given: dict[str, Any] = {
        "space": space,
        "task": task,
        "searcher": searcher,
        "trials": trials,
        "trained": trained,
        "timeout": timeout,
        "workers": workers,
        "depth": depth,
        "study": study,
        "storage": storage,
        "tracking_uri": tracking_uri,
        "seed": seed,
        "device": device,
        "data": data,
        "audit": audit,
        "warm_start": warm_start,
        "track": track,
    }
    arguments = search_arguments(given, file=config, set_arguments=set_ or ())
    from automl import run

    name, storage = arguments.get("study"), arguments.get("storage")
    if name is None:
        taken = [str(one["study"]) for one in run.list_studies(storage)]
        name = first_free_name(arguments["space"], arguments.get("task", SearchOptions().task), taken=taken)
        arguments["study"] = name
    with _resumable(name, storage=storage):
        done = run.search(arguments.pop("space"), progress=True, **arguments)
    typer.echo(status_text(done.status()))
    typer.echo(f"\nNext: automl top {name}   automl rerank {name}   automl export {name} --output DIR   automl ui")


def resume(
    study: options.Study,
    trials: Annotated[int | None, typer.Option(min=1, help="New budget of proposals, in all.")] = None,
    trained: options.Trained = None,
    timeout: options.Timeout = None,
    workers: options.Workers = 1,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    accept_environment: Annotated[
        bool, typer.Option("--accept-environment", help="Go on although machine or libraries have changed.")
    ] = False,
    track: Annotated[
        Literal["trained", "all", "none"], typer.Option(help="Which trials become MLflow runs.")
    ] = "trained",
) -> None:
    """Go on with STUDY. After Ctrl-C, a crash or a reboot, or to extend its budget."""
    from automl import run

    with _resumable(study, storage=storage):
        done = run.resume(
            study,
            trials=trials,
            trained=trained,
            timeout=timeout,
            workers=workers,
            storage=storage,
            tracking_uri=tracking_uri,
            accept_environment=accept_environment,
            progress=True,
            track=track,
        )
    typer.echo(status_text(done.status()))


@contextmanager
def _resumable(study: str, *, storage: str | None) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM (a scheduler's or an init system's request to end) stop a search in the same way."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo(_stopped(study, storage=storage), err=True)
        raise typer.Exit(INTERRUPTED) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _stopped(study: str, *, storage: str | None) -> str:
    from automl import run

    if study not in [one["study"] for one in run.list_studies(storage)]:
        return f"Stopped before study {study!r} was created."
    where = f" --storage {storage}" if storage else ""
    return f"Stopped. Nothing is lost; go on with: automl resume {study}{where}"
