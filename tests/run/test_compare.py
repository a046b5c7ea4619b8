"""A whole comparison on a tiny task: real training, real files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import stripes_task

from automl.assemble import runner_of
from automl.errors import InvalidSetting, UsageError
from automl.execution.in_process import InProcess
from automl.run import compare as comparing
from automl.run.compare import compare

pytestmark = pytest.mark.slow

STRIPES = f"{Path(stripes_task.__file__)}:Stripes"
SMALL: Mapping[str, Any] = {"studies": 2, "target_trials": 2, "learning_rates": (0.3, 1.0), "steps": 12}


@pytest.fixture
def _in_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def executor_of(header: object, objects: Mapping[str, object], **options: object) -> InProcess:
        return InProcess(runner_of(objects, tmp_path / "snapshots").run)

    monkeypatch.setattr(comparing, "executor_of", executor_of)


@pytest.mark.usefixtures("_in_process")
def test_schedule_free_against_the_tasks_own_recipe(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    report = compare([STRIPES], schedules=["baseline", "schedule-free"], variants=("batch",), output=folder, **SMALL)
    names = [one["workload"] for one in report["workloads"]]
    assert names == [STRIPES, f"{STRIPES} batch"] and list(report["times"]) == ["baseline", "schedule-free"]
    assert all(one["failures"] == [] for found in report["times"].values() for one in found.values())
    assert report["workloads"][0]["budget"] == 16 and 0 < report["workloads"][0]["target"] <= 1
    assert json.loads((folder / "report.json").read_text()) == report
    assert (folder / "profile.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == ["profile.png", "report.json"]


@pytest.mark.usefixtures("_in_process")
def test_the_same_request_gives_the_same_steps() -> None:
    reports = [compare([STRIPES], schedules=["baseline"], variants=(), **SMALL) for _ in range(2)]
    first, second = (
        [(one["by_study"], one["learning_rates"]) for one in report["times"]["baseline"].values()] for report in reports
    )
    assert first == second and reports[0]["scores"] == reports[1]["scores"]


def test_two_worker_processes_do_the_same_as_this_one(request: pytest.FixtureRequest) -> None:
    options = {**SMALL, "studies": 1, "target_trials": 1, "learning_rates": (1.0,), "variants": ()}
    apart = compare([stripes_task.Stripes()], schedules=["schedule-free"], workers=2, **options)
    request.getfixturevalue("_in_process")
    here = compare([stripes_task.Stripes()], schedules=["schedule-free"], **options)
    assert [one["workload"] for one in apart["workloads"]] == ["stripes"]
    assert apart["workloads"] == here["workloads"] and apart["scores"] == here["scores"]
    mine, theirs = (report["times"]["schedule-free"]["stripes"] for report in (apart, here))
    assert mine["failures"] == [] and mine["by_study"] == theirs["by_study"]


def test_a_folder_that_holds_something_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    with pytest.raises(UsageError, match="exists already"):
        compare(["digits"], schedules=["baseline"], output=tmp_path)
    with pytest.raises(UsageError, match="exists already"):
        compare(["digits"], schedules=["baseline"], output=tmp_path / "old")


def test_methods_that_a_task_cannot_take_are_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_rule(self: object) -> object:
        return object()

    monkeypatch.setattr(stripes_task.Stripes, "_rule", no_rule)
    with pytest.raises(InvalidSetting, match="published schedule-free form"):
        compare([stripes_task.Stripes()], schedules=["schedule-free"], variants=())


@pytest.mark.parametrize(("name", "value"), [("workers", 0), ("studies", 0), ("target_trials", 0), ("steps", 0)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(InvalidSetting, match=f"{name}=0"):
        compare(["digits"], schedules=["baseline"], **{name: value})
