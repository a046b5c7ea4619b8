"""`import automl` and `automl --help` answer at once: they load none of the heavy libraries."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "optuna", "evotorch", "mlflow", "ray", "onnx", "onnxruntime", "sklearn", "pandas", "matplotlib")
LIGHT = ("automl", "automl.cli", "automl.contracts", "automl.config", "automl.plugins", "automl.assemble", "automl.run")


def loaded_by(statement: str) -> set[str]:
    """Returns which of the heavy libraries a fresh interpreter has loaded after the statement."""
    code = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(HEAVY) & set(done.stderr.split())


@pytest.mark.parametrize("module", LIGHT)
def test_importing_loads_no_heavy_library(module: str) -> None:
    assert loaded_by(f"import {module}") == set()


COMMANDS = (["--help"], ["search", "--help"], ["--version"], ["serch"], ["search", "x", "--trials", "0"])


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_help_and_wrong_usage_load_no_heavy_library(arguments: list[str]) -> None:
    assert loaded_by(f"import automl.cli; sys.argv[1:] = {arguments}; automl.cli.main()") == set()
