"""The command line `automl`. The typer room.

The rule: a command only reads its options, calls `automl.run`, and prints. Heavy libraries are loaded inside commands,
so that `automl --help` answers at once.
"""

import logging
import warnings

from automl.cli.app import app as command_line


def main() -> None:
    """Runs the command line of this process and exits with 0 (ok), 1 (failed), 2 (wrong usage) or 130 (Ctrl-C)."""
    ours = logging.StreamHandler()  # not on the root logger: libraries then complain, or speak twice
    ours.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger("automl").addHandler(ours)
    warnings.formatwarning = lambda message, *_: f"Warning: {message}\n"
    command_line(prog_name="automl")


__all__ = ["main"]
