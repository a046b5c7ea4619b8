"""What is stacked, what is not, and which width is taken, with a clock that is told the time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from stripes_task import Stripes
from torch import Tensor, nn

from automl.contracts import Recipe, Signature
from automl.errors import InvalidSetting
from automl.training import calibration
from automl.training.calibration import calibrate, require_stackable

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True, kw_only=True)
class OneLayer(Stripes):
    """A network as small as they come; `hidden` layers lie in front of it."""

    name: ClassVar[str] = "one-layer"

    def hidden(self) -> nn.Module:
        return nn.Identity()

    def network(self, signature: Signature) -> nn.Module:
        return nn.Sequential(self.hidden(), nn.Flatten(), nn.Linear(64, 3))


class Dropped(OneLayer):
    __slots__ = ()

    def hidden(self) -> nn.Module:
        return nn.Dropout(0.5)


class Deciding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class FollowsTheData(OneLayer):
    __slots__ = ()

    def hidden(self) -> nn.Module:
        return Deciding()


class Scale(nn.Module):
    share = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 - self.share)


class Warms(OneLayer):
    """A network that changes over its run, as drop path and temperatures do."""

    __slots__ = ()

    def hidden(self) -> nn.Module:
        return Scale()

    def baseline(self, variant: str) -> Recipe:
        def progress(model: nn.Module, share: float) -> None:
            model[0].share = share  # type: ignore[index, union-attr]

        return OneLayer.baseline(self, variant).replace(on_progress=progress)


class OwnTrainer(OneLayer):
    __slots__ = ()

    def baseline(self, variant: str) -> Recipe:
        recipe = OneLayer.baseline(self, variant)

        class Other(type(recipe.trainer)):  # type: ignore[misc]
            __slots__ = ()

        return recipe.replace(trainer=Other())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("task", [Dropped(), FollowsTheData(), Warms(), OwnTrainer()])
def test_what_cannot_be_written_down_once_is_not_stacked(task: OneLayer) -> None:
    with pytest.raises(InvalidSetting, match=r"executor\.batch"):
        require_stackable(task)


@pytest.mark.parametrize("task", [Dropped(), FollowsTheData(), OwnTrainer()])
def test_a_task_that_cannot_be_stacked_has_width_one_and_a_reason(task: OneLayer) -> None:
    found = calibrate(task, memory_bytes=1 << 30)
    assert (found.width, found.speed_up) == (1, 1.0)
    assert "executor.batch" in found.reason


def test_plain_and_normalised_networks_can_be_stacked() -> None:
    require_stackable(OneLayer())
    require_stackable(Stripes())


@pytest.mark.parametrize(
    ("speed_ups", "width"),
    [
        ({8: 3.0, 16: 4.0, 32: 4.2}, 16),  # 4.0 is 95 % of the best, 3.0 is not 90 %
        ({8: 4.0, 16: 4.1, 32: 3.0}, 8),
        ({8: 1.9}, 1),
        ({}, 1),
    ],
)
def test_the_narrowest_stack_that_nearly_reaches_the_best_is_taken(
    monkeypatch: pytest.MonkeyPatch, speed_ups: dict[int, float], width: int
) -> None:
    monkeypatch.setattr(calibration, "_speed_ups", lambda *given: speed_ups)
    assert calibrate(OneLayer(), memory_bytes=1 << 30).width == width


def test_widths_end_where_memory_does() -> None:
    small = calibrate(OneLayer(), memory_bytes=1000)
    assert (small.width, small.speed_up) == (1, 1.0)


def test_the_widest_stack_is_taken_where_it_costs_one_step() -> None:
    ticks = iter(range(10**6))
    found = calibrate(OneLayer(), memory_bytes=1 << 30, clock=lambda: float(next(ticks)))  # a stack costs as one step
    assert found.width == 32
    assert found.speed_up == 32
