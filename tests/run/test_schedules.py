"""Schedules from a real, small study: refined, fitted, predicted, and searched again from what was found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import automl
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.run.schedules import fit_annealing_law, predict_schedules, refine_schedule, refinement_picture

SPACE = "search_spaces.lr_schedule:LrScheduleSpace"
SMALL = {"task.steps": 120, "task.width": 16, "task.context": 8, "filter.quality.enabled": False}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> automl.Study:
    """Returns six trials of the searcher: constant, cosine, and four more."""
    storage = f"sqlite:///{tmp_path_factory.mktemp('schedules') / 'studies.db'}"
    return automl.search(
        SPACE, task="text", searcher="annealing-law", trials=6, depth=2, settings=SMALL, storage=storage, track="none"
    )


@pytest.mark.slow
def test_a_baseline_refines_to_a_schedule_that_can_be_searched_from(study: automl.Study) -> None:
    report = refine_schedule(study, space=SPACE)
    assert (report["trial"], report["norm"], report["reproduced"]) == (None, "l1", True)
    assert "AdamW normalises each coordinate" in report["norm_reason"]
    assert len(report["norms"]) == len(report["multipliers"]) == 120 and max(report["multipliers"]) == 1.0
    assert refinement_picture(report).startswith(b"\x89PNG")
    start, where = [report["genotype"]], study.storage
    again = automl.search(
        SPACE, task="text", warm_start=start, trials=1, settings=SMALL, storage=where, track="none"
    )
    assert again.trials.outcome.tolist() == ["completed"]


@pytest.mark.slow
def test_a_trial_is_refined_with_its_own_schedule_as_the_old_one(study: automl.Study) -> None:
    report = refine_schedule(study, 0, space=SPACE, norm="l2", method="numeric")
    assert report["reproduced"] and set(report["old"]) == {1.0} and report["norm_reason"] == "as given"


@pytest.mark.slow
def test_a_fitted_law_is_kept_with_the_study_and_predicts(study: automl.Study) -> None:
    note = fit_annealing_law(study, [0, 1])
    assert study.log.notes["annealing_law"]["trials"] == note["trials"] == [0, 1]
    assert note["experience"]["peak"] == 0.03 and note["experience"]["steps"] == 120
    assert note["health"]["proposals"] >= 1
    wanted: Any = {"line": np.linspace(1, 0, 40).tolist(), "constant": study.plan.space.zoo()["constant"]}
    report = predict_schedules(study, wanted)
    assert {row["schedule"] for row in report["schedules"]} == {"line", "constant"}
    assert all(row["low"] < row["loss"] < row["high"] for row in report["schedules"])
    assert len(predict_schedules(study)["schedules"]) == len(study.plan.space.zoo()), "none of them reacts"
    with pytest.raises(UnknownName, match="Did you mean 'linear'"):
        predict_schedules(study, ["linaer"])
    with pytest.raises(InvalidSetting, match=r"mine\[1\]=-1.0"):
        predict_schedules(study, {"mine": [1.0, -1.0]})


@pytest.mark.slow
def test_what_cannot_be_done_is_refused(study: automl.Study, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="norm='l3'"):
        refine_schedule(study, norm="l3")  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting, match="a space of learning-rate schedules"):
        refine_schedule(study, space="norm-act")
    other = automl.search(
        SPACE, task="text", trials=1, settings=SMALL, storage=f"sqlite:///{tmp_path / 'one.db'}", track="none"
    )
    with pytest.raises(UsageError, match="No law is fitted"):
        predict_schedules(other)
