"""A differentiable search as rung jobs of the real runner, on a small searchable network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stripes_task import Stripes
from torch import Tensor, nn
from torch.nn import Parameter

from automl.canonical import digest
from automl.contracts import Leg, Recipe, RecipeRef, RungJob, RungResult
from automl.training.runner import Runner
from automl.training.snapshots import SnapshotStore
from search_spaces.darts.annealing import CosineToFloor
from search_spaces.darts.bilevel import BilevelTrainer
from search_spaces.darts.weight_rule import MomentumSGD

torch.set_num_threads(1)


class TwoRoads(nn.Module):
    """A convolution and a pooling side by side, mixed; dropout draws from torch's own generator."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.wide = nn.Conv2d(4, 4, 3, padding=1)
        self.pool = nn.AvgPool2d(3, stride=1, padding=1)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Flatten(), nn.Linear(256, 3))
        self.architecture = nn.ParameterDict({"normal": 1e-3 * torch.randn(1, 2, generator=generator)})

    def forward(self, images: Tensor) -> Tensor:
        state = torch.relu(self.stem(images))
        weights = torch.softmax(self.architecture["normal"][0], dim=0)
        scores: Tensor = self.head(weights[0] * self.wide(state) + weights[1] * self.pool(state))
        return scores

    def architecture_parameters(self) -> list[Parameter]:
        return list(self.architecture.values())

    def weight_parameters(self) -> list[Parameter]:
        return [one for name, one in self.named_parameters() if not name.startswith("architecture")]

    def mixing(self) -> Mapping[str, Tensor]:
        return {"normal": torch.softmax(self.architecture["normal"], dim=1)}


@dataclass(frozen=True)
class Roads:
    """Genotype {"order": 0, 1 or 2}: a search between the two roads."""

    def encode(self, genotype: Mapping[str, Any]) -> Mapping[str, Any]:
        return genotype

    def decode(self, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        return answers

    def apply(self, genotype: Mapping[str, Any], recipe: Recipe) -> Recipe:
        trainer = BilevelTrainer(
            derive=lambda mixing: {"road": int(mixing["normal"].argmax())},
            read=lambda mixing, road: {"largest": float(mixing["normal"].max())},
            order=genotype["order"],
            derive_every=4,
            sharpness=genotype["order"] > 0,
        )
        return recipe.replace(
            model=lambda signature, norm_act, generator: TwoRoads(generator),
            trainer=trainer,
            update_rule=MomentumSGD(),
            schedule=CosineToFloor(),
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(
        resolve_task={"stripes": Stripes()}.__getitem__,
        resolve_space={"roads": Roads()}.__getitem__,
        snapshots=SnapshotStore(directory=tmp_path / "snapshots"),
    )


def job_of(order: int, **changes: Any) -> RungJob:
    ref = RecipeRef(task="stripes", variant="resnet", edits=(("roads", {"order": order}),))
    whole = RungJob(
        kind="train", refs=(ref,), leg=Leg(variant="resnet"), steps=(0, 20), measure_every_steps=5, keep=True
    )
    return replace(whole, **changes)


def derived(result: RungResult) -> list[Any]:
    found: list[Any] = result.measurements[0]["derived"]  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("order", [0, 1, 2])
def test_rung_by_rung_is_the_whole(runner: Runner, order: int) -> None:
    whole = runner.run(job_of(order))
    first = runner.run(job_of(order, steps=(0, 10)))
    second = runner.run(job_of(order, steps=(10, 20), snapshots=first.snapshots))
    assert first.curves[0].then(second.curves[0]) == whole.curves[0]
    assert derived(first) + derived(second) == derived(whole)
    assert [entry["step"] for entry in derived(first)] == [4, 8]
    assert second.snapshots == whole.snapshots
    names = {"accuracy", "loss", "train_loss", "largest"} | ({"eigenvalue"} if order else set())
    assert set(whole.curves[0].metrics) == names


def test_a_lost_snapshot_changes_nothing_that_is_recorded(runner: Runner) -> None:
    first = runner.run(job_of(2, steps=(0, 10)))
    second = runner.run(job_of(2, steps=(10, 20), snapshots=first.snapshots))
    runner.snapshots.discard(first.snapshots[0])
    again = runner.run(job_of(2, steps=(10, 20), snapshots=first.snapshots))
    assert again.steps == 20
    assert digest([again.curves[0].to_json(), derived(again)]) == digest([second.curves[0].to_json(), derived(second)])


def test_a_search_that_diverges_keeps_what_it_derived(runner: Runner) -> None:
    ref = replace(job_of(1).refs[0], overrides={"learning_rate": 1e12})
    result = runner.run(job_of(1, refs=(ref,)))
    assert result.diverged == (True,)
    assert [entry["step"] for entry in derived(result)] == list(range(4, result.curves[0].steps[-1], 4))
    assert result.curves[0].metrics["largest"][-1] is None
