"""How a failed command ends: one short paragraph on standard error and an exit code.

Why a group class of its own: it sees every command, also when tests run the app without a process of its own.
The rule: 1 = failed, 2 = wrong usage, 130 = stopped by Ctrl-C; a traceback only with `--debug`.
"""

import errno
import textwrap
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from automl.errors import AutoMLError, UsageError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
WIDTH = 100


class CommandGroup(TyperGroup):
    """The commands, and what becomes of their exceptions."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the chosen command; turns our own errors, Ctrl-C and bugs into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except AutoMLError as error:
            _explain(f"Error: {error}", debug=ctx.params["debug"])
            raise typer.Exit(WRONG_USAGE if isinstance(error, UsageError) else FAILED) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except Exception as error:  # a bug, here or in a plug-in; the user gets a sentence, --debug the traceback
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # `automl top demo | head`: typer ends quietly
            hint = "This is not a known failure; `automl --debug ...` shows where it comes from."
            _explain(f"Error: {type(error).__name__}: {error}. {hint}", debug=ctx.params["debug"])
            raise typer.Exit(FAILED) from error


def _explain(message: str, *, debug: bool) -> None:
    if debug:
        typer.echo(traceback.format_exc(), err=True)
    typer.echo(textwrap.fill(message, WIDTH, break_long_words=False, break_on_hyphens=False), err=True)
