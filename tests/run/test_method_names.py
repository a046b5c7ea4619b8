"""What a name stands for: designs of a zoo, files, trials, the task's own; and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl.errors import InvalidGenotype, InvalidSetting, UnknownName, UsageError
from automl.flows.workloads import Method
from automl.run import method_names
from automl.run.method_names import Axis, methods_of, part_of
from automl.testing.toy_space import ToySpace

TOY = "automl.testing.toy_space:ToySpace"
ZOO = ToySpace().zoo()
SCHEDULES = Axis(kind="schedule", slot="schedule", space=TOY)
OPTIMIZERS = Axis(kind="optimizer", slot="update_rule", space="optimizer-program")
AXES = (SCHEDULES, OPTIMIZERS)
STORAGE = "sqlite:///none.db"


def methods(schedules: list[str], optimizers: list[str]) -> list[Method]:
    return methods_of(schedules, optimizers, storage=STORAGE, axes=AXES)


def test_methods_are_the_product_of_schedules_and_optimizers() -> None:
    found = methods(["half", "baseline"], ["lion", "baseline"])
    assert [one.name for one in found] == ["half + lion", "half", "lion", "baseline"]
    assert [[locator for locator, _ in one.edits] for one in found] == [
        [TOY, "optimizer-program"],
        [TOY],
        ["optimizer-program"],
        [],
    ]
    assert found[0].edits[0][1] == ZOO["half"]


def test_a_list_without_names_is_the_tasks_own() -> None:
    assert [one.name for one in methods(["half", "ramp"], [])] == ["half", "ramp"]
    assert [one.name for one in methods([], ["lion"])] == ["lion"]


def test_no_names_at_all_are_refused() -> None:
    with pytest.raises(UsageError, match="No methods to compare"):
        methods([], [])


def test_schedule_free_brings_its_own_optimizer_and_is_compared_once() -> None:
    found = methods(["half", "schedule-free"], ["lion", "signum", "baseline"])
    assert [one.name for one in found] == ["half + lion", "half + signum", "half", "schedule-free"]
    assert found[-1].edits == ((method_names.SCHEDULE_FREE_SPACE, {"beta": 0.9, "warmup": 0.05}),)


@pytest.mark.parametrize("content", [dict(ZOO["ramp"]), {"trial": 3, "genotype": dict(ZOO["ramp"])}])
def test_a_file_holds_a_genotype_or_a_row_of_a_report(content: Mapping[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_text(json.dumps(content))
    part = part_of(SCHEDULES, str(file), storage=STORAGE)
    assert (part.name, part.edits) == ("found", ((TOY, ZOO["ramp"]),))


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "holds no genotype"), ("{", "Not JSON"), (None, "cannot be read")]
)
def test_a_file_that_is_none_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=message):
        part_of(SCHEDULES, str(file), storage=STORAGE)


def test_a_file_of_another_space_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"beta":0.9}')
    with pytest.raises(InvalidGenotype):
        part_of(SCHEDULES, str(tmp_path / "x.json"), storage=STORAGE)


def of_study(monkeypatch: pytest.MonkeyPatch, locator: str) -> None:
    log = SimpleNamespace(
        header={"space": {"locator": locator, "version": 1}},
        opened=tuple(SimpleNamespace(genotype=genotype) for genotype in ZOO.values()),
    )
    monkeypatch.setattr(method_names, "read_log", lambda storage, study: log)


def test_a_trial_of_a_study_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    of_study(monkeypatch, TOY)
    part = part_of(SCHEDULES, "found:1", storage=STORAGE)
    assert (part.name, part.edits) == ("found:1", ((TOY, list(ZOO.values())[1]),))


@pytest.mark.parametrize("name", ["found:3", "found:-1", "found:x", "found:"])
def test_a_trial_that_is_not_there_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of_study(monkeypatch, TOY)
    with pytest.raises(InvalidSetting, match="from 0 to 2"):
        part_of(SCHEDULES, name, storage=STORAGE)


def test_a_trial_of_the_wrong_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    of_study(monkeypatch, TOY)
    with pytest.raises(InvalidSetting, match="something that changes update_rule; toy changes schedule"):
        part_of(OPTIMIZERS, "found:1", storage=STORAGE)
    of_study(monkeypatch, "object:5f0c")
    with pytest.raises(UsageError, match="Save the genotype to a file"):
        part_of(SCHEDULES, "found:1", storage=STORAGE)


def test_an_unknown_name_says_what_is_known() -> None:
    with pytest.raises(UnknownName, match="Unknown schedule 'haff'. Did you mean 'half'?.*baseline.*schedule-free"):
        methods(["haff"], [])
    with pytest.raises(UnknownName, match="Unknown optimizer 'lyon'. Did you mean 'lion'?"):
        methods([], ["lyon"])
    with pytest.raises(InvalidSetting, match="none of them empty"):
        methods(["half", ""], [])


def test_two_methods_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text(json.dumps(dict(ZOO["ramp"])))
    with pytest.raises(UsageError, match="Two different methods are called 'half'"):
        methods(["half", str(tmp_path / "half.json")], [])
    assert len(methods(["half", "half"], [])) == 1


def test_parts_that_change_the_same_field_are_refused() -> None:
    axes = (SCHEDULES, Axis(kind="optimizer", slot="schedule", space=TOY))
    with pytest.raises(UsageError, match="'half' and 'ramp' both change schedule"):
        methods_of(["half"], ["ramp"], storage=STORAGE, axes=axes)
