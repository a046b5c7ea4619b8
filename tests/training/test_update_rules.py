"""Oracle: torch.optim in float64, on the same gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from automl.errors import InvalidSetting
from automl.training.update_rules import AdamW, NesterovSGD

RULES: list[tuple[Any, Callable[[Any], torch.optim.Optimizer]]] = [
    (NesterovSGD(), lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)),
    (NesterovSGD(momentum=0.0), lambda groups: torch.optim.SGD(groups, lr=0.1)),
    (AdamW(), lambda groups: torch.optim.AdamW(groups, lr=0.1)),
    (AdamW(beta1=0.5, beta2=0.9, epsilon=1e-3), lambda g: torch.optim.AdamW(g, lr=0.1, betas=(0.5, 0.9), eps=1e-3)),
]


@pytest.mark.parametrize(("rule", "make"), RULES)
def test_rule_follows_torch_through_changing_rates(rule: Any, make: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    draw = {"generator": generator, "dtype": torch.float64}
    buffers = {"decayed": torch.randn(40, **draw), "plain": torch.randn(7, **draw)}
    decay = {"decayed": 0.05, "plain": 0.0}
    theirs = {name: buffer.clone().requires_grad_() for name, buffer in buffers.items()}
    optimizer = make([{"params": [theirs[name]], "weight_decay": decay[name]} for name in buffers])
    state = rule.init(buffers, shapes={})
    for step in range(20):
        rate = 0.1 * (1 - step / 25)
        gradients = {name: torch.randn(buffer.shape, **draw) for name, buffer in buffers.items()}
        for group in optimizer.param_groups:
            group["lr"] = rate
        for name, gradient in gradients.items():
            theirs[name].grad = gradient.clone()
        optimizer.step()
        buffers, state = rule.step(buffers, gradients, state, learning_rate=rate, weight_decay=decay, step=step)
    for name, buffer in buffers.items():
        torch.testing.assert_close(buffer, theirs[name].detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", [NesterovSGD(), AdamW()])
def test_rule_changes_nothing_that_it_is_given(rule: Any) -> None:
    parameters, gradients = {"plain": torch.ones(3)}, {"plain": torch.full((3,), 2.0)}
    state = rule.init(parameters, shapes={})
    rule.step(parameters, gradients, state, learning_rate=0.1, weight_decay={"plain": 0.1}, step=0)
    assert parameters["plain"].tolist() == [1, 1, 1]
    assert gradients["plain"].tolist() == [2, 2, 2]
    assert all(not moment.any() for kind in state.values() for moment in kind.values())


@pytest.mark.parametrize("settings", [{"beta1": 1.0}, {"beta2": -0.1}, {"epsilon": 0.0}])
def test_adamw_refuses_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting, match=next(iter(settings))):
        AdamW(**settings)
