"""House rules that can be read off the source: length, docstrings, and no way to run foreign text."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "automl").rglob("*.py"), *(ROOT / "search_spaces").rglob("*.py")])
MAX_LINES = 400
BANNED_NAMES = {"utils", "helpers", "misc", "common", "core", "base", "manager"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
READS_PICKLES = {f"{name}.{verb}" for name in ("pickle", "dill", "joblib", "marshal") for verb in ("load", "loads")}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yields public classes, functions and methods by dotted name; a test's name is its documentation."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith(("_", "test_")):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_is_one_concept_of_readable_length(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
    assert path.stem not in BANNED_NAMES


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_public_names_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [name for name, node in definitions(tree.body) if not ast.get_docstring(node)]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_runs_text_or_reads_pickles(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in RUNS_TEXT | READS_PICKLES, f"line {node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_weights_are_loaded_without_pickles(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            keywords = {one.arg: ast.unparse(one.value) for one in node.keywords}
            assert keywords.get("weights_only") == "True", f"line {node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_error_is_swallowed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not (broad and silent), f"line {node.lineno}"
