"""Differentiable searches over chains: a seed is a search, and what it derives are genotypes of `hypercuboid`."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from automl.contracts import DERIVED, DerivingSpace, Recipe, Signature
from automl.errors import InvalidSetting, UnknownName
from automl.plugins import parse
from automl.testing.space_suite import SpaceSuite
from search_spaces.darts.hypercuboid import HyperCuboidSpace, HyperCuboidSupernetSpace
from search_spaces.darts.hypercuboid.grid import GridSupernet

SIGNATURE = Signature(inputs=(1, 8, 8), outputs=(3,))
SMALL = {"channels": 4, "widths": 2, "layers": 2, "features": 8, "learning_rate": 0.1}
STEPS = 24


class TestHyperCuboidSupernetSpace(SpaceSuite):
    def space(self) -> HyperCuboidSupernetSpace:
        return HyperCuboidSupernetSpace()


def recipe_of(space: HyperCuboidSupernetSpace, *, seed: int = 0, batch_size: int = 8) -> Recipe:
    plain: dict[str, Any] = dict.fromkeys(
        ("model", "norm_act", "update_rule", "decays", "schedule", "trainer"), None
    )
    recipe = Recipe(
        **plain,
        learning_rate=1.0,
        weight_decay=0.0,
        loss=functional.cross_entropy,
        augment=lambda batch, generator: batch,
        on_progress=lambda model, share: None,
        batch_size=batch_size,
        steps=STEPS,
    )
    return space.apply({"seed": seed}, recipe)


def batch_of(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bars in one of three rows, 8 images for the weights and 8 for the architecture."""
    generator = torch.Generator().manual_seed(step)
    targets = torch.randint(3, (16,), generator=generator)
    images = 0.1 * torch.randn(16, 1, 8, 8, generator=generator)
    images[torch.arange(16), 0, 2 * targets + 1] += 1.0
    return images, targets


def run(space: HyperCuboidSupernetSpace, *, seed: int = 0, stop: int | None = None) -> tuple[Any, list[float]]:
    """Trains; where `stop` is given, goes on there from a snapshot in a fresh state."""
    recipe = recipe_of(space, seed=seed)
    trainer = recipe.trainer
    state = trainer.init(recipe, SIGNATURE, seed=1, device="cpu")
    losses = []
    for step in range(STEPS):
        if step == stop:
            kept = copy.deepcopy(trainer.snapshot(state))
            state = trainer.restore(trainer.init(recipe, SIGNATURE, seed=1, device="cpu"), kept)
        losses.append(trainer.step(state, batch_of(step), step=step))
    return state, losses


def test_it_says_which_space_its_chains_belong_to() -> None:
    assert isinstance(HyperCuboidSupernetSpace(), DerivingSpace)
    assert HyperCuboidSupernetSpace().derives == "hypercuboid"
    space = HyperCuboidSupernetSpace(**SMALL)
    located = parse(space.derives)
    assert located.place == "hypercuboid"
    assert HyperCuboidSpace(**located.settings) == space.derived_space


@pytest.mark.parametrize("weighting", ["softmax", "max-w", "max-w-detached"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_search_learns_moves_the_grid_and_derives_chains_that_decode(weighting, order) -> None:
    space = HyperCuboidSupernetSpace(
        **SMALL, weighting=weighting, order=order, architecture_learning_rate=0.01, derive_every=8
    )
    state, losses = run(space)
    assert losses[-1] < 0.8 * losses[0]
    assert isinstance(state.model, GridSupernet)
    assert float(state.model.architecture["grid"].detach().abs().max()) > 0.005
    derived = space.trainer(seed=0).report(state, ())[DERIVED]
    assert [entry["step"] for entry in derived] == [8, 16, 24]
    assert all(space.derived_space.decode(entry["genotype"]) == entry["genotype"] for entry in derived)
    assert all(0 < entry["entropy_grid"] <= np.log(8) + 1e-12 for entry in derived)
    assert all(entry["path_weight"] >= 0.25 for entry in derived)


def test_an_interrupted_search_ends_bit_for_bit() -> None:
    space = HyperCuboidSupernetSpace(**SMALL)
    whole, interrupted = run(space)[0].model.state_dict(), run(space, stop=5)[0].model.state_dict()
    assert all(torch.equal(whole[name], interrupted[name]) for name in whole)


def test_seeds_are_different_searches() -> None:
    space = HyperCuboidSupernetSpace(**SMALL)
    first, second = (run(space, seed=seed)[1] for seed in (0, 1))
    assert first != second


def test_a_derived_chain_is_drawn_by_its_own_space() -> None:
    from matplotlib.figure import Figure

    space = HyperCuboidSupernetSpace()
    axes = Figure().add_subplot()
    space.draw_derived(space.derived_space.zoo()["scalar-first-4"], axes)
    assert axes.get_title().startswith("8: 8S 32R 32S 8R")


def test_a_batch_of_one_is_refused() -> None:
    space = HyperCuboidSupernetSpace()
    with pytest.raises(InvalidSetting, match="batch_size"):
        space.require(Signature(inputs=(1, 8, 8), outputs=(10,)), recipe_of(space, batch_size=1))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"layers": 3}, "layers"),
        ({"weighting": "gumbel"}, "weighting"),
        ({"order": 3}, "order"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"architecture_learning_rate": -1.0}, "architecture_learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"schedule": "linear"}, "schedule"),
        ({"always_apply": 1}, "always_apply"),
        ({"derive_every": 0}, "derive_every"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, name) -> None:
    with pytest.raises(InvalidSetting, match=name):
        HyperCuboidSupernetSpace(**settings)


def test_an_unknown_decoder_is_refused() -> None:
    with pytest.raises(UnknownName, match="decoder"):
        HyperCuboidSupernetSpace(decoder="flow")
