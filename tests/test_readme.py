"""The README's code runs as printed, from a file and in order."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks() -> list[str]:
    """Returns the Python blocks of the README."""
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def lines_of_code(block: str, name: str) -> int:
    """Returns the length of a class, without blank lines."""
    body = block[block.index(f"class {name}") :]
    return sum(bool(line.strip()) for line in body.splitlines())


@pytest.mark.slow
def test_every_block_runs_as_printed(tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n\n".join(blocks()), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "accuracy" in done.stdout
    names = subprocess.run(
        [sys.executable, "-c", "import automl; print([s['study'] for s in automl.list_studies()])"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "mine" in names.stdout and "norm-act-digits-1" in names.stdout


def test_a_space_is_ten_lines_and_a_task_is_twenty() -> None:
    (space,) = (block for block in blocks() if "SuggestedSpace" in block)
    (task,) = (block for block in blocks() if "ClassificationTask" in block)
    assert lines_of_code(space, "Activation") <= 10
    assert lines_of_code(task, "Stripes") <= 20


def test_the_two_commands_come_first() -> None:
    first = README.read_text(encoding="utf-8").split("```")[1]
    assert re.findall(r"^make (\w+)", first, flags=re.MULTILINE) == ["demo", "test"]
