"""A candidate as one PyTorch file that needs nothing of ours, and the proof of it.

Why: "no dependency on the search" is a claim that rots; so the file is read (`candidate_check`), then its self-test
runs in a clean interpreter that cannot import this package. The rule: written only after it passed.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from automl.canonical import JSON
from automl.errors import ExportError
from automl.export.candidate_check import check_source, has_self_test

TIME_LIMIT_SECONDS = 120.0
FILE_NAME = "candidate.py"

_RUNNER = """\
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("automl", "search_spaces"):
            raise ImportError("a candidate must not import " + name)
sys.meta_path.insert(0, Refuse())
import runpy
import torch
torch.set_num_threads(1)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEvidence:
    """What was checked.

    Attributes:
        imports: modules that the file imports.
        self_test: whether it tests itself when run.
        output: tail of what the run printed.
        seconds: duration of the run, import of torch included.
    """

    imports: tuple[str, ...]
    self_test: bool
    output: str
    seconds: float

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {
            "imports": list(self.imports),
            "self_test": self.self_test,
            "output": self.output,
            "seconds": round(self.seconds, 3),
        }


def write_candidate(source_text: str, path: Path, *, limit_seconds: float = TIME_LIMIT_SECONDS) -> SourceEvidence:
    """Checks a candidate's source, runs it alone, and writes it.

    Args:
        source_text: of the whole file.
        path: where to write.
        limit_seconds: time limit of the run.

    Raises:
        ExportError: a forbidden construct, a failing self-test, or the time limit; nothing is written.
    """
    imports = check_source(source_text)
    started = time.monotonic()
    output = _run_alone(source_text, limit_seconds=limit_seconds)
    path.write_text(source_text, encoding="utf-8")
    return SourceEvidence(
        imports=imports,
        self_test=has_self_test(source_text),
        output=output[-2_000:],
        seconds=time.monotonic() - started,
    )


def _run_alone(source_text: str, *, limit_seconds: float) -> str:
    """Runs the file with `python -I` in an empty folder, without this process's environment."""
    with tempfile.TemporaryDirectory(prefix="automl-candidate-") as folder:
        Path(folder, FILE_NAME).write_text(source_text, encoding="utf-8")
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-W", "ignore", "-c", _RUNNER, FILE_NAME],
                cwd=folder,
                env={**kept, "HOME": folder, "TMPDIR": folder, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=limit_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"The candidate's self-test was still running after {limit_seconds:g} s.") from error
    if ended.returncode != 0:
        last_line = (ended.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise ExportError(f"The candidate's self-test failed (exit {ended.returncode}): {last_line[:1_000]}")
    return ended.stdout.strip()
