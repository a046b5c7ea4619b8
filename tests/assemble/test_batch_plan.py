"""Which studies get a batch, and that a study keeps the one it was created with."""

from typing import Any

import pytest

from automl.assemble.batch_plan import with_batch_plan
from automl.assemble.header import Request, header_of
from automl.assemble.plan import plan_of
from automl.errors import InvalidSetting
from automl.training import calibration
from automl.training.calibration import Calibration

TASK = "automl.training.tasks.digits_mlp:DigitsMLP"


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    def calibrate(task: Any, **settings: Any) -> Calibration:
        calls.append(settings)
        return Calibration(width=16, speed_up=4.2345, reason="measured")

    monkeypatch.setattr(calibration, "calibrate", calibrate)
    return calls


def decide(stored: Any = None, space: str = "optimizer-program", **settings: Any) -> dict[str, Any]:
    request = Request(
        space=space, task=TASK, searcher="random", depth=32, device="cpu", settings={"task.steps": 20, **settings}
    )
    header, objects = header_of(request)
    return with_batch_plan(header, request=request, objects=objects, stored=stored)


def test_a_new_study_of_update_rules_is_calibrated_once(measured: list[Any]) -> None:
    header = decide()
    assert header["batch"] == {"width": 16, "speed_up": 4.23, "reason": "measured"}
    assert measured[0]["widths"] == [32], "one width: the clock must not choose among them"
    assert plan_of(header).width == 16
    assert decide(stored=header) == header
    assert len(measured) == 1


def test_a_study_from_before_stays_without_a_batch(measured: list[Any]) -> None:
    old = {name: value for name, value in decide().items() if name != "batch"}
    assert decide(stored=old) == old
    assert plan_of(old).width == 1
    assert len(measured) == 1


def test_one_by_one_needs_no_measurement(measured: list[Any]) -> None:
    assert "batch" not in decide(**{"executor.batch": 1})
    assert measured == []


def test_a_space_of_layers_is_never_stacked(measured: list[Any]) -> None:
    with pytest.raises(InvalidSetting, match="norm_act"):
        decide(space="norm-act", **{"executor.batch": 8})
    assert "batch" not in decide(space="norm-act")
    assert measured == []


def test_a_width_that_is_asked_for_is_taken_and_kept() -> None:
    header = decide(**{"executor.batch": 2})
    assert (header["batch"]["width"], header["batch"]["reason"]) == (2, "asked for")
    assert decide(stored=header, **{"executor.batch": 2}) == header
    with pytest.raises(InvalidSetting, match=r"executor\.batch"):
        decide(**{"executor.batch": 0})
