"""The space: closed, pure, one fingerprint per function, and what `apply` builds."""

import numpy as np
import optuna
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.authoring.answers import RandomAnswers
from automl.contracts import Signature
from automl.errors import InvalidGenotype, InvalidSetting, UnknownName
from automl.testing.space_suite import SpaceSuite
from automl.training.tasks.digits import Digits
from search_spaces.darts import DartsSpace
from search_spaces.darts.cell import CellPair, parse_cell
from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.regularisation import AuxiliaryLoss, Cutout, RisingDropPath

SPACE = DartsSpace()
RECIPE = Digits().baseline("resnet")
seeds = st.integers(0, 10**6)


class TestDartsSpace(SpaceSuite):
    def space(self) -> DartsSpace:
        return SPACE


class TestSharperSpaceWithNone(SpaceSuite):
    def space(self) -> DartsSpace:
        return DartsSpace(operations="sharper", none_allowed=True)


class TestSmallestSpace(SpaceSuite):
    def space(self) -> DartsSpace:
        return DartsSpace(nodes=1)


def test_the_default_space_has_the_published_number_of_cells():
    """prod_k (k (k + 1) / 2) * 7^2 for k = 1..4, about 1e9: here counted from the questions."""
    answers = RandomAnswers(np.random.default_rng(0))
    pair = SPACE.suggest(answers)
    ordered = 1
    for state in range(2, 6):
        ordered *= 49 * (state * (state - 1) if state > 2 else 1)
    unordered = ordered // 2**3  # the edges of a node are a set; those of the first node are asked in order
    assert unordered == 1_037_664_180 and len(pair.normal.nodes) == 4


def test_samplers_of_optuna_can_ask():
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=3))
    for _ in range(8):
        trial = study.ask()
        SPACE.suggest(trial)
        assert SPACE.decode(trial.params) == trial.params
        study.tell(trial, float(len(trial.params)))


def test_designs_are_seeds_where_the_settings_allow_them():
    published = ["darts-v2", "darts-v1", "one-shot", "pc-darts-cifar", "pc-darts-imagenet", "p-darts", "gdas-v1"]
    assert list(SPACE.zoo()) == [*published, "sharpsepconv-darts", "sharpsepconv-darts-max-w"]
    sharper = DartsSpace(operations="sharper").zoo()
    assert {"sharper-max-w", "darts-v2"} <= set(sharper) and "sharper-max-w-none" not in sharper
    assert "sharper-max-w-none" in DartsSpace(operations="sharper", none_allowed=True).zoo()
    assert {"sharp-darts", "sharp-darts-max-w"} <= set(DartsSpace(operations="sharp").zoo())
    assert not DartsSpace(nodes=3).zoo()


def test_a_genotype_is_the_pair_of_cells_it_was_written_from():
    pair = DESIGNS["darts-v2"].cells
    assert SPACE.pair(SPACE.from_pair(pair)) == pair


@settings(max_examples=30)
@given(seed=seeds)
def test_the_order_of_a_nodes_edges_does_not_matter(random_pair, seed):
    pair = random_pair(seed)
    turned = [
        parse_cell(" / ".join(" ".join(reversed(node.split())) for node in text.split("/")))
        for text in SPACE.describe(SPACE.from_pair(pair)).removeprefix("normal ").split("; reduce ")
    ]
    other = SPACE.from_pair(CellPair(normal=turned[0], reduce=turned[1]))
    assert SPACE.fingerprint(other) == SPACE.fingerprint(SPACE.from_pair(pair))
    assert SPACE.describe(other) == SPACE.describe(SPACE.from_pair(pair))


def test_equal_functions_are_built_alike_to_the_last_bit(digits):
    one = SPACE.from_pair(DESIGNS["darts-v2"].cells)
    other = SPACE.from_pair(DESIGNS["darts-v2"].cells.canonical())
    assert one != other
    models = [
        SPACE.apply(genotype, RECIPE).model(digits, RECIPE.norm_act, torch.Generator().manual_seed(0))
        for genotype in (one, other)
    ]
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(models[0](images), models[1](images))


def test_an_edge_of_nothing_is_no_edge():
    space = DartsSpace(nodes=1, none_allowed=True)
    pairs = [
        CellPair(normal=parse_cell(text), reduce=parse_cell("mx,0 mx,1"))
        for text in ("n,0 s3,1", "s3,0 n,1", "n,0 n,1")
    ]
    prints = {space.fingerprint(space.from_pair(pair)) for pair in pairs}
    assert len(prints) == 3
    wide = DartsSpace(nodes=2, none_allowed=True)
    pairs = [
        CellPair(normal=parse_cell(f"sk,0 s3,1 / {text}"), reduce=parse_cell("mx,0 mx,1 / sk,2 mx,0"))
        for text in ("n,0 s3,1", "s3,1 n,2", "n,2 s3,1")
    ]
    assert len({wide.fingerprint(wide.from_pair(pair)) for pair in pairs}) == 1


@settings(max_examples=30)
@given(seed=seeds)
def test_mutants_are_other_functions(seed):
    space, rng = DartsSpace(none_allowed=True), np.random.default_rng(seed)
    genotype = space.sample(rng).genotype
    for _ in range(5):
        assert space.fingerprint(space.mutate(genotype, rng).genotype) != space.fingerprint(genotype)


@settings(max_examples=30)
@given(seed=seeds)
def test_reductions_are_genotypes_and_other_functions(seed):
    genotype = SPACE.sample(np.random.default_rng(seed)).genotype
    for shorter in SPACE.reductions(genotype):
        assert SPACE.decode(shorter) == shorter and SPACE.fingerprint(shorter) != SPACE.fingerprint(genotype)


@settings(max_examples=80)
@given(seed=seeds, data=st.data())
def test_spoilt_genotypes_are_refused_or_read_and_nothing_else(seed, data):
    genotype = dict(SPACE.sample(np.random.default_rng(seed)).genotype)
    name = data.draw(st.sampled_from(sorted(genotype)))
    values = st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.text(max_size=3) | st.just([1])
    genotype[name] = data.draw(values | st.sampled_from(["none", "sep_conv_3x3", "flood_conv_3x3"]))
    try:
        assert SPACE.decode(genotype) == genotype
    except InvalidGenotype:
        return


def test_what_people_read_is_one_line_and_one_line_per_node():
    genotype = SPACE.zoo()["darts-v2"]
    assert SPACE.describe(genotype) == (
        "normal s3,0 s3,1 / s3,0 s3,1 / sk,0 s3,1 / sk,0 d3,2; reduce mx,0 mx,1 / mx,1 sk,2 / mx,0 sk,2 / mx,1 sk,2"
    )
    assert len(SPACE.listing(genotype)) == 8


def test_only_the_slots_of_the_settings_are_changed():
    assert SPACE.slots == {"model"}
    changed = SPACE.apply(SPACE.zoo()["darts-v1"], RECIPE)
    assert changed.replace(model=RECIPE.model) == RECIPE
    full = DartsSpace(auxiliary=0.4, drop_path=0.2, cutout=3)
    assert full.slots == {"model", "loss", "on_progress", "augment"}
    changed = full.apply(full.zoo()["darts-v1"], RECIPE)
    assert changed.loss == AuxiliaryLoss(loss=RECIPE.loss, weight=0.4)
    assert changed.on_progress == RisingDropPath(progress=RECIPE.on_progress, peak=0.2)
    assert changed.augment == Cutout(augment=RECIPE.augment, length=3)


def test_a_recipe_with_all_extras_trains_and_goes_on_from_a_snapshot(digits):
    """The loss of the task takes the auxiliary scores behind the main ones, and drop path is set at every step."""
    space = DartsSpace(auxiliary=0.4, drop_path=0.5, cutout=3, cells=3)
    recipe = space.apply(space.zoo()["darts-v2"], RECIPE).replace(batch_size=8, steps=4)
    data = Digits().data("train", "resnet")
    batch = recipe.augment((data.inputs[:8], data.targets[:8]), torch.Generator().manual_seed(0))

    def trained(first: int, last: int, snapshot=None) -> tuple:
        state = recipe.trainer.init(recipe, digits, seed=0, device="cpu")
        state = state if snapshot is None else recipe.trainer.restore(state, snapshot)
        losses = []
        for step in range(first, last):
            torch.manual_seed(step)
            losses.append(recipe.trainer.step(state, batch, step=step))
        return losses, recipe.trainer.snapshot(state), recipe.trainer.model(state)

    whole, _, model = trained(0, 4)
    head, snapshot, _ = trained(0, 2)
    tail, _, _ = trained(2, 4, snapshot)
    assert head + tail == whole and np.isfinite(whole).all()
    assert model.cells[0].drop_probability == pytest.approx(0.5 * 3 / 4)
    assert Digits().measure(model, Digits().data("validation", "resnet")).keys() == {"accuracy", "loss"}


def test_batches_of_one_example_are_refused():
    with pytest.raises(InvalidSetting, match="batch_size=1"):
        SPACE.require(Signature(inputs=(3, 8, 8), outputs=(10,)), RECIPE.replace(batch_size=1))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [({"nodes": 0}, "nodes"), ({"nodes": 9}, "nodes"), ({"cells": 0}, "cells"), ({"channels": 0}, "channels"),
     ({"auxiliary": -1}, "auxiliary"), ({"auxiliary": float("nan")}, "auxiliary"), ({"drop_path": 1.0}, "drop_path"),
     ({"cutout": -1}, "cutout"), ({"cutout": 1.5}, "cutout"), ({"choke": 0}, "choke"), ({"stem": "big"}, "stem"),
     ({"none_allowed": 1}, "none_allowed")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong, complaint):
    with pytest.raises(InvalidSetting, match=rf"darts\.{complaint}"):
        DartsSpace(**wrong)


def test_an_unknown_set_of_operations_is_refused_with_the_known_ones():
    with pytest.raises(UnknownName, match="sharpsepconv-darts"):
        DartsSpace(operations="dart")
