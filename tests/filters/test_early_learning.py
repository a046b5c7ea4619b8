"""What the early look keeps: anything that was ever better than a constant answer."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Curve, Leg, Objective, Opened, RungRecord, RungResult, Verdict
from automl.errors import InvalidSetting
from automl.filters.early_learning import EarlyLearning

ACCURACY = Objective(name="accuracy", direction="maximize", metric="accuracy", chance=0.1)
LN10 = math.log(10)
TRIAL = Opened(number=0, genotype={}, fingerprint="f")
LEG = Leg(variant="resnet")
MONITOR = EarlyLearning(objectives=(ACCURACY,))

Point = tuple[int, float | None, float | None]


def curve_of(*points: Point) -> Curve:
    """(step, accuracy, loss) per point."""
    steps, accuracy, loss = zip(*points, strict=True)
    return Curve(steps=steps, metrics={"accuracy": accuracy, "loss": loss})


def judged(curve: Curve, *, monitor: EarlyLearning = MONITOR, before: Curve | None = None) -> Verdict | None:
    """Judges a rung that measured `curve`, after the rungs that measured `before`."""
    result = RungResult(
        curves=(curve,), measurements=({},), snapshots=(None,), diverged=(False,), steps=0, seconds=0.0
    )
    record = RungRecord(leg="resnet", index=0, result=result)
    whole = before.then(curve) if before is not None else curve
    return monitor.judge(TRIAL, record, leg=LEG, curve=whole, reference=())


def verdict_at_50(accuracy: float | None, loss: float | None) -> Verdict:
    verdict = judged(curve_of((50, accuracy, loss)))
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("accuracy", "loss", "keep"),
    [
        (0.10, LN10 + 0.001, False),
        (0.13, LN10 + 0.001, False),
        (0.131, LN10 + 0.5, True),
        (0.10, LN10 - 0.001, True),
        (0.10, LN10, False),
        (0.90, 0.3, True),
        (0.90, None, True),
        (None, None, False),
    ],
)
def test_better_than_a_constant_answer_in_accuracy_or_in_loss_is_enough(
    accuracy: float | None, loss: float | None, keep: bool
) -> None:
    assert verdict_at_50(accuracy, loss).keep is keep


def test_a_drop_says_what_was_measured_and_what_a_constant_answer_reaches() -> None:
    verdict = verdict_at_50(0.1, 2.5)
    assert (verdict.filter, verdict.reason) == ("early-learning", "nothing learnt in 50 steps")
    assert verdict.measured == {"accuracy": 0.1, "loss": 2.5}
    assert verdict.threshold == pytest.approx({"accuracy": 0.13, "loss": 2.302585})
    assert verdict_at_50(0.5, 2.5).reason == ""


def test_one_good_point_on_the_way_outweighs_a_blow_up_at_the_end() -> None:
    kept = judged(curve_of((25, 0.1, 2.29), (50, 0.1, None)))
    assert kept is not None and kept.keep
    assert kept.measured == {"accuracy": 0.1, "loss": 2.29}


def test_points_of_earlier_rungs_count() -> None:
    kept = judged(curve_of((50, 0.1, 9.0)), before=curve_of((10, 0.2, 2.3)))
    assert kept is not None and kept.keep


def test_it_has_no_word_before_its_step_and_only_one_after_it() -> None:
    assert judged(curve_of((10, 0.1, 9.0))) is None
    assert judged(curve_of((75, 0.1, 9.0), (100, 0.1, 9.0)), before=curve_of((25, 0.1, 9.0), (50, 0.3, 2.0))) is None


def test_a_ladder_without_a_rung_at_its_step_is_judged_at_the_next_one() -> None:
    verdict = judged(curve_of((75, 0.1, 9.0), (100, 0.1, 9.0)), before=curve_of((10, 0.1, 9.0)))
    assert verdict is not None and not verdict.keep and verdict.reason == "nothing learnt in 100 steps"


def test_without_a_loss_the_objective_alone_is_judged() -> None:
    assert judged(Curve(steps=(50,), metrics={"accuracy": (0.14,)})) is not None
    low = judged(Curve(steps=(50,), metrics={"accuracy": (0.13,)}))
    assert low is not None and not low.keep and low.measured == {"accuracy": 0.13}


def test_a_metric_to_minimise_must_fall_below_chance() -> None:
    error = Objective(name="error", direction="minimize", metric="loss", chance=2.0)
    monitor = EarlyLearning(objectives=(error,))
    low, high = (judged(curve_of((50, 0.1, loss)), monitor=monitor) for loss in (1.99, 2.0))
    assert low is not None and low.keep
    assert high is not None and not high.keep and high.threshold == {"loss": 2.0}


def test_each_architecture_is_judged_by_its_own_objective() -> None:
    objectives = tuple(
        Objective(name=variant, direction="maximize", metric="accuracy", variant=variant, chance=chance)
        for variant, chance in (("mobilenet", 0.1), ("resnet", 0.5))
    )
    verdict = judged(curve_of((50, 0.6, 9.0)), monitor=EarlyLearning(objectives=objectives))
    assert verdict is not None and not verdict.keep


def test_it_is_silent_where_chance_is_unknown() -> None:
    unknown = Objective(name="accuracy", direction="maximize", metric="accuracy")
    assert judged(curve_of((50, 0.0, 9.0)), monitor=EarlyLearning(objectives=(unknown,))) is None


def test_it_asks_for_no_measurement() -> None:
    assert MONITOR.wants(LEG, (0, 50)) == ()


numbers = st.one_of(st.none(), st.floats(0.0, 1.0))


@given(st.lists(st.tuples(numbers, st.one_of(st.none(), st.floats(0.0, 10.0))), min_size=1, max_size=5), st.data())
def test_another_measured_point_never_turns_keep_into_drop(
    values: list[tuple[float | None, float | None]], data: st.DataObject
) -> None:
    points = [(step, *pair) for step, pair in enumerate(values, 50)]
    fewer = points[: data.draw(st.integers(1, len(points)))]
    short, long = judged(curve_of(*fewer)), judged(curve_of(*points))
    assert short is not None and long is not None
    assert long.keep or not short.keep


@pytest.mark.parametrize("settings", [{"step": 0}, {"times_chance": 0.9}, {"loss_ratio": 0.0}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match="is not allowed"):
        EarlyLearning(objectives=(ACCURACY,), **settings)
