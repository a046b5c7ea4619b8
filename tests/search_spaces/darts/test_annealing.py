"""Schedules of differentiable searches against printed values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from search_spaces.darts.annealing import CosinePower, CosineToFloor

POWER_2 = [0.025, 0.0225662152, 0.0190062641, 0.0148921749, 0.0107729441, 0.007072069, 0.0040570399, 0.0018632029]
POWER_10 = [0.1, 0.0832980301, 0.0621593627, 0.042153258, 0.0263269029, 0.0152384129, 0.0081137976, 0.0038805226]
POWER_1 = [0.1, 0.0927926677, 0.0815669844, 0.0674217983, 0.0517417387, 0.0360616791, 0.021916493, 0.0106908098]


def rates(schedule: CosinePower | CosineToFloor, *, peak: float, steps: int) -> list[float]:
    state = schedule.init(steps)
    return [peak * schedule.multiplier(state, step, {})[0] for step in range(steps)]


@pytest.mark.parametrize(
    ("power", "peak", "least", "expected"),
    [
        (2.0, 0.025, 1e-4, [*POWER_2, 0.0005407972, 0.0001]),
        (10.0, 0.1, 1e-3, [*POWER_10, 0.0016789605, 0.001]),
        (1.0, 0.1, 1e-3, [*POWER_1, 0.0034834775, 0.001]),
    ],
)
def test_cosine_power_without_warmup_is_the_table(
    power: float, peak: float, least: float, expected: list[float]
) -> None:
    found = rates(CosinePower(power=power, floor=least / peak), peak=peak, steps=10)
    assert found == pytest.approx(expected, abs=1e-10)


def test_cosine_power_with_warmup_is_what_the_authors_logged() -> None:
    found = rates(CosinePower(power=2.0, floor=1e-4 / 0.025, warmup=5 / 120), peak=0.025, steps=120)
    logged = {47: 1.580315e-2, 116: 1.515235e-4, 117: 1.289815e-4, 119: 1.032201e-4, 120: 1e-4}
    assert {epoch: found[epoch - 1] for epoch in logged} == pytest.approx(logged, rel=1e-6)
    assert found[5] == 0.025 == max(found)


def test_plain_cosine_is_what_the_authors_logged() -> None:
    found = rates(CosineToFloor(floor=0.04), peak=0.025, steps=60)
    logged = {0: 0.025, 50: 2.607695e-3, 56: 1.262229e-3, 59: 1.016446e-3}
    assert {index: found[index] for index in logged} == pytest.approx(logged, rel=1e-6)


@given(st.floats(1.0, 20.0), st.floats(0.0, 0.9), st.floats(0.0, 0.5), st.integers(1, 40))
def test_factors_stay_between_the_floor_and_the_peak(power: float, floor: float, warmup: float, steps: int) -> None:
    found = rates(CosinePower(power=power, floor=floor, warmup=warmup), peak=1.0, steps=steps)
    assert all(0 <= value <= 1 + 1e-12 for value in found)
    peak = found.index(max(found))
    assert all(later <= earlier + 1e-12 for earlier, later in zip(found[peak:], found[peak + 1 :], strict=False))


@pytest.mark.parametrize("settings", [{"power": 0.5}, {"floor": 1.0}, {"warmup": 1.0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting, match="is not allowed"):
        CosinePower(**settings)
