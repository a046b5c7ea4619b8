"""`automl compare` as a user types and reads it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from automl.cli.app import app
from automl.cli.compare import comparison_text


def automl(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'TASK...'"),
        (["digits"], "No methods to compare. Give --schedules or --optimizers"),
        (["digit", "--optimizers", "lion"], "Unknown task 'digit'. Did you mean 'digits'?"),
        (["digits", "--optimizers", "lyon"], "Unknown optimizer 'lyon'. Did you mean 'lion'?"),
        (["digits", "--optimizers", "lion,"], "none of them empty"),
        (["digits", "--optimizers", "none.json"], "--optimizers none.json cannot be read"),
        (["digits", "--schedules", "demo:3"], "No study 'demo'"),
        (["digits", "--schedules", "baseline", "--learning-rates", "1,x"], "numbers between commas"),
        (["digits", "--schedules", "baseline", "--learning-rates", "1,-1"], "different numbers > 0"),
        (["digits", "--schedules", "baseline", "--studies", "0"], "greater than or equal to 1"),
        (["digits", "--schedules", "baseline", "--variants", "depth"], "Unknown variant 'depth'"),
        (["digits", "--schedules", "baseline", "--output", "there"], "--output there exists already"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").touch()
    result = automl("compare", *arguments)
    assert result.exit_code == 2 and message in re.sub(r"\s+", " ", result.stderr)
    assert result.stdout == ""


def test_a_comparison_reads_from_targets_to_scores() -> None:
    goal = {"objective": "loss", "direction": "minimize", "target": 2.25, "steps": 120, "budget": 160}
    goal["target_learning_rate"] = 1.0
    fast = {"steps": 104.0, "ratio": 1.0, "seconds": 0.82, "failures": []}
    slow = {"steps": 120.0, "ratio": 1.1538, "seconds": 0.95, "failures": ["learning rate x3: crashed: no luck"]}
    missed = {"steps": None, "ratio": None, "seconds": None, "failures": []}
    text = comparison_text(
        {
            "workloads": [
                {"workload": "text", "held_out_of": None, **goal},
                {"workload": "text width", "held_out_of": "text", **goal},
            ],
            "times": {
                "linear": {"text": slow, "text width": fast},
                "found": {"text": fast, "text width": missed},
            },
            "scores": {
                "linear": {"score": 0.9487, "low": None, "high": None, "speed_up": 1.0},
                "found": {"score": 1.0, "low": 0.95, "high": 1.0, "speed_up": 1.154},
            },
            "reference": "linear",
            "profile": {
                "factors": [1.0, 1.1, 1.5, 2.0, 3.0, 4.0],
                "shares": {"linear": [0.0, 0.0, 1.0, 1.0, 1.0, 1.0], "found": [1.0] * 6},
            },
            "missed_variants": {"linear": [], "found": ["text width"]},
            "text": "The sentence.",
            "left_out": ["text batch"],
        }
    )
    assert text.splitlines() == [
        "text: loss <= 2.25 within 160 steps (the baseline's in 120 steps at learning rate x1)",
        "",
        "Steps to the target (times the fastest); * missed a held-out variant",
        "method   text",
        "found *  104 (1.00), 0.82 s",
        "linear   120 (1.15), 0.95 s",
        "",
        "Held-out variants, which enter no score",
        "method   text width",
        "found *  missed",
        "linear   104 (1.00), 0.82 s",
        "",
        "Share of workloads within a factor of the fastest",
        "method  1  1.1  1.5  2  3  4   score  95 % interval  speed-up over linear",
        "found   1    1    1  1  1  1       1  0.95 to 1.00                  1.154",
        "linear  0    0    1  1  1  1  0.9487  -                                 1",
        "",
        "The sentence.",
        "linear on text: failed runs: 1; first: learning rate x3: crashed: no luck",
        "Variants that do not exist: text batch.",
    ]
