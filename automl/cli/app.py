"""The app: its global options and the list of its commands, which a test freezes."""

import logging
import warnings
from importlib.metadata import version
from typing import Annotated

import typer

from automl.cli import compare, finalists, look, mlflow, schedule, search, winners
from automl.cli.errors import CommandGroup

app = typer.Typer(
    name="automl",
    cls=CommandGroup,
    help="Search for better parts of a training recipe, reject most candidates early, hand over the few that win.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"automl {version('automl-search')}")
        raise typer.Exit


@app.callback()
def _globals(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if debug:
        logging.getLogger("automl").setLevel(logging.DEBUG)
    else:  # what libraries warn their developers of is no news for a user; our own warnings are
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", module=r"automl\b")


for _command in (
    look.spaces,
    look.tasks,
    look.searchers,
    search.search,
    search.resume,
    look.status,
    look.top,
    look.show,
    winners.explain,
    finalists.rerank,
    winners.simplify,
    finalists.review,
    finalists.export,
    finalists.replay,
    compare.compare,
    mlflow.sync,
    mlflow.ui,
):
    app.command()(_command)

app.add_typer(schedule.app, name="schedule")
