"""The funnel, the simplified winner and the explanation of a study, from Python."""

import json
from typing import Any

import pytest

import automl
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.run.second_look import explain, funnel, rerank, simplify

pytestmark = pytest.mark.slow


class Parts(automl.SuggestedSpace):
    """Without `rate` nothing is learnt; `idle` does nothing at all."""

    name, slots = "parts", frozenset({"learning_rate"})

    def suggest(self, trial: Any) -> None:
        trial.suggest_categorical("rate", ["there", "gone"])
        trial.suggest_categorical("idle", ["there", "gone"])

    def apply(self, genotype: Any, recipe: Any) -> Any:
        factor = 1.0 if genotype["rate"] == "there" else 1e-6
        return recipe.replace(learning_rate=recipe.learning_rate * factor)

    def listing(self, genotype: Any) -> tuple[tuple[str, str], ...]:
        return tuple((part, f"the part {part}") for part in ("rate", "idle") if genotype[part] == "there")

    def reductions(self, genotype: Any) -> tuple[Any, ...]:
        return tuple({**genotype, part: "gone"} for part, _ in self.listing(genotype))


WHOLE = {"rate": "there", "idle": "there"}
SMALLER = 'digits?{"steps":10,"width":4}'


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> automl.Study:
    """Returns three trials, the first one given, of a space that workers are sent by value."""
    folder = tmp_path_factory.mktemp("second_look")
    return automl.search(
        Parts(),
        warm_start=[WHOLE],
        trials=3,
        settings={"task.steps": 40, "task.width": 4, "filter.quality.enabled": False},
        study="demo",
        storage=f"sqlite:///{folder / 'studies.db'}",
        track="none",
    )


def test_a_trial_is_explained_part_by_part(study: automl.Study) -> None:
    found = explain(study, 0)
    assert found["listing"] == [["rate", "the part rate"], ["idle", "the part idle"]]
    assert [(one["trial"], one["operator"], one["changes"]) for one in found["ancestors"]] == [(0, "given", [])]
    assert found["values"] == found["ancestors"][0]["values"] == study.show(0)["values"]
    json.dumps(found, allow_nan=False)
    with pytest.raises(InvalidSetting, match=r"trial=3 is not allowed: an int in \[0, 2\]"):
        explain(study, 3)


def test_what_does_nothing_is_removed_and_the_report_is_kept(study: automl.Study) -> None:
    report = simplify(study, 0, seeds=2)
    assert (report["trial"], report["end"]) == (0, {"rate": "there", "idle": "gone"})
    tried = report["rounds"][0]["tried"]
    assert [one["changes"] for one in tried] == [["- rate"], ["- idle"]]
    assert tried[0]["from_start"]["accuracy"]["mean"] < 0 and tried[1]["from_start"]["accuracy"]["mean"] == 0
    assert automl.load_study("demo", storage=study.storage).log.notes["simplified"] == report
    assert study.log.notes["simplified"] == report, "the study in hand has been read again"


def test_the_funnel_keeps_its_report_and_hands_its_winner_to_export(study: automl.Study) -> None:
    report = funnel(study, [SMALLER], top=1, seeds=2, curve_trials=2)
    assert [one["entered"] for one in report["stages"]] == [[study.top(1)[0]["trial"]]]
    notes = automl.load_study("demo", storage=study.storage).log.notes
    assert notes["funnel"] == report
    second = notes["rerank"]
    assert (second["task_locator"], second["steps"], second["winner"]) == (SMALLER, None, report["winner"])
    assert report["meta_validation"]["task"] == "digits"
    assert report["meta_validation"]["curve"][0]["trial"] == 0, "the first trial was the best then"


def test_random_candidates_are_trained_beside_the_finalist_and_kept_in_the_report(study: automl.Study) -> None:
    report = rerank(study, 1, seeds=2, random=2)
    assert automl.load_study("demo", storage=study.storage).log.notes["rerank"] == report
    found = report["companions"]
    assert [one["name"] for one in found["random"]] == ["random 0", "random 1"] and found["failed"] == []
    finalist = study.log.opened[report["chosen"]].fingerprint
    assert len({finalist, *(one["fingerprint"] for one in found["random"])}) == 3
    assert "accuracy" in found["chosen"]["random"] and found["text"].endswith("say little.")
    with pytest.raises(UnknownName, match="handmade"):
        rerank(study, 1, designs=["handmade"])
    with pytest.raises(InvalidSetting, match="designs='handmade' is not allowed: a list of names"):
        rerank(study, 1, designs="handmade")


@pytest.mark.parametrize("stage", ["digits:x0", "digits:10", "digits:x", "digits:X2", "digits:x1.5", "digits:", ""])
def test_a_stage_that_is_nearly_a_scaled_task_is_refused(study: automl.Study, stage: str) -> None:
    with pytest.raises(InvalidSetting, match="whole number >= 1 behind it, e.g. text:x10"):
        funnel(study, [stage])


@pytest.mark.parametrize(
    ("stages", "error", "message"),
    [
        (["digits:x2"], UnknownName, "scale"),
        (["digitz:x2"], UnknownName, "Did you mean 'digits'"),
        (["nowhere.py:Task"], UsageError, "nowhere.py"),
        ([SMALLER, SMALLER], InvalidSetting, "different stages"),
        ([], InvalidSetting, "one or more"),
    ],
)
def test_a_stage_that_is_no_task_is_refused(
    study: automl.Study, stages: list[str], error: type[Exception], message: str
) -> None:
    before = automl.load_study("demo", storage=study.storage).log.notes
    with pytest.raises(error, match=message):
        funnel(study, stages, seeds=2)
    assert automl.load_study("demo", storage=study.storage).log.notes == before


@pytest.mark.parametrize(
    ("wrong", "message"), [({"top": 0}, "top=0"), ({"seeds": 1}, "seeds=1"), ({"curve_trials": 1}, "curve_trials=1")]
)
def test_a_funnel_out_of_range_is_refused(study: automl.Study, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        funnel(study, [SMALLER], **wrong)
