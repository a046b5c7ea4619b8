"""The candidate's self-test in a clean interpreter (2 s each: importing torch)."""

import pytest

from automl.errors import ExportError
from automl.export import torch_source
from automl.export.torch_source import write_candidate

PASSES = """import torch
if __name__ == "__main__":
    assert torch.ones(2).sum() == 2
    print("self-test passed")
"""


def test_a_source_that_tests_itself_is_written(tmp_path):
    evidence = write_candidate(PASSES, tmp_path / "candidate.py")
    assert (tmp_path / "candidate.py").read_text() == PASSES
    assert (evidence.imports, evidence.self_test, evidence.output) == (("torch",), True, "self-test passed")


def test_a_failing_self_test_is_an_error_and_nothing_is_written(tmp_path):
    with pytest.raises(ExportError, match=r"self-test failed \(exit 1\): ValueError: 12345"):
        write_candidate("raise ValueError(12345)\n", tmp_path / "candidate.py")
    assert list(tmp_path.iterdir()) == []


def test_the_interpreter_itself_refuses_this_package(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_source, "check_source", lambda text: ())
    with pytest.raises(ExportError, match="must not import automl"):
        write_candidate("import automl\n", tmp_path / "candidate.py")


def test_a_source_that_hangs_is_ended(tmp_path):
    with pytest.raises(ExportError, match="still running"):
        write_candidate("while True:\n    pass\n", tmp_path / "candidate.py", limit_seconds=0.2)
