"""A tiny space and a runner, so that tests of the engine take milliseconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from stripes_task import OwnNetwork, Stripes
from torch import Tensor, nn

from automl.contracts import Leg, Recipe, RecipeRef, RungJob
from automl.errors import InvalidGenotype
from automl.training.runner import Runner
from automl.training.snapshots import SnapshotStore

torch.set_num_threads(1)


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        if self.factor == 13:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return torch.relu(x) * self.factor


@dataclass(frozen=True)
class ScaleSpace:
    """Genotype {"factor": x}: the layer relu(x) * factor."""

    def encode(self, genotype: Mapping[str, Any]) -> Mapping[str, Any]:
        return genotype

    def decode(self, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(answers.get("factor"), float):
            raise InvalidGenotype("factor", answers.get("factor"), "a float")
        return answers

    def apply(self, genotype: Mapping[str, Any], recipe: Recipe) -> Recipe:
        return recipe.replace(norm_act=lambda channels, role: Scaled(genotype["factor"]))


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    tasks = {"stripes": Stripes(), "own-network": OwnNetwork()}
    return Runner(
        resolve_task=tasks.__getitem__,
        resolve_space={"scale": ScaleSpace()}.__getitem__,
        snapshots=SnapshotStore(directory=tmp_path / "snapshots"),
        export_probe=lambda model, example: "no such operator" if model.training else None,
    )


@pytest.fixture
def job() -> Callable[..., RungJob]:
    """Returns a job on the stripes; `factor` makes it a candidate of the scale space."""

    def make(task: str = "stripes", factor: float | None = None, **changes: Any) -> RungJob:
        variant = "resnet" if task == "stripes" else "network"
        overrides = changes.pop("overrides", {})
        edits = (("scale", {"factor": factor}),) if factor is not None else ()
        ref = RecipeRef(task=task, variant=variant, edits=edits, overrides=overrides)
        given = {"kind": "train", "steps": (0, 24), "measure_every_steps": 4, "keep": True, **changes}
        return RungJob(refs=(ref,), leg=Leg(variant=variant, overrides=overrides), **given)

    return make
