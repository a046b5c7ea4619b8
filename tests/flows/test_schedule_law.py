"""A law fitted to the trials of a study: its errors, its predictions, its refusals, on curves made by a known law."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest

from automl.canonical import dumps, loads
from automl.contracts import Closed, Curve, Genotype, Opened, StudyLog
from automl.errors import InvalidSetting, UsageError
from automl.flows.plan import Plan
from automl.flows.schedule_law import fit_law, interval_of
from automl.flows.schedule_prediction import agreement, law_health, predict
from automl.flows.schedule_runs import schedule_space_of
from automl.numerics.annealing_law import AnnealingLaw
from automl.numerics.schedule_experience import decay_of, law_rates
from automl.searchers.random_search import RandomSearch
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask
from search_spaces.lr_schedule import LrScheduleSpace

T = 200
TRUTH = AnnealingLaw(floor=1.5, scale=0.3, exponent=0.4, annealing=100.0, decay=decay_of(T))
SPACE = LrScheduleSpace(families=(*LrScheduleSpace().families, "plateau"))
ZOO = SPACE.zoo()


@dataclass(frozen=True)
class _Recipe:
    """As much of a recipe as `apply` and the peak need."""

    learning_rate: float = 0.03
    schedule: Any = None

    def replace(self, **changes: Any) -> "_Recipe":
        return replace(self, **changes)


class _Task(ToyTask):
    def baseline(self, variant: str) -> Any:
        return _Recipe()


TASK = _Task(name="toy", slices=((0, 50), (50, T)))
PLAN = Plan(
    space=SPACE, space_locator="lr", task=cast(Any, TASK), task_locator="toy", searcher=RandomSearch(space=SPACE)
)


def losses_of(genotype: Genotype, *, noise: float = 0.0, seed: int = 0) -> Curve:
    """Returns what `TRUTH` makes of a schedule; of a reactive one, of a constant."""
    multipliers = SPACE.multipliers(genotype, T)
    steps = tuple(range(10, T + 1, 10))
    rates = law_rates(np.ones(T) if multipliers is None else multipliers)
    factors = np.exp(noise * np.random.default_rng(seed).normal(size=len(steps)))
    return Curve(steps=steps, metrics={"loss": tuple((TRUTH.curve(rates)[list(steps)] * factors).tolist())})


def log_of(
    *genotypes: Genotype, noise: float = 0.0, memos: Mapping[int, Any] | None = None, **changes: Any
) -> StudyLog:
    """Returns a study of completed trials with curves of the known law."""
    opened, ended = [], []
    for number, genotype in enumerate(genotypes):
        memo = (memos or {}).get(number, {})
        opened.append(Opened(number=number, genotype=genotype, fingerprint=str(number), memo=memo))
        curve = losses_of(genotype, noise=noise, seed=number)
        values = (curve.last("loss"),)
        ended.append(Closed(number=number, outcome="completed", reason="", values=values, curves={"only": curve}))
    return replace(
        StudyLog(name="demo", header={}, opened=tuple(opened), rungs={}, closed=tuple(ended), notes={}), **changes
    )


def zoo(*names: str) -> list[Genotype]:
    return [ZOO[name] for name in names]


@pytest.fixture(scope="module")
def log() -> StudyLog:
    return log_of(*zoo("constant", "cosine", "linear", "wsd-linear", "rex", "poly", "wsd-1sqrt"))


@pytest.fixture(scope="module")
def two(log: StudyLog) -> dict[str, Any]:
    """Returns the law of constant and cosine."""
    return cast(dict[str, Any], fit_law(PLAN, log, trials=[0, 1]))


def test_the_constants_are_those_of_the_law_that_made_the_curves(two: dict[str, Any]) -> None:
    found = two["constants"]
    for name in ("floor", "scale", "exponent", "annealing"):
        assert found[name] == pytest.approx(getattr(TRUTH, name), rel=0.05)
    assert two["in_sample"] < 1e-3 and two["trials"] == [0, 1] and two["leg"] == "only"
    assert loads(dumps(two)) == two, "a note is canonical JSON"


def test_two_curves_foretell_the_others_and_rank_them(log: StudyLog, two: dict[str, Any]) -> None:
    schedules = {name: SPACE.multipliers(ZOO[name], T).tolist() for name in ("linear", "wsd-linear", "rex")}
    report = predict(PLAN, log, two, schedules)
    actual = {name: losses_of(ZOO[name]).last("loss") for name in schedules}
    for row in report["schedules"]:
        assert row["loss"] == pytest.approx(actual[row["schedule"]], rel=3e-3)
        assert row["low"] < row["loss"] < row["high"] and row["refused"] == ""
        assert row["curve"]["steps"][-1] == T and row["curve"]["losses"][-1] == pytest.approx(row["loss"])
    assert [row["rank"] for row in report["schedules"]] == [1, 2, 3]
    assert [row["schedule"] for row in report["schedules"]] == sorted(actual, key=lambda name: actual[name] or 0.0)
    judged = report["agreement"]
    assert (judged["pairs"], judged["may_rank"]) == (5, True) and judged["spearman"] > 0.9


def test_a_law_that_ranks_unseen_trials_badly_ranks_nothing_and_says_so(two: dict[str, Any]) -> None:
    """Losses of the unused trials are turned around: the best becomes the worst."""
    told = log_of(*zoo("constant", "cosine", "linear", "wsd-linear", "rex", "poly", "wsd-1sqrt"))
    turned = [*told.closed[:2]]
    for one in told.closed[2:]:
        curve = one.curves["only"]
        wrong = tuple(6.0 - (loss or 0.0) for loss in curve.metrics["loss"])
        turned.append(replace(one, curves={"only": replace(curve, metrics={"loss": wrong})}))
    report = predict(PLAN, replace(told, closed=tuple(turned)), two, {"b": [1.0] * T, "a": np.linspace(1, 0.1, T)})
    assert report["ranked"] is False and report["agreement"]["spearman"] < 0.5
    assert [(row["schedule"], row["rank"]) for row in report["schedules"]] == [("b", None), ("a", None)]
    assert "Below 0.5 nothing is ranked" in report["text"]
    assert all(row["loss"] is not None for row in report["schedules"]), "each still has its own number and interval"


def test_with_few_unseen_trials_left_out_ones_judge(log: StudyLog) -> None:
    note = fit_law(PLAN, log, trials=[0, 1, 2, 3])
    judged = agreement(PLAN, log, cast(dict[str, Any], note))
    assert judged["judged_on"] == "used trials, each predicted by the others" and judged["pairs"] == 4


def test_with_nothing_to_judge_by_it_says_that_it_is_not_known(two: dict[str, Any]) -> None:
    judged = agreement(PLAN, log_of(*zoo("constant", "cosine")), two)
    assert judged["spearman"] is None and judged["may_rank"] and "not known yet: 2 trials" in judged["text"]


def test_schedules_out_of_range_get_a_reason_and_no_number(log: StudyLog, two: dict[str, Any]) -> None:
    report = predict(PLAN, log, two, {"again": SPACE.multipliers(ZOO["sgdr"], T), "long": [1.0] * 250})
    reasons = {row["schedule"]: row["refused"] for row in report["schedules"]}
    assert reasons["again"] == "rises again after its peak" and "250 steps" in reasons["long"]
    assert all(row["loss"] is None and row["curve"] is None for row in report["schedules"])


def test_one_curve_gives_no_interval_so_every_prediction_is_refused(log: StudyLog) -> None:
    note = cast(dict[str, Any], fit_law(PLAN, log, trials=[1]))
    assert note["half_width"] is None and note["out_of_sample"] is None
    row = predict(PLAN, log, note, {"cosine": SPACE.multipliers(ZOO["cosine"], T)})["schedules"][0]
    assert row["loss"] is None and "fit to two or more" in row["refused"]


def test_the_interval_is_as_wide_as_left_out_errors(log: StudyLog) -> None:
    noisy = log_of(*(one.genotype for one in log.opened[:4]), noise=0.02)
    note = cast(dict[str, Any], fit_law(PLAN, noisy))
    errors = [abs(math.log(row["left_out"] / row["actual"])) for row in note["curves"]]
    assert note["half_width"] == pytest.approx(max(errors)) and note["level"] == pytest.approx(4 / 5)
    assert note["out_of_sample"] == pytest.approx(np.expm1(errors).mean())


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], (None, None)),
        ([0.1], (0.1, 0.5)),
        ([0.1, 0.3, 0.2], (0.3, 0.75)),
        ([0.01 * k for k in range(1, 20)], (0.19, 0.95)),
        ([0.01 * k for k in range(1, 40)], (0.38, 0.95)),
    ],
)
def test_intervals_by_hand(errors: list[float], expected: tuple[float | None, float | None]) -> None:
    width, level = interval_of(errors)
    assert (width, level) == (expected if not errors else (pytest.approx(expected[0]), pytest.approx(expected[1])))


def test_reactive_schedules_and_short_curves_are_left_out_with_their_reasons() -> None:
    told = log_of(*zoo("constant", "cosine", "plateau", "linear"))
    short = replace(told.closed[3], curves={"only": Curve(steps=(100, 200), metrics={"loss": (2.0, 1.9)})})
    note = cast(dict[str, Any], fit_law(PLAN, replace(told, closed=(*told.closed[:3], short))))
    assert note["trials"] == [0, 1]
    assert "reacts to the training" in note["left_out_trials"]["2"]
    assert "at least 4 measured losses" in note["left_out_trials"]["3"]


def test_trials_of_another_peak_are_left_out() -> None:
    space = LrScheduleSpace(peak="tuned")
    plan = replace(PLAN, space=space)
    genotypes = [{**ZOO[name], "peak": peak} for name, peak in (("constant", 1.0), ("cosine", 1.0), ("linear", 2.0))]
    note = cast(dict[str, Any], fit_law(plan, log_of(*genotypes)))
    assert note["trials"] == [0, 1] and note["experience"]["peak"] == 0.03
    assert note["left_out_trials"] == {"2": "its peak learning rate is 0.06, not 0.03"}


@pytest.mark.parametrize(
    ("trials", "error", "message"),
    [
        ([0, 9], UsageError, "Trial 9 cannot be fitted: it is no completed trial"),
        ([0, 0], InvalidSetting, "different trial numbers"),
        ([], InvalidSetting, "at least one"),
    ],
)
def test_trials_that_cannot_be_fitted_are_named(
    log: StudyLog, trials: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit_law(PLAN, log, trials=trials)


def test_a_task_without_a_loss_is_refused() -> None:
    told = log_of(*zoo("constant"))
    curve = Curve(steps=(50, 100, 150, 200), metrics={"accuracy": (0.1, 0.2, 0.3, 0.4)})
    with pytest.raises(UsageError, match="task 'toy' does not measure"):
        fit_law(PLAN, replace(told, closed=(replace(told.closed[0], curves={"only": curve}),)))


def test_a_study_without_usable_trials_is_refused() -> None:
    with pytest.raises(UsageError, match="none has completed"):
        fit_law(PLAN, log_of())


def test_another_kind_of_space_is_refused() -> None:
    with pytest.raises(UsageError, match="'toy' proposes no learning-rate schedules"):
        schedule_space_of(replace(PLAN, space=ToySpace()))


@pytest.mark.parametrize(("wrong", "message"), [({"law": "ohm"}, "law='ohm'"), ({"leg": "none"}, "one of only")])
def test_an_unknown_law_or_leg_is_refused(log: StudyLog, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        fit_law(PLAN, log, **wrong)


def test_absurd_learning_rates_are_refused_before_anything_is_predicted(log: StudyLog, two: dict[str, Any]) -> None:
    for values in ([math.nan] * T, [-1.0] * T, [1e7] * T, [1.0]):
        with pytest.raises(InvalidSetting, match="mine"):
            predict(PLAN, log, two, {"mine": values})


def test_health_compares_what_was_promised_with_what_came() -> None:
    names = ("linear", "wsd-linear", "rex", "poly")
    losses = [losses_of(ZOO[name]).last("loss") or 0.0 for name in names]
    memos = {place: {"law": {"predicted": 1.1 * loss, "leg": "only"}} for place, loss in enumerate(losses)}
    health = law_health(log_of(*zoo(*names), memos=memos))
    assert health == {"proposals": 4, "spearman": pytest.approx(1.0), "error": pytest.approx(0.1)}
    few = law_health(log_of(*zoo(*names), memos={0: memos[0]}))
    assert (few["proposals"], few["spearman"]) == (1, None)


@pytest.mark.slow
def test_the_multi_power_law_predicts_too() -> None:
    told = log_of(*zoo("constant", "cosine", "linear"))
    note = cast(dict[str, Any], fit_law(PLAN, told, law="multi-power"))
    report = predict(PLAN, told, note, {"linear": SPACE.multipliers(ZOO["linear"], T)})
    assert report["schedules"][0]["loss"] == pytest.approx(losses_of(ZOO["linear"]).last("loss"), rel=0.02)
