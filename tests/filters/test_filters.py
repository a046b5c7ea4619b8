"""What each filter keeps and drops, from measurements alone."""

from typing import Any

import pytest

from automl.contracts import Curve, Leg, Objective, Opened, RungRecord, RungResult, Verdict
from automl.errors import InvalidSetting
from automl.filters.chain import MONITORS, SCREENS, judges_by_default
from automl.filters.cost import Cost
from automl.filters.duplicates import Duplicates
from automl.filters.exportability import Exportability
from automl.filters.quality import Quality
from automl.filters.stability import Stability
from automl.filters.validity import Validity
from automl.flows.references import Seen

ACCURACY = Objective(name="accuracy", direction="maximize", metric="accuracy", chance=0.1)
TRIAL = Opened(number=0, genotype={}, fingerprint="f")
LEG = Leg(variant="resnet")


def study(**baseline: Any) -> Seen:
    seen = Seen()
    seen.baseline = {"resnet": {"parameters": 1000, "flops": 2000}, **baseline}
    return seen


def probed(**changes: Any) -> dict[str, dict[str, Any]]:
    healthy = {
        "finite": True,
        "input_dependence": 0.3,
        "gradient_reach": {"convs": 5, "reached": 5},
        "parameters": 1000,
        "flops": 2000,
        "exportable": True,
        "export_error": None,
    }
    return {"resnet": {**healthy, **changes}}


def rung(*points: tuple[int, float | None], **measurements: Any) -> RungRecord:
    curve = Curve(steps=tuple(s for s, _ in points), metrics={"accuracy": tuple(v for _, v in points)})
    result = RungResult(
        curves=(curve,), measurements=(measurements,), snapshots=(None,), diverged=(False,), steps=0, seconds=0.0
    )
    return RungRecord(leg="resnet", index=0, result=result)


def judged(filter_: Any, record: RungRecord, curve: Curve | None = None, leg: Leg = LEG) -> Verdict | None:
    assert record.result is not None
    verdict = filter_.judge(TRIAL, record, leg=leg, curve=curve or record.result.curves[0], reference=())
    assert verdict is None or isinstance(verdict, Verdict)
    return verdict


def test_a_repeated_fingerprint_is_a_duplicate_of_the_first_trial_that_had_it() -> None:
    seen = study()
    seen.add("same", 4)
    seen.add("same", 7)
    assert Duplicates().judge({}, "same", {}, seen).duplicate_of == 4
    assert Duplicates().judge({}, "new", {}, seen).keep


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"finite": False}, "not finite"),
        ({"input_dependence": 0.0}, "do not depend"),
        ({"input_dependence": None}, "do not depend"),
        ({"gradient_reach": {"convs": 5, "reached": 4}}, "does not reach"),
    ],
)
def test_validity_names_what_is_wrong_and_where(changes: dict[str, Any], reason: str) -> None:
    verdict = Validity().judge({}, "f", probed(**changes), study())
    assert not verdict.keep and reason in verdict.reason
    assert isinstance(verdict.measured, dict) and verdict.measured["variant"] == "resnet"


def test_validity_judges_every_architecture() -> None:
    measurements = {**probed(), "mobilenet": probed(finite=False)["resnet"]}
    verdict = Validity().judge({}, "f", measurements, study())
    assert isinstance(verdict.measured, dict) and verdict.measured["variant"] == "mobilenet"
    assert Validity().judge({}, "f", probed(), study()).keep


def test_cost_compares_counts_with_the_baseline_and_says_which_is_broken() -> None:
    assert Cost().judge({}, "f", probed(parameters=1500), study()).keep
    verdict = Cost().judge({}, "f", probed(parameters=1501), study())
    assert not verdict.keep and verdict.reason == "parameters are 1.50 times the baseline's"
    assert not Cost(max_flops_ratio=1.0).judge({}, "f", probed(flops=2001), study()).keep


def test_exportability_carries_the_exporters_error() -> None:
    verdict = Exportability().judge({}, "f", probed(exportable=False, export_error="no such op"), study())
    assert not verdict.keep and verdict.measured == {"variant": "resnet", "error": "no such op"}
    assert Exportability().judge({}, "f", probed(), study()).keep


@pytest.mark.parametrize(("accuracy", "keep"), [(0.2, True), (0.1999, False), (None, False)])
def test_quality_drops_below_twice_chance_at_its_step(accuracy: float | None, keep: bool) -> None:
    verdict = judged(Quality(objectives=(ACCURACY,)), rung((50, 0.9), (100, accuracy)))
    assert verdict is not None and verdict.keep is keep and verdict.threshold == pytest.approx(0.2)


def test_quality_has_no_word_before_its_step_and_only_one_after_it() -> None:
    quality = Quality(objectives=(ACCURACY,))
    assert judged(quality, rung((10, 0.1))) is None
    later = rung((300, 0.1))
    whole = Curve(steps=(100, 300), metrics={"accuracy": (0.5, 0.1)})
    assert judged(quality, later, whole) is None


def test_quality_reads_the_objective_of_the_legs_own_architecture() -> None:
    both = (
        Objective(name="resnet", direction="maximize", metric="accuracy", variant="resnet", chance=0.1),
        Objective(name="mobilenet", direction="maximize", metric="accuracy", variant="mobilenet", chance=0.4),
    )
    quality = Quality(objectives=both)
    on_resnet = judged(quality, rung((100, 0.5)))
    on_mobilenet = judged(quality, rung((100, 0.5)), leg=Leg(variant="mobilenet"))
    assert on_resnet is not None and on_resnet.keep
    assert on_mobilenet is not None and not on_mobilenet.keep


def test_quality_of_a_loss_must_fall_clearly_below_chance() -> None:
    loss = Objective(name="loss", direction="minimize", metric="accuracy", chance=2.0)
    quality = Quality(objectives=(loss,))
    low, high = judged(quality, rung((100, 1.79))), judged(quality, rung((100, 1.81)))
    assert low is not None and low.keep and high is not None and not high.keep


def test_quality_is_silent_where_chance_is_unknown() -> None:
    unknown = Objective(name="accuracy", direction="maximize", metric="accuracy")
    assert judged(Quality(objectives=(unknown,)), rung((100, 0.0))) is None


@pytest.mark.parametrize(("norm", "keep"), [(1e8, True), (1.1e8, False), (None, False)])
def test_stability_rejects_a_norm_above_its_bound_or_not_finite(norm: float | None, keep: bool) -> None:
    verdict = judged(Stability(), rung((100, 0.9), stability={"gradient_norm": norm, "steps": 7}))
    assert verdict is not None and verdict.keep is keep
    assert verdict.measured == {"gradient_norm": norm, "steps": 7}


def test_stability_is_asked_for_once_at_the_rung_that_reaches_its_step() -> None:
    wants = [Stability().wants(LEG, steps) for steps in ((0, 10), (10, 100), (100, 300))]
    assert wants == [(), ("stability",), ()]
    assert judged(Stability(), rung((300, 0.9))) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cost(max_flops_ratio=0),
        lambda: Validity(min_input_dependence=-1),
        lambda: Quality(objectives=(), step=0),
        lambda: Quality(objectives=(), times_chance=0),
        lambda: Stability(max_gradient_norm=0),
        lambda: Stability(step=0),
    ],
)
def test_settings_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(InvalidSetting, match="is not allowed"):
        make()


def test_what_measures_the_model_is_off_where_the_model_stays() -> None:
    on = {name for name in (*SCREENS, *MONITORS) if judges_by_default(name, frozenset({"update_rule"}))}
    assert on == {"duplicates", "early-learning", "quality"}
    off = {name for name in (*SCREENS, *MONITORS) if not judges_by_default(name, frozenset({"norm_act"}))}
    assert off == {"zero-cost"}, "it is off unless asked for"


def test_what_judges_a_product_is_off_where_trials_are_searches() -> None:
    slots = frozenset({"model", "trainer"})
    on = {name for name in (*SCREENS, *MONITORS) if judges_by_default(name, slots, derives=True)}
    assert on == {"duplicates"}
