"""`automl schedule`: its files, its words, its refusals."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from automl.cli.app import app
from automl.cli.schedule import law_text, numbers_of, prediction_text, refinement_text
from automl.cli.schedule_files import read_schedules, write_refinement
from automl.errors import AutoMLError, InvalidSetting, UsageError

REPORT: dict[str, Any] = {
    "study": "demo",
    "trial": None,
    "leg": "mlp",
    "norm": "l1",
    "norm_reason": "AdamW normalises each coordinate by itself, as Adam does",
    "method": "closed-form",
    "smoothing": 0.1,
    "steps": 5,
    "multipliers": [0.5, 1.0, 0.75, 0.1 + 0.2, 0.0],
    "genotype": {"v": [1, 2]},
    "description": "straight lines",
    "deviation": 0.01,
    "reproduced": True,
    "space": "lr-schedule",
}
INTERFACE = """\
refine STUDY --trial --leg --norm --numeric --smoothing --output --storage --json
fit STUDY --trials --law --leg --storage --json
predict STUDY --schedule --storage --json
"""


def automl(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_commands_and_options_are_frozen() -> None:
    from typer.main import get_command

    root: Any = get_command(app)
    group = root.commands["schedule"]
    shown = "".join(
        " ".join([name, *(p.opts[0] if p.opts[0].startswith("-") else p.name.upper() for p in command.params)]) + "\n"
        for name, command in group.commands.items()
    )
    assert shown == INTERFACE


@pytest.mark.parametrize("command", ["refine", "fit", "predict"])
def test_every_command_explains_itself_and_refuses_an_unknown_study(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Usage:" in automl("schedule", command, "--help").stdout
    result = automl("schedule", command, "nowhere")
    assert result.exit_code == 2 and "No study 'nowhere'" in result.stderr


def test_a_folder_with_content_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    result = automl("schedule", "refine", "demo", "--output", "there")
    assert result.exit_code == 2 and "exists and is not empty" in re.sub(r"\s+", " ", result.stderr)


def test_a_refinement_is_written_and_comes_back_equal(tmp_path: Path) -> None:
    write_refinement(tmp_path / "new", REPORT, picture=b"png")
    assert (tmp_path / "new" / "schedule.png").read_bytes() == b"png"
    assert (tmp_path / "new" / "schedule.csv").read_text().startswith("step,multiplier\n0,0.5\n1,1.0\n")
    assert read_schedules(tmp_path / "new" / "schedule.csv") == {"schedule.csv": REPORT["multipliers"]}
    assert read_schedules(tmp_path / "new" / "schedule.json") == {"schedule.json": REPORT["genotype"]}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_any_schedule_comes_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    folder = tmp_path_factory.mktemp("schedule")
    write_refinement(folder, {**REPORT, "multipliers": values}, picture=b"")
    assert read_schedules(folder / "schedule.csv") == {"schedule.csv": values}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "0,1.0\n", "no header step,multiplier"),
        ("a.csv", "step,multiplier\n0,1\n2,0.5\n", "step=2 is not allowed: 1; every step from 0 on"),
        ("a.csv", "step,multiplier\n1,1\n", "step=1 is not allowed: 0"),
        ("a.csv", "step,multiplier\n0,high\n", "line 2"),
        ("a.csv", "step,multiplier\n0,1,2\n", "line 2"),
        ("a.json", "[1, NaN]", "NaN is not a JSON number"),
        ("a.json", "{", "Not JSON"),
        ("a.json", "[]", "holds no genotypes"),
        ("a.json", "3", "holds no genotypes"),
    ],
)
def test_a_file_that_is_no_schedule_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(AutoMLError, match=re.escape(message)):
        read_schedules(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("none.json", "none.csv"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_schedules(tmp_path / name)


def test_a_list_of_numbers_is_a_curve_and_a_list_of_genotypes_is_several(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 0.5, 0]")
    (tmp_path / "b.json").write_text('[{"p": 1}, {"p": 2}]')
    assert read_schedules(tmp_path / "a.json") == {"a.json": [1, 0.5, 0]}
    assert read_schedules(tmp_path / "b.json") == {"b.json#0": {"p": 1}, "b.json#1": {"p": 2}}


def test_numbers_stand_between_commas() -> None:
    assert numbers_of("0, 12") == [0, 12]
    for text in ("", "0,", "-1", "a"):
        with pytest.raises(InvalidSetting, match="e.g. 0,1"):
            numbers_of(text)


def test_a_refinement_says_what_was_read_and_how_to_search_from_it() -> None:
    text = refinement_text(REPORT, task="text", output=None)
    assert "the baseline of demo, leg mlp, 5 steps" in text and "came out as recorded" in text
    assert "at quarters    0.500, 1.000, 0.750, 0.300, 0.000" in text and "at step 1" in text
    assert json.dumps(REPORT["genotype"]) in text
    written = refinement_text(REPORT, task="text", output=Path("out"))
    assert written.splitlines()[-1] == "  automl search lr-schedule --task text --warm-start out/schedule.json"


NOTE: dict[str, Any] = {
    "law": "annealing",
    "leg": "mlp",
    "constants": {"floor": 1.5, "scale": 0.3},
    "experience": {"peak": 0.03, "steps": 200},
    "curves": [{"trial": 0, "actual": 2.0, "fitted": 2.01, "left_out": 2.1}],
    "in_sample": 0.004,
    "out_of_sample": 0.05,
    "half_width": 0.0487901641694,
    "level": 2 / 3,
    "agreement": {"text": "Rank correlation: high."},
    "health": {"proposals": 5, "spearman": 0.9, "error": 0.01},
    "left_out_trials": {"3": "it reacts"},
}


def test_a_law_says_how_far_it_can_be_trusted() -> None:
    lines = law_text(NOTE).splitlines()
    assert lines[0] == "Law annealing of leg mlp: peak 0.03, 200 steps"
    assert "Mean relative error: 0.40% of the points fitted, 5.00% of last losses left out of the fit." in lines
    assert "Predictions are given to within 5.00%, which holds about 67% of new curves." in lines
    assert "Searcher annealing-law: rank correlation +0.90, mean error 1.00%, over 5 proposals." in lines
    assert lines[-1] == "Trial 3 was left out: it reacts."
    unknown = law_text({**NOTE, "half_width": None, "out_of_sample": None, "health": {"proposals": 0}})
    assert "No interval is known" in unknown and "not known of last losses" in unknown


def test_predictions_stand_in_a_table_with_their_intervals_and_refusals() -> None:
    report = {
        "law": "annealing",
        "trials": [0, 1],
        "level": 0.95,
        "text": "Known.",
        "schedules": [
            {"rank": 1, "schedule": "linear", "loss": 2.0, "low": 1.9, "high": 2.1, "refused": ""},
            {"rank": None, "schedule": "sgdr", "loss": None, "low": None, "high": None, "refused": "rises again"},
        ],
    }
    assert prediction_text(report).splitlines() == [
        "Last validation loss by the annealing law fitted to trials [0, 1], intervals at 95%",
        "rank  schedule  loss  interval          refused",
        "   1  linear       2  1.9000 to 2.1000",
        "   -  sgdr         -                    rises again",
        "Known.",
    ]
