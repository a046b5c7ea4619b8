"""The command line `automl`. The typer room.

The rule: a command only reads its options, calls `automl.run`, and prints. Heavy libraries are loaded inside commands,
so that `automl --help` answers at once.
"""

from automl.cli.app import app as command_line


def main() -> None:
    """Runs the command line of this process and exits with 0 (ok), 1 (failed), 2 (wrong usage) or 130 (Ctrl-C)."""
    command_line(prog_name="automl")


__all__ = ["main"]
