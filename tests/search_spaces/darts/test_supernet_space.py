"""The space of differentiable searches: methods as settings, cells of `darts` as what comes out."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl.assemble import space_of
from automl.contracts import DerivingSpace, Leg, RecipeRef, RungJob, RungResult
from automl.errors import AutoMLError, InvalidSetting
from automl.testing.space_suite import SpaceSuite
from automl.training.runner import Runner
from automl.training.snapshots import SnapshotStore
from automl.training.tasks.digits import Digits
from search_spaces.darts.guards import HessianCollapse, SkipCollapse
from search_spaces.darts.space import DartsSpace
from search_spaces.darts.supernet import Supernet
from search_spaces.darts.supernet_space import Cooling, SupernetSpace

torch.set_num_threads(1)

SMALL: dict[str, Any] = {"channels": 2, "cells": 2, "derive_every": 2}


class TestSupernetSpace(SpaceSuite):
    def space(self) -> SupernetSpace:
        return SupernetSpace()


def search(
    space: SupernetSpace, folder: Path, *, steps: int = 4, seed: int = 3, ends: tuple[int, ...] = ()
) -> list[RungResult]:
    """Runs one short search as the engine does, cut into rungs at `ends`."""
    task = Digits(steps=steps, batch_size=8)
    runner = Runner(
        resolve_task={"digits": task}.__getitem__,
        resolve_space={"darts-supernet": space}.__getitem__,
        snapshots=SnapshotStore(directory=folder / "snapshots"),
    )
    (leg,) = task.legs("search")
    ref = RecipeRef(task="digits", variant=leg.variant, edits=(("darts-supernet", {"seed": seed}),))
    job = RungJob(kind="train", refs=(ref,), leg=Leg(variant=leg.variant), measure_every_steps=3, keep=True)
    results: list[RungResult] = []
    for first, last in pairwise((0, *ends, steps)):
        snapshots = results[-1].snapshots if results else ()
        results.append(runner.run(replace(job, steps=(first, last), snapshots=snapshots)))
    return results


def derived(results: list[RungResult]) -> list[Any]:
    return [entry for result in results for entry in result.measurements[0]["derived"]]


METHODS: dict[str, dict[str, Any]] = {
    "darts": {},
    "second-order": {"order": 2},
    "no-architect": {"order": 0, "schedule": "cosine-power"},
    "max-w": {"weighting": "max-w", "operations": "sharp"},
    "fair": {"weighting": "sigmoid"},
    "gdas": {"weighting": "gumbel"},
    "pc-darts": {"partial": 2, "frozen": 0.3},
    "r-darts": {"guard": "eigenvalue"},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_searches_and_derives_cells_of_the_space_that_it_names(method: str, tmp_path: Path) -> None:
    space = SupernetSpace(**{**SMALL, **METHODS[method]})
    result = search(space, tmp_path)
    assert result[0].diverged == (False,)
    darts = space_of(space.derives)
    for entry in derived(result):
        assert darts.decode(entry["genotype"]) == entry["genotype"]
    assert [entry["step"] for entry in derived(result)] == [2, 4]
    metrics = result[0].curves[0].metrics
    assert {"entropy_normal", "entropy_reduce", "skips"} <= set(metrics)
    assert ("entropy_normal_edges" in metrics) == (method == "pc-darts")
    assert ("eigenvalue" in metrics) == (method == "r-darts")


def test_seeds_are_different_searches_and_equal_seeds_the_same(tmp_path: Path) -> None:
    space = SupernetSpace(**SMALL)
    curves = [search(space, tmp_path, seed=seed, steps=2)[0].curves[0] for seed in (3, 3, 4)]
    assert curves[0] == curves[1] != curves[2]


@pytest.mark.parametrize("method", ["second-order", "gdas", "pc-darts", "r-darts"])
def test_a_search_in_rungs_ends_as_the_whole(method: str, tmp_path: Path) -> None:
    """Step 2 is measured by the rungs only; samples of later steps must not depend on that."""
    space = SupernetSpace(**{**SMALL, **METHODS[method]})
    (whole,), (first, second) = search(space, tmp_path), search(space, tmp_path, ends=(2,))
    assert first.curves[0].steps == (2,)
    for name, values in second.curves[0].metrics.items():
        if name != "train_loss":  # a mean since the measurement before, which is another one
            assert values == whole.curves[0].metrics[name], name
    assert second.snapshots == whole.snapshots
    assert derived([first, second]) == derived([whole])


def test_the_derived_space_is_named_with_the_settings_that_decode_its_cells() -> None:
    assert isinstance(SupernetSpace(), DerivingSpace)
    assert SupernetSpace().derives == "darts"
    sharp = SupernetSpace(operations="sharp", nodes=3)
    assert sharp.derives == 'darts?{"nodes":3,"operations":"sharp"}'
    assert space_of(sharp.derives) == DartsSpace(operations="sharp", nodes=3)


def test_the_recipe_is_that_of_the_paper() -> None:
    recipe = SupernetSpace().apply({"seed": 0}, Digits().baseline("resnet"))
    assert (recipe.learning_rate, recipe.weight_decay) == (0.025, 3e-4)
    state = recipe.schedule.init(50)
    assert recipe.schedule.multiplier(state, 0, {})[0] == 1.0
    assert recipe.schedule.multiplier(state, 50, {})[0] * recipe.learning_rate == pytest.approx(0.001)
    assert recipe.decays("norm.bias", torch.zeros(3))


def test_gumbel_samples_are_cooled_from_10_to_a_tenth() -> None:
    recipe = SupernetSpace(weighting="gumbel", **SMALL).apply({"seed": 0}, Digits().baseline("resnet"))
    assert isinstance(recipe.on_progress, Cooling)
    model = recipe.model(Digits().signature("resnet"), recipe.norm_act, torch.Generator().manual_seed(0))
    assert isinstance(model, Supernet)
    for share, temperature in ((0.0, 10.0), (0.5, 5.05), (1.0, 0.1)):
        recipe.on_progress(model, share)
        assert model.temperature == pytest.approx(temperature)
    assert "on_progress" in SupernetSpace(weighting="gumbel").slots
    assert "on_progress" not in SupernetSpace().slots


def test_guards_are_monitors_of_the_space() -> None:
    assert SupernetSpace().monitors() == ()
    assert SupernetSpace(guard="dartsplus").monitors() == (SkipCollapse(limit=2),)
    assert SupernetSpace(guard="skips", skips_allowed=3).monitors() == (SkipCollapse(limit=4),)
    assert SupernetSpace(guard="eigenvalue").monitors() == (HessianCollapse(),)


def test_a_search_is_described_by_its_method() -> None:
    space = SupernetSpace(weighting="max-w", order=0, partial=4, guard="dartsplus")
    expected = "differentiable search, max-w over darts, no architect, 1/4 of the channels, guard dartsplus, seed 7"
    assert space.describe({"seed": 7}) == expected


def test_derived_cells_are_drawn_as_their_space_draws_them() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    genotype = DartsSpace().sample(np.random.default_rng(0)).genotype
    axes = figure.add_subplot()
    SupernetSpace().draw_derived(genotype, axes)
    assert axes.texts or axes.patches


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.0},
        {"architecture_learning_rate": -1.0},
        {"weight_decay": -0.1},
        {"guard": "luck"},
        {"skips_allowed": -1},
        {"schedule": "step"},
        {"order": 3},
        {"order": 0, "frozen": 0.2},
        {"order": 2, "weighting": "gumbel"},
        {"derive_every": 0},
        {"operations": "many"},
        {"weighting": "equal"},
        {"partial": 0},
        {"cells": 0},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(AutoMLError):
        SupernetSpace(**settings)


def test_batches_of_one_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="normalize"):
        SupernetSpace().require(Digits().signature("resnet"), Digits(batch_size=1).baseline("resnet"))
