"""Tables for people, JSON for programs."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.cli.look import status_text, trial_text
from automl.cli.printing import CELL, cell, emit, fields, plain, table

numbers = st.floats() | st.integers() | st.none() | st.booleans()
answers = st.recursive(numbers | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=10)


def test_a_table_aligns_numbers_right_and_text_left() -> None:
    rows = [{"trial": 3, "values": {"accuracy": 0.98765}, "reason": "", "x": "a"}, {"trial": 12, "x": "bcd"}]
    assert table(rows, ["trial", "x", "reason", "values"]).splitlines() == [
        "trial  x    values",
        "    3  a    accuracy 0.9877",
        "   12  bcd  -",
    ]


def test_fields_leave_out_what_is_absent() -> None:
    assert fields({"steps_trained": 1200, "best": None, "rejected_by": {}, "workers": 2}).splitlines() == [
        "steps trained  1200",
        "workers        2",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (3, "3"),
        (0.123456, "0.1235"),
        (2_500_000.0, "2,500,000"),
        ({"quality": 3, "cost": 0}, "quality 3, cost 0"),
        ([1, 2.5], "1, 2.5"),
        ({}, "-"),
        ("x" * 100, "x" * (CELL - 3) + "..."),
    ],
)
def test_a_cell_is_short(value: object, shown: str) -> None:
    assert cell(value) == shown


@given(answers)
def test_any_answer_prints_as_json_and_as_a_cell(value: object) -> None:
    assert plain(json.loads(json.dumps(plain(value), allow_nan=False))) == plain(value)
    assert len(cell(value)) <= CELL


def test_numbers_that_are_not_finite_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": math.nan, "b": (1.5, -math.inf), "path": Path("x/y")}, as_json=True, text="")
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, None], "path": "x/y"}


def test_status_says_what_became_of_the_trials_and_where_the_steps_went() -> None:
    found = {
        "trials": 64,
        "completed": 20,
        "rejected": 40,
        "duplicate": 4,
        "failed": 0,
        "rejected_by": {"validity": 30, "quality": 10},
        "steps_trained": 9000,
        "idle_share": 0.3,
        "trained": 40,
        "depth": 8,
    }
    assert status_text(found).splitlines() == [
        "64 trials: 20 completed, 40 rejected, 4 duplicate",
        "trained        40",
        "rejected by    validity 30, quality 10",
        "steps trained  9000",
        "idle share     0.3",
        "Workers were idle 30% of the time: a new study would gain from a larger --depth.",
    ]
    assert "larger --depth" not in status_text({**found, "trained": 9}), "a short study idles while workers start"


def test_status_shows_what_each_proxy_is_worth() -> None:
    worth = {"trials": 24, "correlation": 0.41, "low": 0.1, "high": 0.66, "state": "in use"}
    unknown = {"trials": 24, "correlation": None, "low": None, "high": None, "state": "unreliable"}
    assert status_text({"trials": 30, "proxies": {"synflow": worth, "flops": unknown}}).splitlines() == [
        "30 trials",
        "",
        "proxy    correlation  low  high  trials  state",
        "synflow         0.41  0.1  0.66      24  in use",
        "flops              -    -     -      24  unreliable",
    ]
    assert status_text({"trials": 30, "proxies": None}) == "30 trials"


def test_a_trial_shows_its_fields_its_verdicts_and_its_curves() -> None:
    found = {
        "trial": 3,
        "outcome": "rejected",
        "values": {"accuracy": None},
        "ledger": [{"filter": "validity", "keep": True}, {"filter": "quality", "keep": False, "reason": "no better"}],
        "curves": {"resnet": {"steps": [10, 20], "metrics": {"loss": [2.5, None], "accuracy": [0.1, 0.25]}}},
    }
    assert trial_text(found).splitlines() == [
        "trial    3",
        "outcome  rejected",
        "values   accuracy -",
        "",
        "filter    keep  reason",
        "validity  yes   -",
        "quality   no    no better",
        "",
        "resnet",
        "step  loss  accuracy",
        "  10   2.5       0.1",
        "  20     -      0.25",
    ]


def test_status_of_a_study_that_has_just_begun() -> None:
    assert status_text({"trials": 0, "completed": 0, "best": None}) == "0 trials"


def test_a_trial_lists_what_it_derived_where_it_changed() -> None:
    cells = ["s3,0", "s3,0", "sk,0", "s3,0"]
    derived = [{"leg": "a", "step": step, "genotype": {}, "description": cell} for step, cell in enumerate(cells)]
    assert trial_text({"trial": 0, "derived": derived}).splitlines()[2:] == [
        "derived, where it changed",
        "leg  step  description",
        "a       0  s3,0",
        "a       2  sk,0",
        "a       3  s3,0",
    ]
