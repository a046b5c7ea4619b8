"""`automl explain`, `automl simplify` and `automl rerank --funnel` as a user types and reads them."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from automl.canonical import JSON, dumps
from automl.cli.app import app
from automl.cli.stages import stages_of
from automl.cli.winners import explanation_text, funnel_text, simplification_text, write_genotype
from automl.config.sources import read_genotypes
from automl.errors import InvalidSetting, UsageError

PARTS = """
import automl


class Parts(automl.SuggestedSpace):
    name, slots = "parts", frozenset({"learning_rate"})

    def suggest(self, trial):
        trial.suggest_categorical("rate", ["there", "gone"])
        trial.suggest_categorical("idle", ["there", "gone"])

    def apply(self, genotype, recipe):
        factor = 1.0 if genotype["rate"] == "there" else 1e-6
        return recipe.replace(learning_rate=recipe.learning_rate * factor)

    def listing(self, genotype):
        return tuple((part, f"the part {part}") for part in ("rate", "idle") if genotype[part] == "there")

    def reductions(self, genotype):
        return tuple({**genotype, part: "gone"} for part, _ in self.listing(genotype))
"""


def automl(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("text:x1,text:x10", ["text:x1", "text:x10"]),
        (" digits , a/b.py:Task ", ["digits", "a/b.py:Task"]),
        ('text?{"scale":2,"steps":200},text:x10', ['text?{"scale":2,"steps":200}', "text:x10"]),
        ('t?{"a":{"b":1,"c":"}, \\","}},u', ['t?{"a":{"b":1,"c":"}, \\","}}', "u"]),
    ],
)
def test_stages_stand_between_commas_that_are_in_no_settings(text: str, stages: list[str]) -> None:
    assert stages_of(text) == stages


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans(), min_size=1), min_size=1))
def test_any_locator_with_settings_comes_back_whole(settings: list[dict[str, JSON]]) -> None:
    stages = [f"task?{dumps(one)}" for one in settings]
    assert stages_of(",".join(stages)) == stages


@pytest.mark.parametrize("text", ["", ",", "text:x1,", "text:x1,,text:x10"])
def test_an_empty_stage_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="none of them empty"):
        stages_of(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rerank", "demo", "--funnel", "digits", "--task", "digits"], "Leave out --task and --steps"),
        (["rerank", "demo", "--funnel", "digits", "--steps", "3"], "Leave out --task and --steps"),
        (["rerank", "demo", "--funnel", "a,,b"], "none of them empty"),
        (["rerank", "demo", "--curve-trials", "4"], "Give --funnel too"),
        (["rerank", "demo", "--funnel", "digits", "--random", "8"], "Leave them out, or --funnel"),
        (["rerank", "demo", "--funnel", "digits", "--designs", "x"], "Leave them out, or --funnel"),
        (["simplify", "demo", "--output", "there.json"], "exists already"),
        (["simplify", "demo"], "No study 'demo'"),
        (["explain", "demo", "0"], "No study 'demo'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.json").touch()
    result = automl(*arguments)
    assert result.exit_code == 2 and message in re.sub(r"\s+", " ", result.stderr)


def test_an_explanation_reads_part_by_part_and_step_by_step() -> None:
    found = {
        "trial": 4,
        "outcome": "completed",
        "values": {"accuracy": 0.98},
        "description": "w - sign(g)",
        "listing": [["x0 = sign(g)", "the direction"], ["update = mul(x0, 0.5)", ""]],
        "ancestors": [
            {"trial": 0, "operator": "seed", "parents": [], "outcome": "completed", "values": {"accuracy": 0.5},
             "changes": []},
            {"trial": 4, "operator": "crossover", "parents": [0, 2], "outcome": "completed",
             "values": {"accuracy": 0.98}, "changes": ["- x0 = g", "+ x0 = sign(g)"]},
        ],
    }  # fmt: skip
    assert explanation_text(found).splitlines() == [
        "Trial 4 (completed, accuracy 0.98)",
        "w - sign(g)",
        "",
        "  x0 = sign(g)           the direction",
        "  update = mul(x0, 0.5)",
        "",
        "How it came about, oldest first:",
        "trial 0  seed  completed, accuracy 0.5",
        "trial 4  crossover with 2  completed, accuracy 0.98",
        "    - x0 = g",
        "    + x0 = sign(g)",
    ]


def test_a_simplification_reads_round_by_round() -> None:
    difference = {"accuracy": {"mean": 0.001, "low": -0.002, "high": 0.004}}
    report = {
        "trial": 4,
        "task": "digits",
        "seeds": 5,
        "trainings": 35,
        "rounds": [
            {"tried": [{"changes": ["- b"], "from_start": difference}, {"changes": ["- a"]}], "taken": 0},
            {"tried": [{"changes": ["- a"]}], "taken": None},
        ],
        "text": "2 parts became 1.",
        "description": "a",
    }
    assert simplification_text(report, [("a", "all of it")]).splitlines() == [
        "Trial 4 on digits, 5 seeds, 35 trainings",
        "1. best of 2: accuracy +0.0010 (-0.0020 to +0.0040) against the start",
        "    - b",
        "2. none of 1 parts can go",
        "2 parts became 1.",
        "",
        "a",
        "  a  all of it",
    ]


def test_a_funnel_reads_stage_by_stage_and_ends_with_the_way_of_the_search() -> None:
    gate = {"loss": {"mean": 0.1, "low": 0.05, "high": 0.15}}
    report = {
        "stages": [
            {"stage": "text:x1", "survivors": [3], "report": {"finalists": [{"trial": 3, "gate": gate}]}},
            {"stage": "text:x10", "survivors": [], "report": {"finalists": []}},
        ],
        "text": "Nobody.",
        "meta_validation": {
            "task": "text",
            "seeds": 5,
            "curve": [{"trial": 0, "search": 2.5, "mean": 2.0, "sd": 0.01}],
            "baseline": {"mean": 2.1, "sd": 0.02},
            "spearman": -0.5,
            "text": "No meta-overfitting.",
        },
    }
    assert funnel_text(report).splitlines() == [
        "text:x1: gain over the baseline on the gate split, with 95 % intervals",
        "trial  goes on  loss",
        "    3  yes      +0.1000 (+0.0500 to +0.1500)",
        "",
        "text:x10: gain over the baseline on the gate split, with 95 % intervals",
        "none could be trained",
        "",
        "Nobody.",
        "",
        "Best so far in the search, trained on text with 5 fresh seeds:",
        "trial     search  mean    sd",
        "0            2.5     2  0.01",
        "baseline       -   2.1  0.02",
        "Rank correlation of the two: -0.50",
        "No meta-overfitting.",
    ]


def test_a_written_genotype_is_what_warm_start_reads(tmp_path: Path) -> None:
    genotype = {"program": [["v1", "interp", "g", "v1", 0.9]]}
    write_genotype(tmp_path / "one.json", genotype)
    assert read_genotypes(tmp_path / "one.json") == [genotype]
    with pytest.raises(UsageError, match="kept with the study"):
        write_genotype(tmp_path / "nowhere" / "one.json", genotype)


@pytest.mark.slow
def test_a_simplified_winner_goes_by_file_into_a_study_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("parts.py").write_text(PARTS)
    Path("whole.json").write_text('{"rate": "there", "idle": "there"}')
    settings = [*("--set", "task.steps=40"), *("--set", "task.width=4"), *("--set", "filter.quality.enabled=false")]
    shared = ["--task", "digits", "--trials", "1", "--track", "none", *settings]
    first = automl("search", "parts.py:Parts", *shared, "--study", "demo", "--warm-start", "whole.json")
    assert first.exit_code == 0, first.output
    explained = automl("explain", "demo", "0")
    assert "  rate  the part rate" in explained.stdout and "trial 0  given  completed" in explained.stdout
    simplified = automl("simplify", "demo", "--seeds", "2", "--output", "less.json")
    assert simplified.exit_code == 0 and "2 parts became 1." in simplified.stdout
    assert json.loads(Path("less.json").read_text()) == {"rate": "there", "idle": "gone"}
    command = next(line for line in simplified.stdout.splitlines() if line.startswith("  automl search"))
    assert "--warm-start less.json --trials 1 --study demo-simplified" in command
    again = automl("search", "parts.py:Parts", *shared, "--study", "demo-simplified", "--warm-start", "less.json")
    assert again.exit_code == 0 and "1 trials: 1 completed" in again.stdout
    funnel = automl("rerank", "demo", "--funnel", 'digits?{"steps":10,"width":4}', "--seeds", "2", "--json")
    assert funnel.exit_code == 0 and json.loads(funnel.stdout)["stages"][0]["entered"] == [0]
