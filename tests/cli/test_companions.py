"""What `automl rerank --random N --designs NAMES` prints."""

from typing import Any

import pytest
from typer.testing import CliRunner

from automl import run
from automl.cli.app import app
from automl.cli.finalists import rerank_text

GAIN = {"mean": 0.02, "low": -0.01, "high": 0.05}
REPORT: dict[str, Any] = {
    "finalists": [{"trial": 4, "gate": {"accuracy": GAIN}}, {"trial": 2, "gate": {"accuracy": GAIN}}],
    "text": "Trial 4 is a tie.",
}
BESIDE = {
    "finalists": [{"trial": 4, "random": {"accuracy": {"mean": 0.1, "low": 0.05, "high": 0.2}}}],
    "text": "Trial 4 against the mean of 8 random candidates.\nTrial 4 against the design x.",
}


def test_without_companions_the_table_is_what_it_was() -> None:
    assert rerank_text(REPORT).splitlines() == [
        "Gain over the baseline on the gate split, with 95 % intervals:",
        "trial  accuracy",
        "    4  +0.0200 (-0.0100 to +0.0500)",
        "    2  +0.0200 (-0.0100 to +0.0500)",
        "Trial 4 is a tie.",
    ]


def test_companions_add_a_column_and_their_sentences() -> None:
    lines = rerank_text({**REPORT, "companions": BESIDE}).splitlines()
    assert lines[1].split() == ["trial", "accuracy", "accuracy", "over", "random"]
    assert lines[2].endswith("+0.1000 (+0.0500 to +0.2000)") and lines[3].endswith("-")
    assert lines[4:] == ["Trial 4 is a tie.", *BESIDE["text"].splitlines()]  # type: ignore[attr-defined]


def test_the_options_reach_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    class Fake:
        def rerank(self, **given: Any) -> dict[str, Any]:
            seen.append(given)
            return REPORT

    monkeypatch.setattr(run, "load_study", lambda name, **place: Fake())
    for more in ([], ["--random", "8", "--designs", "half, square"]):
        assert CliRunner().invoke(app, ["rerank", "demo", *more]).exit_code == 0
    plain = {"top": 5, "seeds": 5, "steps": None, "task": None}
    assert seen == [
        {**plain, "random": 0, "designs": []},
        {**plain, "random": 8, "designs": ["half", "square"]},
    ]
