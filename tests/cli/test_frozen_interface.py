"""The command line is a public interface: additions need a reason, removals a changelog entry.

After a wanted change write the file anew: `python tests/cli/test_frozen_interface.py > tests/cli/interface.txt`.
"""

from pathlib import Path
from typing import Any

from typer.main import get_command

from automl.cli.app import app

FROZEN = Path(__file__).with_name("interface.txt")


def interface() -> str:
    """Returns one line per command: its arguments and options in order; `!` is required, `*` repeats."""
    root: Any = get_command(app)
    commands = [root, *root.commands.values()]
    return "".join(f"{_name(one, root)}: {' '.join(_parameter(p) for p in one.params)}\n" for one in commands)


def _name(command: Any, root: Any) -> str:
    return "automl" if command is root else f"automl {command.name}"


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return parameter.name.upper() if parameter.required else f"[{parameter.name.upper()}]"
    default = "" if parameter.default in (None, False) else f"={parameter.default}"
    value = "" if parameter.is_flag or default else "=..."
    count = "!" if parameter.required else "*" if parameter.multiple else ""
    return "|".join(parameter.opts) + (default or value) + count


def test_commands_and_options_are_frozen() -> None:
    assert interface() == FROZEN.read_text()


if __name__ == "__main__":
    print(interface(), end="")
