"""How a command fails: one short paragraph on standard error, and the exit code."""

import typer
from typer.testing import CliRunner, Result

from automl.cli.errors import CommandGroup
from automl.errors import AutoMLError, ExportError, InvalidSetting, UnknownName


def run(raised: BaseException | None, *arguments: str) -> Result:
    """Runs a command `go` that raises, behind the app's own group."""
    app = typer.Typer(cls=CommandGroup, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback()
    def _options(debug: bool = False) -> None:
        """Has --debug, like the app."""

    @app.command()
    def go() -> None:
        if raised is not None:
            raise raised
        typer.echo("done")

    return CliRunner().invoke(app, [*arguments, "go"])


def test_success_exits_with_0() -> None:
    result = run(None)
    assert (result.exit_code, result.stdout) == (0, "done\n")


def test_a_failure_exits_with_1_and_one_paragraph() -> None:
    result = run(ExportError("The disk is full."))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: The disk is full.\n")


def test_wrong_usage_exits_with_2_and_names_the_nearest() -> None:
    result = run(UnknownName("task", "digitz", ["digits", "images"]))
    assert result.exit_code == 2
    assert result.stderr == "Error: Unknown task 'digitz'. Did you mean 'digits'? Known: digits, images.\n"
    assert run(InvalidSetting("seed", "x", "an int")).exit_code == 2


def test_long_messages_are_wrapped_without_breaking_names() -> None:
    path = "/a/very/long/path" * 8
    result = run(AutoMLError(f"The file {path} " + "cannot be read " * 10))
    assert path in result.stderr
    assert all(len(line) <= 100 for line in result.stderr.splitlines() if path not in line)


def test_ctrl_c_exits_with_130() -> None:
    assert run(KeyboardInterrupt()).exit_code == 130


def test_a_bug_exits_with_1_without_a_traceback() -> None:
    result = run(ZeroDivisionError("division by zero"))
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero" in result.stderr and "--debug" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_and_keeps_the_exit_code() -> None:
    for raised, code in ((ExportError("full"), 1), (UnknownName("task", "x", []), 2), (ValueError("bug"), 1)):
        result = run(raised, "--debug")
        assert result.exit_code == code and "Traceback" in result.stderr


def test_an_exit_passes() -> None:
    assert run(typer.Exit(7)).exit_code == 7
