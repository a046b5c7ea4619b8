"""The commands as a user types them: help, wrong usage, and what is installed."""

import json
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path
from subprocess import run as start

import pytest
from typer.testing import CliRunner, Result

from automl.cli.app import app

COMMANDS = (
    *("spaces", "tasks", "searchers", "search", "resume", "status", "top", "show"),
    *("explain", "rerank", "simplify", "review", "export", "replay", "sync", "ui", "compare"),
)
READING = (
    *("spaces", "tasks", "searchers", "status", "top", "show", "explain", "rerank", "simplify"),
    *("review", "export", "replay", "sync", "compare"),
)


def automl(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = automl(command, "--help")
    assert result.exit_code == 0 and "Usage:" in result.stdout


@pytest.mark.parametrize("command", READING)
def test_every_reading_command_takes_json(command: str) -> None:
    assert "--json" in automl(command, "--help").stdout


def test_version_is_the_installed_one() -> None:
    assert automl("--version").stdout == f"automl {version('automl-search')}\n"


def test_python_dash_m_is_the_same_command() -> None:
    done = start([sys.executable, "-m", "automl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == automl("--version").stdout


def test_help_answers_within_half_a_second() -> None:
    """Best of three, so that a busy machine does not fail it; 0.15 s measured."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        start([sys.executable, "-m", "automl", "--help"], capture_output=True, check=True)
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serch"], "Did you mean 'search'"),
        (["search", "norm-act", "--trails", "3"], "--trials"),
        (["search", "norm-act", "--trials", "many"], "valid integer"),
        (["search", "norm-act", "--trials", "0"], "greater than or equal to 1"),
        (["search", "norm-act", "--audit", "2"], "less than or equal to 1"),
        (["search", "norm-act", "--device", "tpu"], "tpu"),
        (["search"], "No search space is given"),
        (["search", "norm-act", "--set", "steps"], "--set 'steps' has no name and value"),
        (["search", "--config", "none.toml"], "none.toml cannot be read"),
        (["top"], "STUDY"),
        (["show", "demo", "-1"], "-1"),
        (["export", "demo"], "--output"),
        (["ui", "--tracking-uri", "http://127.0.0.1:1"], "open it in a browser"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2_and_says_why(arguments: list[str], message: str) -> None:
    result = automl(*arguments)
    assert result.exit_code == 2
    assert message in re.sub(r"\s+", " ", result.stderr)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "norm_act"], "Unknown search space 'norm_act'. Did you mean 'norm-act'?"),
        (["search", "norm-act", "--task", "digit"], "Unknown task 'digit'. Did you mean 'digits'?"),
        (["search", "norm-act", "--searcher", "evolve"], "Did you mean 'evolution'?"),
        (["search", "norm-act", "--set", "task.step=3"], "Did you mean 'task.steps'?"),
        (["search", "norm-act", "--set", "task.steps=3.5"], "task.steps='3.5' is not allowed: an int."),
        (["search", "norm-act", "--set", "filter.qualty.step=3"], "Did you mean 'filter.quality.step'?"),
        (["search", "norm-act", "--storage", "mysql://x"], "mysql"),
        (["status", "demo"], "No study 'demo'"),
        (["top", "demo"], "No study 'demo'"),
        (["show", "demo", "0"], "No study 'demo'"),
        (["resume", "demo"], "No study 'demo'"),
        (["rerank", "demo"], "No study 'demo'"),
        (["replay", "demo", "0"], "No study 'demo'"),
        (["export", "demo", "--output", "out"], "No study 'demo'"),
        (["sync", "demo"], "No study 'demo'"),
        (["review", "demo"], "No study 'demo'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_exist_is_named_with_the_nearest(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = automl(*arguments)
    assert result.exit_code == 2
    assert message in re.sub(r"\s+", " ", result.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("command", "name"), [("spaces", "norm-act"), ("tasks", "digits"), ("searchers", "evolution")])
def test_installed_things_are_listed_with_a_description(command: str, name: str) -> None:
    rows = json.loads(automl(command, "--json").stdout)
    assert name in [row["name"] for row in rows]
    assert all(row["description"] for row in rows)
    assert name in automl(command).stdout


def test_status_without_studies_says_how_to_start_one() -> None:
    assert "automl search SPACE" in automl("status").stdout
    assert json.loads(automl("status", "--json").stdout) == []
