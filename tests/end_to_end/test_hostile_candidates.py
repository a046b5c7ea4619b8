"""Candidates that do their worst, in construction and in training: each costs its own trial, and the reason is told."""

import re
import textwrap
from pathlib import Path

import pytest

import automl
from automl.errors import UsageError

SOURCE = '''
import ctypes, itertools, os, sys
import torch
from automl import SuggestedSpace

DEEDS = ["behave", "nan", "raise", "allocate", "loop", "exit", "segfault", "interrupt", "quit", "flood", "meddle"]

class Silent(Exception):
    def __str__(self):
        raise RuntimeError("not even my name")

def do(deed):
    if deed == "raise":
        raise Silent
    if deed == "interrupt":
        raise KeyboardInterrupt
    if deed == "quit":
        sys.exit("a candidate says good-bye")
    if deed == "allocate":
        hoard = []
        while True:
            hoard.append(torch.ones(1 << 22))
    if deed == "loop":
        for _ in itertools.count():
            pass
    if deed == "exit":
        os._exit(7)
    if deed == "segfault":
        ctypes.string_at(0)
    if deed == "meddle":
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.manual_seed(1)
        raise ValueError("torch is not what it was")
    if deed == "flood":
        for _ in range(100):
            os.write(1, b"x" * 1_000_000)
        raise ValueError("after the flood")

class Layer(torch.nn.Module):
    def __init__(self, channels, deed, when):
        super().__init__()
        self.deed, self.when, self.calls = deed, when, 0
        self.scale = torch.nn.Parameter(torch.ones(1, channels, 1, 1))
        if when == "build":
            do(deed)

    def forward(self, x):
        self.calls += self.training
        late = self.when == "train" and self.calls > 9   # a probe trains four steps only
        if late:
            do(self.deed)
        if self.deed == "nan" and (late or self.when == "build"):
            x = x * float("nan")
        return torch.relu(x * self.scale)

class Hostile(SuggestedSpace):
    name, slots = "hostile", frozenset({"norm_act"})

    def suggest(self, trial):
        trial.suggest_categorical("deed", DEEDS)
        trial.suggest_categorical("when", ["build", "train"])

    def apply(self, genotype, recipe):
        deed, when = genotype["deed"], genotype["when"]
        return recipe.replace(norm_act=lambda channels, role: Layer(channels, deed, when))
'''

LIMIT_SECONDS = 10
MEMORY = "allocate memory|MemoryError|resident_bytes"
EXPECTED: dict[tuple[str, str], tuple[str, str, str]] = {
    ("behave", "build"): ("completed", "", ""),
    ("nan", "build"): ("rejected", "validity", "not finite"),
    ("nan", "train"): ("failed", "diverged", "step"),
    ("raise", "build"): ("failed", "crashed", "Silent"),
    ("raise", "train"): ("failed", "crashed", "Silent"),
    ("allocate", "build"): ("failed", "out-of-memory", MEMORY),
    ("allocate", "train"): ("failed", "out-of-memory", MEMORY),
    ("loop", "build"): ("failed", "timed-out", f"'limit_seconds': {LIMIT_SECONDS}"),
    ("loop", "train"): ("failed", "timed-out", "in do"),
    ("exit", "build"): ("failed", "crashed", "exit status 7"),
    ("exit", "train"): ("failed", "crashed", "exit status 7"),
    ("segfault", "build"): ("failed", "crashed", "SIGSEGV"),
    ("segfault", "train"): ("failed", "crashed", "string_at"),
    ("interrupt", "train"): ("failed", "crashed", "KeyboardInterrupt"),
    ("quit", "train"): ("failed", "crashed", "a candidate says good-bye"),
    ("flood", "train"): ("failed", "crashed", "after the flood"),
    ("meddle", "build"): ("failed", "crashed", "torch is not what it was"),
    ("meddle", "train"): ("failed", "crashed", "torch is not what it was"),
    ("behave", "train"): ("completed", "", ""),
}
"""(deed, when) -> (outcome, reason, a pattern of what `show` must say); the harmless ones stand at both ends."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> automl.Study:
    """Returns the study in which every deed is proposed once, run by two workers."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "hostile.py").write_text(SOURCE)
    return automl.search(
        f"{folder / 'hostile.py'}:Hostile",
        searcher="random",
        trials=len(EXPECTED),
        workers=2,
        depth=4,
        study="hostile",
        storage=f"sqlite:///{folder / 'studies.db'}",
        track="none",
        warm_start=[{"deed": deed, "when": when} for deed, when in EXPECTED],
        settings={
            "task.steps": 30,
            "task.width": 4,
            "filter.stability.enabled": False,
            "filter.exportability.enabled": False,
            "executor.limit_seconds": LIMIT_SECONDS,
            "executor.memory_gib": 1.5,
        },
    )


@pytest.mark.slow
def test_nothing_hangs_and_every_trial_is_closed(study: automl.Study) -> None:
    status = study.status()
    assert (status["trials"], status["open"]) == (len(EXPECTED), 0)
    assert status["completed"] == 2 and status["rejected_by"] == {"validity": 1}
    assert status["failures"] == {"diverged": 1, "crashed": 11, "out-of-memory": 2, "timed-out": 2}


@pytest.mark.slow
@pytest.mark.parametrize(("deed", "when"), EXPECTED)
def test_a_hostile_candidate_costs_its_own_trial_and_the_reason_is_told(
    study: automl.Study, deed: str, when: str
) -> None:
    outcome, reason, said = EXPECTED[deed, when]
    shown = study.show(list(EXPECTED).index((deed, when)))
    assert shown["genotype"] == {"deed": deed, "when": when}
    assert (shown["outcome"], shown["reason"]) == (outcome, reason)
    told = str(shown["evidence"]) + str(shown["ledger"])
    assert re.search(said, told), told
    assert len(told) < 20_000, "a flood of output must not end in the history"


@pytest.mark.slow
def test_a_harmless_trial_comes_out_the_same_before_and_after_all_the_others(study: automl.Study) -> None:
    first, last = study.log.closed[0], study.log.closed[-1]
    assert first.curves == last.curves and first.values == last.values
    assert {row["genotype"]["deed"] for row in study.top()} == {"behave"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ZeroDivisionError('at import')", "Importing .* failed .*ZeroDivisionError: at import"),
        ("import sys; sys.exit(3)", "Importing .* failed .*SystemExit: 3"),
        ("def Hostile(): return 3", "int is no search space: it lacks"),
        ("class Hostile: pass", "Hostile is no search space: it lacks"),
        ("class Hostile:\n    def __init__(self): raise OSError('gone')", "Hostile cannot be built: OSError: gone"),
        ("Hostle = 3", "Did you mean 'Hostle'"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_one_sentence(tmp_path: Path, body: str, message: str) -> None:
    (tmp_path / "broken.py").write_text(textwrap.dedent(body))
    with pytest.raises(UsageError, match=message):
        automl.search(f"{tmp_path / 'broken.py'}:Hostile", storage=f"sqlite:///{tmp_path / 's.db'}", track="none")
    assert not (tmp_path / "s.db").exists()
