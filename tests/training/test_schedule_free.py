"""Schedule-free training: the published recursion by hand, the trainer that shows the average, the space."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stripes_task import Stripes

from automl.errors import InvalidGenotype, InvalidSetting
from automl.seeding import child
from automl.training.averaged_training import AveragedSupervised, AveragingRule
from automl.training.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from automl.training.schedule_free_space import ScheduleFreeSpace
from automl.training.schedules import WarmupCosine
from automl.training.supervised import Supervised
from automl.training.update_rules import AdamW, NesterovSGD

NO_DECAY = {"plain": 0.0}
ORACLE = [  # specs section 3, O3.9: (gradient point of the step, z, x after it) on x^2 / 2 from 1, rate 0.1
    (1.0, 0.9, 0.9),
    (0.9, 0.81, 0.855),
    (0.8505, 0.72495, 0.81165),
    (0.80298, 0.644652, 0.7699005),
    (0.75737565, 0.56891444, 0.72970329),
]


def column(*values: float) -> dict[str, torch.Tensor]:
    return {"plain": torch.tensor(values, dtype=torch.float64)}


def test_the_published_recursion_on_a_parabola() -> None:
    rule, y = ScheduleFreeSGD(beta=0.9), column(1.0)
    state = rule.init(y, shapes={})
    for step, (point, base, average) in enumerate(ORACLE):
        assert y["plain"].item() == pytest.approx(point, abs=1e-8)
        y, state = rule.step(y, y, state, learning_rate=0.1, weight_decay=NO_DECAY, step=step)
        assert state["base"]["plain"].item() == pytest.approx(base, abs=1e-8)
        assert rule.shown(y, state)["plain"].item() == pytest.approx(average, abs=1e-8)


def authors_adamw(gradients: list[float], rates: list[float], *, decay: float) -> tuple[float, float]:
    """Returns (y, x) as the loop of facebookresearch/schedule_free's AdamWScheduleFree does it, y and z only."""
    beta1, beta2, eps = 0.9, 0.999, 1e-8
    y = z = 1.0
    squares = total = largest = 0.0
    for k, (slope, rate) in enumerate(zip(gradients, rates, strict=True)):
        squares = beta2 * squares + (1 - beta2) * slope * slope
        denominator = math.sqrt(squares / (1 - beta2 ** (k + 1))) + eps
        largest = max(rate, largest)
        total += largest**2
        share = largest**2 / total
        direction = slope / denominator + decay * y
        y += share * (z - y)
        y += direction * rate * (beta1 * (1 - share) - 1)
        z -= rate * direction
    return y, z + (y - z) / beta1


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(0.01, 0.5)), min_size=1, max_size=12), st.floats(0, 0.2))
def test_adamw_follows_the_authors_loop(steps: list[tuple[float, float]], decay: float) -> None:
    rule, y = ScheduleFreeAdamW(), column(1.0)
    state = rule.init(y, shapes={})
    for number, (slope, rate) in enumerate(steps):
        y, state = rule.step(y, column(slope), state, learning_rate=rate, weight_decay={"plain": decay}, step=number)
    expected = authors_adamw([slope for slope, _ in steps], [rate for _, rate in steps], decay=decay)
    assert (y["plain"].item(), rule.shown(y, state)["plain"].item()) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=10))
def test_the_average_weighs_each_step_by_the_square_of_the_largest_rate_so_far(rates: list[float]) -> None:
    rule, y = ScheduleFreeSGD(beta=0.5), column(1.0, -2.0)
    state, weighted, total = rule.init(y, shapes={}), torch.zeros(2, dtype=torch.float64), 0.0
    for step, rate in enumerate(rates):
        y, state = rule.step(y, y, state, learning_rate=rate, weight_decay=NO_DECAY, step=step)
        weight = max(rates[: step + 1]) ** 2
        weighted, total = weighted + weight * state["base"]["plain"], total + weight
    torch.testing.assert_close(rule.shown(y, state)["plain"], weighted / total)


@pytest.mark.parametrize("rule", [ScheduleFreeSGD(), ScheduleFreeAdamW()])
def test_rule_changes_nothing_that_it_is_given(rule: Any) -> None:
    parameters, gradients = column(1.0, 1.0), column(2.0, 2.0)
    state = rule.init(parameters, shapes={})
    rule.step(parameters, gradients, state, learning_rate=0.1, weight_decay={"plain": 0.1}, step=0)
    assert parameters["plain"].tolist() == [1, 1] and gradients["plain"].tolist() == [2, 2]
    assert state["base"]["plain"].tolist() == [1, 1] and state["average"]["plain"].tolist() == [1, 1]
    assert state["weights"] == {"total": 0.0, "largest": 0.0}


def test_a_rate_of_zero_moves_nothing() -> None:
    rule, y = ScheduleFreeSGD(), column(1.0)
    y, state = rule.step(y, y, rule.init(y, shapes={}), learning_rate=0.0, weight_decay=NO_DECAY, step=0)
    assert (y["plain"].item(), rule.shown(y, state)["plain"].item()) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        (ScheduleFreeSGD, {"beta": 1.0}),
        (ScheduleFreeAdamW, {"beta": -0.1}),
        (ScheduleFreeAdamW, {"beta2": 1.0}),
        (ScheduleFreeAdamW, {"epsilon": 0.0}),
    ],
)
def test_rules_refuse_settings_out_of_range(rule: Any, settings: Mapping[str, float]) -> None:
    with pytest.raises(InvalidSetting, match=next(iter(settings))):
        rule(**settings)


def trained(steps: int) -> tuple[AveragedSupervised, Any]:
    """Returns the trainer and its state after some steps on the stripes."""
    task, space = Stripes(), ScheduleFreeSpace()
    recipe = space.apply(space.zoo()["schedule-free"], task.baseline("resnet"))
    trainer, data = recipe.trainer, task.data("train", "resnet")
    assert isinstance(trainer, AveragedSupervised)
    state = trainer.init(recipe, task.signature("resnet"), seed=0, device="cpu")
    for step in range(steps):
        trainer.step(state, (data.inputs[:16], data.targets[:16]), step=step)
    return trainer, state


def test_the_model_shown_has_the_average_and_training_goes_on_elsewhere() -> None:
    trainer, state = trained(4)
    shown = dict(trainer.model(state).named_parameters())
    held = dict(state.model.named_parameters())
    flat = torch.cat([state.rule["average"][group] for group in state.counts])
    names = {id(parameter): name for name, parameter in held.items()}
    ordered = [names[id(parameter)] for parameter in state.parameters]
    torch.testing.assert_close(torch.cat([shown[name].detach().reshape(-1) for name in ordered]), flat)
    assert any(not torch.equal(shown[name], held[name]) for name in held)
    before = flat.clone()
    with torch.no_grad():
        for parameter in shown.values():
            parameter.fill_(7.0)
    assert torch.equal(torch.cat([state.rule["average"][group] for group in state.counts]), before)
    assert not any((parameter == 7.0).all() for parameter in state.parameters)


def test_a_snapshot_continues_bit_for_bit() -> None:
    trainer, state = trained(3)
    kept = trainer.snapshot(state)
    fresh = trainer.restore(trained(0)[1], kept)
    data = Stripes().data("train", "resnet")
    for one in (state, fresh):
        trainer.step(one, (data.inputs[16:32], data.targets[16:32]), step=3)
    for mine, theirs in zip(trainer.model(state).parameters(), trainer.model(fresh).parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_trainer_refuses_a_rule_without_an_average() -> None:
    task = Stripes()
    trainer = AveragedSupervised()
    state = trainer.init(task.baseline("resnet"), task.signature("resnet"), seed=0, device="cpu")
    with pytest.raises(InvalidSetting, match="`shown`"):
        trainer.model(state)


def test_the_space_keeps_the_kind_of_optimizer_and_its_constants() -> None:
    space, recipe = ScheduleFreeSpace(), Stripes().baseline("resnet")
    genotype = {"beta": 0.8, "warmup": 0.1}
    changed = space.apply(genotype, recipe.replace(update_rule=AdamW(beta2=0.99, epsilon=1e-6)))
    assert changed.update_rule == ScheduleFreeAdamW(beta=0.8, beta2=0.99, epsilon=1e-6)
    assert changed.schedule == WarmupCosine(warmup=0.1, floor=1.0)
    assert changed.learning_rate == recipe.learning_rate
    plain = space.apply(genotype, recipe.replace(update_rule=NesterovSGD(momentum=0.75), learning_rate=0.1))
    assert plain.update_rule == ScheduleFreeSGD(beta=0.8)
    assert plain.learning_rate == pytest.approx(0.4)  # what momentum 0.75 makes of 0.1 in all
    assert isinstance(ScheduleFreeSGD(), AveragingRule) and not isinstance(AdamW(), AveragingRule)
    assert isinstance(recipe.trainer, Supervised)
    with pytest.raises(InvalidSetting, match="published schedule-free form"):
        space.apply(genotype, recipe.replace(update_rule=ScheduleFreeSGD()))


def test_the_learning_rate_stays_at_its_peak_after_the_warm_up() -> None:
    recipe = ScheduleFreeSpace().apply({"beta": 0.9, "warmup": 0.1}, Stripes().baseline("resnet"))
    state = recipe.schedule.init(40)
    factors = [recipe.schedule.multiplier(state, step, {})[0] for step in range(50)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0] and set(factors[4:]) == {1.0}


def test_the_space_is_closed_and_refuses_what_is_no_genotype() -> None:
    space = ScheduleFreeSpace()
    for number in range(5):
        drawn = space.sample(child(number)).genotype
        assert space.decode(space.encode(drawn)) == drawn
    with pytest.raises(InvalidGenotype):
        space.decode({"beta": 2.0, "warmup": 0.0})
