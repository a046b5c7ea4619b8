"""Reads a candidate's source without running it: what may stand in a file that claims to need only PyTorch.

Why: the file is handed to people who run it, and part of it comes from a genotype. The rule: a list of what is allowed,
not of what is forbidden; imports of this package, of anything that reaches files, processes or the network, and
every door to them (eval, open, dunder attributes, torch.load) are refused.
"""

import ast
from collections.abc import Iterator

from automl.errors import ExportError

ALLOWED_MODULES = frozenset(
    {"__future__", "abc", "collections", "dataclasses", "enum", "functools", "itertools", "math", "numbers", "operator"}
    | {"statistics", "torch", "typing", "unittest"}
)
REFUSED_SUBMODULES = frozenset({"hub", "multiprocessing", "package", "cpp_extension", "serialization", "distributed"})
REFUSED_CALLS = frozenset(
    {"eval", "exec", "compile", "open", "breakpoint", "__import__", "globals", "locals", "vars"}
    | {"getattr", "setattr", "delattr", "memoryview"}
)
REFUSED_ATTRIBUTES = frozenset(
    {"load", "hub", "os", "sys", "subprocess", "system", "popen", "importlib", "builtins", "shutil", "socket", "ctypes"}
    | {"pickle", "cpp_extension", "serialization", "multiprocessing", "from_file", "load_library", "save"}
)
ALLOWED_DUNDERS = frozenset(
    {"__all__", "__class__", "__doc__", "__init__", "__name__", "__post_init__", "__repr__", "__setstate__"}
    | {"__slots__"}
)
MAX_SOURCE_BYTES = 1 << 20


def check_source(text: str) -> tuple[str, ...]:
    """Returns the modules that the source imports, sorted.

    Raises:
        ExportError: too long, no Python, or something that is not allowed, with its line.
    """
    if len(text.encode()) > MAX_SOURCE_BYTES:
        raise ExportError(f"The candidate's source has {len(text):,} characters; at most {MAX_SOURCE_BYTES:,} fit.")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExportError(f"The candidate's source is not Python: {error}.") from error
    for node in ast.walk(tree):
        if (found := _refused(node)) is not None:
            line = getattr(node, "lineno", 0)
            raise ExportError(
                f"The candidate's source uses {found} in line {line}; allowed are the modules "
                f"{', '.join(sorted(ALLOWED_MODULES))} and no way to files, processes or other modules."
            )
    return tuple(sorted({module for node in ast.walk(tree) for module in _imports(node)}))


def has_self_test(text: str) -> bool:
    """Returns whether the source tests itself when it is run: it has an `if __name__ == "__main__":` block."""
    return any(
        isinstance(part, ast.Name) and part.id == "__name__"
        for block in ast.parse(text).body
        if isinstance(block, ast.If)
        for part in ast.walk(block.test)
    )


def _refused(node: ast.AST) -> str | None:
    """Names what is not allowed in this one node, None where it is fine."""
    for module in _imports(node):
        parts = module.split(".")
        if parts[0] not in ALLOWED_MODULES or REFUSED_SUBMODULES & set(parts):
            return f"import {module}"
    match node:
        case ast.ImportFrom(level=level) if level:
            return "a relative import"
        case ast.ImportFrom(names=names):
            refused = REFUSED_ATTRIBUTES | REFUSED_SUBMODULES
            return next((f"import of {name.name}" for name in names if name.name in refused), None)
        case ast.Name(id=name) if name in REFUSED_CALLS:
            return name
        case ast.Name(id=name) | ast.Attribute(attr=name) if name.startswith("__") and name not in ALLOWED_DUNDERS:
            return name
        case ast.Attribute(value=ast.Name(id="torch"), attr=name) if name in REFUSED_ATTRIBUTES:
            return f"torch.{name}"
        case ast.Attribute(attr=name) if name in REFUSED_ATTRIBUTES - {"load", "save"}:
            return f".{name}"
    return None


def _imports(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (name.name for name in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module
