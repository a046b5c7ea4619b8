"""Annealing laws: areas by hand, the authors' 40 losses, predictions, guards, recursions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.numerics.annealing_law import (
    AnnealingLaw,
    MultiPowerLaw,
    RecordedCurve,
    areas,
    fit_annealing_law,
    fit_multi_power_law,
    hold_warmup,
    plausible,
)

T, PEAK, WARMUP = 20_000, 2e-4, 500
AT = np.arange(1000, T + 1, 1000)
COSINE = [
    3.6696358, 3.3254106, 3.1908393, 3.1158533, 3.0604768, 3.020384, 2.9880967, 2.9612265, 2.9395165, 2.9195616,
    2.9030452, 2.8881907, 2.8767889, 2.8654318, 2.8565135, 2.8489892, 2.843639, 2.8398669, 2.8380618, 2.8376071,
]  # fmt: skip
CONSTANT = [
    3.6714418, 3.325626, 3.1884103, 3.111947, 3.058354, 3.0211415, 2.9874816, 2.96082, 2.9406552, 2.9241402,
    2.9054413, 2.8942103, 2.8807929, 2.8702695, 2.862175, 2.8530996, 2.8448784, 2.8383856, 2.8326995, 2.8294308,
]  # fmt: skip


def after_warmup(shape: str, share: float = 1.0) -> np.ndarray:
    """Returns a schedule of the authors' setting; the decay takes the last `share` of the steps."""
    x = np.clip((np.arange(T + 1) - WARMUP) / (T - WARMUP), 0, 1)
    if shape == "constant":
        rates = np.ones(T + 1)
    elif shape == "cosine":
        rates = (1 + np.cos(np.pi * x)) / 2
    elif shape == "linear" and share == 1.0:
        rates = 1 - x
    else:
        u = np.clip((np.arange(T + 1) - T * (1 - share)) / (T * share), 0, 1)
        rates = 1 - (np.sqrt(u) if shape == "1-sqrt" else u)
    return hold_warmup(PEAK * rates, steps=WARMUP)


def recorded() -> list[RecordedCurve]:
    return [
        RecordedCurve(rates=after_warmup("cosine"), steps=AT, losses=np.array(COSINE)),
        RecordedCurve(rates=after_warmup("constant"), steps=AT, losses=np.array(CONSTANT)),
    ]


@pytest.fixture(scope="module")
def law() -> AnnealingLaw:
    return fit_annealing_law(recorded())


def test_areas_by_hand() -> None:
    forward, annealed = areas([1, 1, 0.5, 0.5, 0], decay=0.9)
    assert forward.tolist() == [1, 2, 2.5, 3, 3]
    assert annealed == pytest.approx([0, 0, 0.5, 0.95, 1.855])


@pytest.mark.parametrize(
    ("shape", "share", "forward", "annealed"),
    [
        ("constant", 1.0, 4.0002, 0.0),
        ("cosine", 1.0, 2.0501, 0.197474),
        ("linear", 1.0, 2.0501, 0.189754),
        ("linear", 0.1, 3.8001, 0.113606),
        ("linear", 0.2, 3.6001, 0.150963),
        ("1-sqrt", 0.2, 3.466767, 0.169899),
    ],
)
def test_areas_of_whole_schedules(shape: str, share: float, forward: float, annealed: float) -> None:
    s1, s2 = areas(after_warmup(shape, share))
    assert (s1[-1], s2[-1]) == pytest.approx((forward, annealed), abs=2e-6)


def test_the_authors_losses_are_fitted_at_least_as_well_as_by_them(law: AnnealingLaw) -> None:
    assert law.objective <= 1.6293e-5
    assert (law.floor, law.scale, law.annealing, law.exponent) == pytest.approx(
        (2.62780, 0.42966, 0.41077, 0.54985), rel=2e-3
    )
    errors = [abs(law.curve(one.rates)[one.steps] / one.losses - 1).max() for one in recorded()]
    assert max(errors) == pytest.approx(0.0043, abs=2e-4)


@pytest.mark.parametrize("peak", [1e-6, 1.0, 300.0])
def test_the_unit_of_the_learning_rate_does_not_matter(law: AnnealingLaw, peak: float) -> None:
    scaled = [
        RecordedCurve(rates=one.rates * peak / PEAK, steps=one.steps, losses=one.losses) for one in recorded()
    ]
    found = fit_annealing_law(scaled)
    assert found.objective == pytest.approx(law.objective, rel=1e-4)
    assert found.curve(scaled[0].rates)[-1] == pytest.approx(law.curve(recorded()[0].rates)[-1], rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "share", "expected"),
    [
        ("constant", 1.0, 2.82828),
        ("cosine", 1.0, 2.83622),
        ("linear", 1.0, 2.83939),
        ("linear", 0.1, 2.78735),
        ("linear", 0.2, 2.77823),
        ("linear", 0.5, 2.78869),
        ("1-sqrt", 0.1, 2.78014),
        ("1-sqrt", 0.2, 2.7749),
    ],
)
def test_predictions_of_unseen_schedules(law: AnnealingLaw, shape: str, share: float, expected: float) -> None:
    rates = after_warmup(shape, share)
    assert law.curve(rates)[-1] == pytest.approx(expected, abs=1e-4)
    assert law.final(rates[None])[0] == pytest.approx(law.curve(rates)[-1], rel=1e-9)


def test_padding_with_zeros_fools_the_annealing_law_and_is_refused(law: AnnealingLaw) -> None:
    linear = after_warmup("linear")
    padded = np.append(linear, np.zeros(5000))
    assert law.curve(padded)[-1] == pytest.approx(2.83521, abs=1e-4)
    assert "steps" in plausible(padded, like=recorded()[0])
    assert plausible(linear, like=recorded()[0]) == ""
    early = np.concatenate([np.full(1000, PEAK), np.zeros(T - 999)])
    assert "last step" in plausible(early, like=recorded()[0])
    assert "peak" in plausible(linear * 2, like=recorded()[0])
    again = linear.copy()
    again[-10:] = PEAK / 2
    assert "rises" in plausible(again, like=recorded()[0])
    assert "negative" in plausible(-linear, like=recorded()[0])


def test_padding_with_zeros_changes_nothing_under_the_multi_power_law() -> None:
    law = MultiPowerLaw(floor=2.6, scale=0.5, exponent=0.5, drop=400.0, reach=2.0, beta=0.6, gamma=0.6)
    linear = after_warmup("linear")
    padded = np.append(linear, np.zeros(5000))
    assert law.at(padded, [T + 5000])[0] == pytest.approx(law.at(linear, [T])[0], rel=1e-9)


def test_the_multi_power_law_is_its_formula_term_by_term() -> None:
    law = MultiPowerLaw(floor=2.0, scale=0.5, exponent=0.4, drop=3.0, reach=2.0, beta=0.6, gamma=0.5, warmup=0.7)
    rates = np.array([1.0, 1.0, 0.6, 0.6, 0.1])
    lost = 0.0
    for k in range(1, 5):
        x = rates[k] ** -0.5 * rates[k:].sum()
        lost += 3.0 * (rates[k - 1] - rates[k]) * (1 - (1 + 2.0 * x) ** -0.6)
    assert law.at(rates, [4])[0] == pytest.approx(2.0 + 0.5 * (rates.sum() + 0.7) ** -0.4 - lost)


@pytest.mark.slow
def test_a_multi_power_law_is_found_again() -> None:
    truth = MultiPowerLaw(floor=2.6, scale=0.6, exponent=0.45, drop=430.0, reach=2.1, beta=0.6, gamma=0.65)
    shapes = [after_warmup("cosine")[::20], after_warmup("constant")[::20], after_warmup("linear", 0.5)[::20]]
    at = np.arange(50, 1001, 50)
    curves = [RecordedCurve(rates=20 * rates, steps=at, losses=truth.at(20 * rates, at)) for rates in shapes]
    found = fit_multi_power_law(curves)
    unseen = 20 * after_warmup("1-sqrt", 0.2)[::20]
    assert found.objective < 1e-5
    assert found.at(unseen, [1000])[0] == pytest.approx(truth.at(unseen, [1000])[0], rel=2e-3)


@settings(deadline=None, derandomize=True)
@given(
    rates=st.lists(st.floats(0, 1), min_size=2, max_size=30), cut=st.integers(0, 29), scale=st.floats(0.1, 10)
)
def test_areas_are_linear_and_obey_their_recursions(rates: list[float], cut: int, scale: float) -> None:
    values = np.array(rates)
    s1, s2 = areas(values, decay=0.9)
    assert areas(values * scale, decay=0.9)[1] == pytest.approx(s2 * scale, abs=1e-9)
    momentum, total = 0.0, 0.0
    for index, rate in enumerate(values):
        momentum = 0.9 * momentum + (values[max(0, index - 1)] - rate)
        total += momentum
        assert s2[index] == pytest.approx(total, abs=1e-9)
    assert s1 == pytest.approx(np.cumsum(values))
    assert areas(np.full(9, 0.3))[1] == pytest.approx(np.zeros(9), abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": np.array([1.0, -1, 1, 1, 1, 1])}, "learning rate >= 0"),
        ({"rates": np.array([1.0, np.nan, 1, 1, 1, 1])}, "learning rate >= 0"),
        ({"steps": np.array([1, 2, 3])}, "as many losses"),
        ({"steps": np.array([1, 3, 3, 5])}, "increasing"),
        ({"steps": np.array([1, 2, 3, 9])}, "increasing steps in"),
        ({"losses": np.array([1.0, 2, np.inf, 1])}, "finite"),
    ],
)
def test_curves_that_cannot_be_fitted_are_refused(changes: dict[str, np.ndarray], message: str) -> None:
    good = {"rates": np.ones(6), "steps": np.array([1, 2, 3, 5]), "losses": np.array([4.0, 3, 2, 1])}
    with pytest.raises(InvalidSetting, match=message):
        RecordedCurve(**{**good, **changes})


def test_a_law_needs_curves_and_a_drop_needs_one_that_falls() -> None:
    with pytest.raises(InvalidSetting, match="at least one"):
        fit_annealing_law([])
    with pytest.raises(InvalidSetting, match="falls"):
        fit_multi_power_law(recorded()[1:])
