"""Warm restarts and one-cycle against published numbers and against torch."""

import pytest
import torch
from torch.optim import lr_scheduler

from search_spaces.lr_schedule.cycles import OneCycle, WarmRestarts

torch.set_num_threads(1)


def test_warm_restarts_give_the_published_numbers():
    """Oracle O3.8: T_0 = 4, T_mult = 2, 1 -> 0.1; the third cycle begins at t = 12 of 4 + 8 + 16."""
    expected = [1, 0.868198, 0.55, 0.231802, 1, 0.965746, 0.868198, 0.722208, 0.55, 0.377792, 0.231802, 0.134254, 1]
    assert WarmRestarts(cycles=3, growth=2, floor=0.1).multipliers(28)[:13] == pytest.approx(expected, abs=5e-7)
    assert WarmRestarts(cycles=2, growth=2, floor=0.1).multipliers(12) == pytest.approx(expected[:12], abs=5e-7)


@pytest.mark.parametrize(("cycles", "growth", "first"), [(1, 2, 50), (5, 1, 10), (3, 2, 7), (3, 3, 4), (8, 3, 1)])
def test_warm_restarts_are_those_of_torch(cycles, growth, first, rates_of_torch):
    steps = first * sum(growth**index for index in range(cycles))
    expected = rates_of_torch(
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=first, T_mult=growth, eta_min=0.05), steps
    )
    rule = WarmRestarts(cycles=cycles, growth=growth, floor=0.05)
    assert rule.multipliers(steps) == pytest.approx(expected, abs=1e-9)


def test_the_cycles_end_with_the_run():
    assert WarmRestarts(cycles=4, growth=2).ends() == pytest.approx((1 / 15, 3 / 15, 7 / 15, 1))


def test_one_cycle_gives_the_numbers_of_torch():
    """Oracle O3.7."""
    expected = [0.04, 0.422341, 0.960261, 0.979747, 0.884476, 0.726087, 0.530583, 0.330058, 0.157433, 0.041046, 4e-6]
    assert OneCycle().multipliers(11) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("steps", [5, 10, 37, 400])
@pytest.mark.parametrize("rise", [0.25, 0.3, 0.5])
def test_one_cycle_is_that_of_torch(steps, rise, rates_of_torch):

    def make(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, pct_start=rise, cycle_momentum=False)

    expected = rates_of_torch(make, steps - 1)
    assert OneCycle(rise=rise).multipliers(steps)[:-1] == pytest.approx(expected, abs=1e-12)
    assert OneCycle(rise=rise).multipliers(steps)[-1] == pytest.approx(4e-6)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_without_room_to_rise_starts_at_the_peak(steps):
    assert OneCycle(rise=0.3).multipliers(steps)[0] == 1
