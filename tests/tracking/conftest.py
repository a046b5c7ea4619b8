"""Hand-made studies: records as the history would give them."""

from types import SimpleNamespace

import pytest

from automl.contracts.history import Opened, StudyLog
from automl.contracts.trial import Closed, Curve, Objective, Verdict
from automl.tracking.run_record import Portrayal

ACCURACY = Objective(name="accuracy", direction="maximize", metric="accuracy", chance=0.1)
START_MS = 1_700_000_000_000


def completed(number: int, value: float, *, points: int = 3) -> tuple[Opened, Closed]:
    steps = tuple(range(10, 10 * points + 10, 10))
    metrics = {"accuracy": tuple(value - 0.01 * (points - 1 - i) for i in range(points)), "loss": (1.0,) * points}
    opened = Opened(
        number=number,
        genotype={"op": "mul", "a": number},
        fingerprint=f"f{number}",
        memo={"parents": [0]} if number else {},
        verdicts=(Verdict(filter="validity", keep=True),),
        measurements={"mlp": {"parameters": 100, "flops": 2_000, "finite": True}},
        opened_at_ms=START_MS + 1_000 * number,
    )
    closed = Closed(
        number=number,
        outcome="completed",
        reason="",
        values=(value,),
        curves={"mlp": Curve(steps=steps, metrics=metrics)},
        ledger=opened.verdicts,
        steps=steps[-1],
        seconds=0.5,
        closed_at_ms=START_MS + 1_000 * number + 500,
    )
    return opened, closed


def screened(number: int) -> tuple[Opened, Closed]:
    verdict = Verdict(filter="validity", keep=False, reason="constant output", measured=0.0, threshold=1e-6)
    opened = Opened(
        number=number,
        genotype={"op": "zero"},
        fingerprint="z",
        verdicts=(verdict,),
        opened_at_ms=START_MS + 1_000 * number,
    )
    closed = Closed(
        number=number,
        outcome="rejected",
        reason="validity",
        values=(None,),
        ledger=(verdict,),
        closed_at_ms=START_MS + 1_000 * number + 1,
    )
    return opened, closed


def diverged(number: int) -> tuple[Opened, Closed]:
    opened = Opened(
        number=number, genotype={"op": "exp"}, fingerprint="e", opened_at_ms=START_MS + 1_000 * number
    )
    closed = Closed(
        number=number,
        outcome="failed",
        reason="diverged",
        values=(None,),
        curves={"mlp": Curve(steps=(10,), metrics={"loss": (None,)})},
        steps=10,
        seconds=0.1,
        evidence={"step": 7},
        closed_at_ms=START_MS + 1_000 * number + 100,
    )
    return opened, closed


def study(*trials: tuple[Opened, Closed], name: str = "toy study") -> StudyLog:
    return StudyLog(
        name=name,
        header={"space": "toy", "task": "digits", "searcher": "evolution", "seed": 0, "version": 1, "uuid": name},
        opened=tuple(opened for opened, _ in trials),
        rungs={},
        closed=tuple(closed for _, closed in trials),
        notes={"baseline": {"values": [0.8], "steps": 30}},
    )


def draw(genotype: object, axes: object) -> None:
    axes.text(0.1, 0.5, str(genotype))  # type: ignore[attr-defined]


PORTRAYAL = Portrayal(
    describe=lambda genotype: f"x * {genotype}",
    draw=draw,
    source=lambda genotype: "import torch\n",
)


@pytest.fixture
def mixed_study() -> StudyLog:
    """Completed, rejected by a screen, diverged, completed and better."""
    return study(completed(0, 0.7), screened(1), diverged(2), completed(3, 0.9))


@pytest.fixture
def made() -> SimpleNamespace:
    """The builders and what they share."""
    return SimpleNamespace(
        completed=completed, screened=screened, diverged=diverged, study=study, portrayal=PORTRAYAL, accuracy=ACCURACY
    )
