"""The floors of DESIGN.md section 3, and the rooms of foreign libraries."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ROOMS = {
    "cloudpickle": ("automl/plugins/by_value.py",),
    "evotorch": ("automl/searchers/",),
    "matplotlib": ("automl/tracking/",),
    "mlflow": ("automl/tracking/mlflow_", "automl/export/model_registry.py"),
    "onnx": ("automl/export/",),
    "onnxruntime": ("automl/export/",),
    "onnxscript": ("automl/export/",),
    "optuna": ("automl/searchers/optuna_", "automl/storage/"),
    "pandas": ("automl/run.py", "automl/study.py"),
    "PIL": ("automl/training/tasks/",),
    "psycopg2": ("automl/storage/",),
    "pyarrow": ("automl/training/tasks/",),
    "pytest": ("automl/testing/",),
    "hypothesis": ("automl/testing/",),
    "ray": ("automl/execution/ray_",),
    "rich": ("automl/cli/", "automl/tracking/progress.py"),
    "safetensors": ("automl/export/", "automl/training/"),
    "scipy": ("automl/numerics/",),
    "sklearn": ("automl/training/tasks/",),
    "sqlalchemy": ("automl/storage/",),
    "typer": ("automl/cli/",),
}
EVERYWHERE = {"numpy", "torch"}
"""torch too: the floors below `training` name it for type checkers only, see the next test."""

WITHOUT_TORCH = ("automl/contracts/", "automl/flows/", "automl/filters/", "automl/storage/", "automl/tracking/")
FOR_SPACES = {"automl", "automl.contracts", "automl.authoring", "automl.canonical", "automl.errors", "automl.seeding"}
"""And numpy and torch."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path, *, type_checking: bool = True) -> Iterator[str]:
    """Yields the modules that a file imports, dotted."""
    skipped = set() if type_checking else set(_type_checking_only(ast.parse(path.read_text())))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import) and node.lineno not in skipped:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.lineno not in skipped:
            yield "." * node.level + (node.module or "")


def _type_checking_only(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from (one.lineno for one in node.body)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_import_contracts_hold() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sources("automl", "search_spaces"), ids=relative)
def test_a_foreign_library_stays_in_its_room(path: Path) -> None:
    for module in imports(path):
        library = module.partition(".")[0]
        if library in sys.stdlib_module_names or library in EVERYWHERE or library in ("automl", "search_spaces"):
            continue
        assert library in ROOMS, f"{library} has no room yet: add one to ROOMS, or do without it"
        assert relative(path).startswith(ROOMS[library]), f"{library} belongs in {ROOMS[library]}"


@pytest.mark.parametrize("path", sources(*WITHOUT_TORCH), ids=relative)
def test_floors_that_need_no_tensors_do_not_load_torch(path: Path) -> None:
    assert not [name for name in imports(path, type_checking=False) if name.partition(".")[0] == "torch"]


@pytest.mark.parametrize("path", sources("search_spaces"), ids=relative)
def test_search_spaces_build_on_the_public_floors_only(path: Path) -> None:
    for module in imports(path):
        base = module.partition(".")[0]
        package = ".".join(module.split(".")[:2])
        standard = base in sys.stdlib_module_names or base == "search_spaces"
        assert standard or base in ("numpy", "torch") or package in FOR_SPACES, module


@pytest.mark.parametrize("path", sources("automl"), ids=relative)
def test_the_engine_knows_no_search_space(path: Path) -> None:
    assert not [module for module in imports(path) if module.partition(".")[0] == "search_spaces"]


@pytest.mark.parametrize("path", sources("automl", "search_spaces"), ids=relative)
def test_imports_are_absolute(path: Path) -> None:
    assert not [module for module in imports(path) if module.startswith(".")]
