"""Genotypes from outside: one clear error, nothing built, no study left behind."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from automl.canonical import loads
from automl.errors import AutoMLError, InvalidGenotype
from search_spaces.norm_act import NormActSpace

SPACE = NormActSpace()
GOOD: dict[str, Any] = dict(SPACE.zoo()["evonorm-s0"])

HOSTILE: dict[str, Any] = {
    "a list": [1, 2],
    "a string": "bn-relu",
    "null": None,
    "empty": {},
    "an unknown operator": {**GOOD, "op13": "__import__('os').system('x')"},
    "an operator of another type": {**GOOD, "op13": {"op": "mul"}},
    "an argument that is text": {**GOOD, "a13": "0"},
    "an argument that is a bool": {**GOOD, "a13": True},
    "an argument that is a float": {**GOOD, "a13": 0.0},
    "a cycle": {**GOOD, "a13": 13},
    "a forward reference": {**GOOD, "a5": 9},
    "a negative index": {**GOOD, "a13": -1},
    "a huge int": {**GOOD, "a13": 10**400},
    "a missing answer": {name: value for name, value in GOOD.items() if name != "a13"},
    "a surplus answer": {**GOOD, "op99": "mul"},
    "a million nodes": {f"op{node}": "neg" for node in range(4, 1_000_004)},
    "deep nesting": {**GOOD, "a13": [[[[[]]]]]},
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_decode_refuses_with_one_clear_error(name: str) -> None:
    began = time.perf_counter()
    with pytest.raises(InvalidGenotype) as caught:
        SPACE.decode(HOSTILE[name])
    assert time.perf_counter() - began < 5
    message = str(caught.value)
    assert "allowed" in message and len(message) < 2_000


@pytest.mark.parametrize("text", ['{"op4": NaN}', '{"op4": Infinity}', "{", "[" * 100_000, '{"a":' * 50_000, "\x00"])
def test_text_that_is_no_canonical_json_is_refused(text: str) -> None:
    with pytest.raises(AutoMLError):
        loads(text)


@pytest.mark.parametrize("content", ['[{"op4": NaN}]', "not json", json.dumps([{**GOOD, "op13": "eval"}]), "[]"])
def test_a_warm_start_file_is_checked_before_a_study_exists(tmp_path: Path, content: str) -> None:
    file = tmp_path / "start.json"
    file.write_text(content)
    command = [sys.executable, "-m", "automl", "search", "norm-act", "--study", "s", "--warm-start", str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr and done.stderr.strip()
    assert not (tmp_path / ".automl" / "studies.db").exists()
