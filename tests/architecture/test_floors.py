"""The floors of DESIGN.md section 3, and the rooms of foreign libraries."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
    "pandas": ("automl/run/",),
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
    "sqlalchemy": ("automl/storage/", "automl/tracking/mlflow_sqlite.py"),
    "typer": ("automl/cli/",),
}
EVERYWHERE = {"numpy", "torch"}
"""torch too: the floors below `training` name it for type checkers only, see the next test."""

WITHOUT_TORCH = ("automl/contracts/", "automl/flows/", "automl/filters/", "automl/storage/", "automl/tracking/")
FOR_SPACES = {"automl", "automl.contracts", "automl.authoring", "automl.canonical", "automl.errors", "automl.seeding"}
"""And numpy and torch."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def sources(*folders: str) -> dict[str, Path]:
    """Returns every source file below the folders by its path from the root."""
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path for path in found}


def imports(path: Path, *, type_checking: bool = True) -> Iterator[str]:
    """Yields the modules that a file imports, dotted; a relative import starts with a dot."""
    skipped = set() if type_checking else set(_type_checking_only(parsed(path)))
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import) and node.lineno not in skipped:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.lineno not in skipped:
            yield "." * node.level + (node.module or "")


def _type_checking_only(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from (one.lineno for one in node.body)


def library(module: str) -> str:
    return module.partition(".")[0]


def test_import_contracts_hold() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_foreign_library_stays_in_its_room() -> None:
    """A library without a room: give it one in ROOMS, or do without it."""
    astray = [
        f"{name}: {module}"
        for name, path in sources("automl", "search_spaces").items()
        for module in imports(path)
        if library(module) not in {*sys.stdlib_module_names, *EVERYWHERE, "automl", "search_spaces"}
        and not name.startswith(ROOMS.get(library(module), ("nowhere",)))
    ]
    assert astray == []


def test_floors_that_need_no_tensors_do_not_load_torch() -> None:
    loading = [
        name
        for name, path in sources(*WITHOUT_TORCH).items()
        if "torch" in map(library, imports(path, type_checking=False))
    ]
    assert loading == []


def test_search_spaces_build_on_the_public_floors_only() -> None:
    allowed = {*sys.stdlib_module_names, "search_spaces", "numpy", "torch"}
    deeper = [
        f"{name}: {module}"
        for name, path in sources("search_spaces").items()
        for module in imports(path)
        if library(module) not in allowed and ".".join(module.split(".")[:2]) not in FOR_SPACES
    ]
    assert deeper == []


def test_the_engine_knows_no_search_space() -> None:
    knowing = [name for name, path in sources("automl").items() if "search_spaces" in map(library, imports(path))]
    assert knowing == []


def test_imports_are_absolute() -> None:
    files = sources("automl", "search_spaces").items()
    assert [name for name, path in files for module in imports(path) if module.startswith(".")] == []
