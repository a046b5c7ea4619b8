"""House rules that can be read off the source: length, docstrings, and no way to run foreign text."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = sorted([*(ROOT / "automl").rglob("*.py"), *(ROOT / "search_spaces").rglob("*.py")])
SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in PATHS}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}

MAX_LINES = 400
BANNED_NAMES = {"utils", "helpers", "misc", "common", "core", "base", "manager"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
READS_PICKLES = {f"{name}.{verb}" for name in ("pickle", "dill", "joblib", "marshal") for verb in ("load", "loads")}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Yields every node with `file:line`."""
    for name, tree in TREES.items():
        yield from ((f"{name}:{getattr(node, 'lineno', 0)}", node) for node in ast.walk(tree))


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yields place, dotted name and node of every call."""
    for place, node in nodes():
        if isinstance(node, ast.Call):
            yield place, ast.unparse(node.func), node


def definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yields public classes, functions and methods by dotted name; a test's name is its documentation."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith(("_", "test_")):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, f"{prefix}{node.name}.")


def test_a_file_has_a_readable_length() -> None:
    assert [name for name, text in SOURCES.items() if len(text.splitlines()) > MAX_LINES] == []


def test_a_file_is_named_after_a_concept() -> None:
    assert [path for path in PATHS if path.stem in BANNED_NAMES] == []


def test_a_module_says_what_it_is() -> None:
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_public_names_are_documented() -> None:
    bare = [
        f"{name}: {defined}"
        for name, tree in TREES.items()
        for defined, node in definitions(tree.body)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def test_nothing_runs_text_or_reads_pickles() -> None:
    assert [place for place, called, _ in calls() if called in RUNS_TEXT | READS_PICKLES] == []


def test_weights_are_loaded_without_pickles() -> None:
    unsafe = [
        place
        for place, called, node in calls()
        if called == "torch.load" and "weights_only=True" not in map(ast.unparse, node.keywords)
    ]
    assert unsafe == []


def test_no_error_is_swallowed() -> None:
    swallowing = [
        place
        for place, node in nodes()
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]
    assert swallowing == []
