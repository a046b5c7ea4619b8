"""Oracle: the same network trained by torch's own optimizer, step by step."""

from collections.abc import Mapping
from typing import Any

import torch
from stripes_task import Stripes
from torch import nn

from automl.training.schedules import Constant
from automl.training.supervised import Supervised


def test_loop_follows_torchs_sgd() -> None:
    task = Stripes()
    recipe = task.baseline("resnet").replace(schedule=Constant(), learning_rate=0.05, weight_decay=0.01)
    signature, data = task.signature("resnet"), task.data("train", "resnet")
    trainer = Supervised()
    state = trainer.init(recipe, signature, seed=1, device="cpu")
    twin = trainer.init(recipe, signature, seed=1, device="cpu").model
    decayed = [p for p in twin.parameters() if p.ndim > 1]
    plain = [p for p in twin.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)
    for step in range(6):
        batch = (data.inputs[step * 8 : step * 8 + 8], data.targets[step * 8 : step * 8 + 8])
        loss = nn.functional.cross_entropy(twin(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert abs(trainer.step(state, batch, step=step) - float(loss.detach())) < 1e-4
    for ours, theirs in zip(state.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


class Listening:
    """A schedule that remembers its signals in its state."""

    def init(self, steps: int) -> list[Any]:
        return []

    def multiplier(self, state: list[Any], step: int, signals: Mapping[str, float]) -> tuple[float, list[Any]]:
        return 1.0, [*state, dict(signals)]


def test_schedule_hears_the_loss_and_what_the_gradients_are_like() -> None:
    task = Stripes()
    recipe = task.baseline("resnet").replace(schedule=Listening(), learning_rate=1e-12)
    trainer, data = Supervised(), task.data("train", "resnet")
    state = trainer.init(recipe, task.signature("resnet"), seed=0, device="cpu")
    batch = (data.inputs[:16], data.targets[:16])
    losses = [trainer.step(state, batch, step=step) for step in range(2)]
    first, second = state.schedule
    assert (first["loss"], first["gradient_dot"]) == (losses[0], 0.0)
    squares = sum(float(gradient.square().sum()) for gradient in state.previous.values())
    assert abs(second["gradient_dot"] / squares - 1) < 1e-4
    assert abs(second["gradient_l2"] ** 2 / squares - 1) < 1e-4
    sizes = sum(float(gradient.abs().sum()) for gradient in state.previous.values())
    assert abs(second["gradient_l1"] / sizes - 1) < 1e-4
    norms = trainer.report(state, ("gradient_norms", "something else"))
    assert norms == {
        "gradient_norms": {
            "l1": [first["gradient_l1"], second["gradient_l1"]],
            "l2": [first["gradient_l2"], second["gradient_l2"]],
        }
    }
    assert trainer.report(state, ()) == {}
    fresh = trainer.init(recipe, task.signature("resnet"), seed=0, device="cpu")
    restored = trainer.restore(fresh, trainer.snapshot(state))
    assert trainer.report(restored, ("gradient_norms",)) == norms


def test_parameters_are_views_of_two_buffers() -> None:
    task = Stripes()
    state = Supervised().init(task.baseline("resnet"), task.signature("resnet"), seed=0, device="cpu")
    assert set(state.buffers) == {"decayed", "plain"}
    state.buffers["decayed"].zero_()
    state.buffers["plain"].fill_(7)
    assert all(bool((p == (0 if p.ndim > 1 else 7)).all()) for p in state.model.parameters())
