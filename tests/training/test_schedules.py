import pytest

from automl.errors import InvalidSetting
from automl.training.schedules import Constant, WarmupCosine


def factors(schedule: WarmupCosine, steps: int) -> list[float]:
    state = schedule.init(steps)
    return [schedule.multiplier(state, step, {})[0] for step in range(steps + 1)]


def test_cosine_starts_at_one_halves_in_the_middle_and_ends_at_zero() -> None:
    found = factors(WarmupCosine(), 10)
    assert found[0] == 1
    assert found[5] == pytest.approx(0.5)
    assert found[10] == pytest.approx(0)


def test_darts_cosine_equals_its_published_log() -> None:
    # DARTS, T = 60, 0.025 -> 0.001: the logged rates at steps 50 and 59
    found = factors(WarmupCosine(floor=0.001 / 0.025), 60)
    assert 0.025 * found[50] == pytest.approx(2.607695e-03, rel=1e-6)
    assert 0.025 * found[59] == pytest.approx(1.016446e-03, rel=1e-6)


def test_warmup_rises_in_equal_steps_to_the_peak() -> None:
    assert factors(WarmupCosine(warmup=0.4), 10)[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_horizon_of_one_step_is_the_peak() -> None:
    assert factors(WarmupCosine(warmup=0.9), 1)[0] == 1


def test_constant_stays_at_one() -> None:
    assert Constant().multiplier(Constant().init(5), 4, {"loss": 3.0}) == (1.0, None)


@pytest.mark.parametrize("settings", [{"warmup": 1.0}, {"floor": -0.1}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting):
        WarmupCosine(**settings)
