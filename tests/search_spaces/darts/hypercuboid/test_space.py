"""The space of chains: closed, pure, and what `apply` builds."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from automl.contracts import Signature
from automl.errors import InvalidGenotype, InvalidSetting
from automl.testing.space_suite import SpaceSuite
from search_spaces.darts.hypercuboid import HyperCuboidSpace
from search_spaces.darts.hypercuboid.chain import read_chain, to_chain
from search_spaces.darts.hypercuboid.zoo import PUBLISHED

SPACE = HyperCuboidSpace()
PAPER = HyperCuboidSpace(channels=32, widths=4, layers=8, features=768)


class TestHyperCuboidSpace(SpaceSuite):
    def space(self) -> HyperCuboidSpace:
        return SPACE


class TestPaperGrid(SpaceSuite):
    def space(self) -> HyperCuboidSpace:
        return PAPER


def recipe(batch_size: int = 8) -> SimpleNamespace:
    plain = SimpleNamespace(model=None, batch_size=batch_size)
    plain.replace = lambda **changes: SimpleNamespace(**{**vars(plain), **changes})
    return plain


def test_published_chains_round_trip_through_genotypes():
    designs = PAPER.zoo()
    assert {name: to_chain(genotype) for name, genotype in designs.items()} == dict(PUBLISHED)
    assert all(PAPER.from_chain(PUBLISHED[name]) == genotype for name, genotype in designs.items())
    assert PAPER.describe(designs["handmade"]) == "32: 32S 64R 64S 128R 128S 256R 256S 256R"


def test_a_proxy_grid_has_published_chains_to_start_from():
    assert len(SPACE.zoo()) == 8
    assert SPACE.describe(SPACE.zoo()["handmade-first-4"]) == "8: 8S 16R 16S 32R"


def test_apply_changes_the_model_into_the_chain_and_nothing_else():
    changed = SPACE.apply(SPACE.zoo()["scalar-first-4"], recipe())
    network = changed.model(Signature(inputs=(1, 8, 8), outputs=(10,)), None, torch.Generator())
    assert network(torch.randn(3, 1, 8, 8)).shape == (3, 10)
    assert network.head.in_features == 96


def test_a_batch_of_one_is_refused():
    with pytest.raises(InvalidSetting, match="batch_size"):
        SPACE.require(Signature(inputs=(1, 8, 8), outputs=(10,)), recipe(batch_size=1))


@pytest.mark.parametrize("text", ["8: 8S 8R", "8: 8S 8R 8R 9R", "128: 8S 8R 8R 8R"])
def test_a_chain_off_the_grid_is_refused(text):
    with pytest.raises(InvalidGenotype):
        SPACE.from_chain(read_chain(text))


def test_steps_are_listed_in_words():
    listed = SPACE.listing(SPACE.from_chain(read_chain("8: 8S 16R 16R 16R")))
    assert [part for part, _ in listed] == ["stem 8", "8S", "16R", "16R", "16R"]
    assert listed[2][1].startswith("to 16 channels, half the size: 3x3 max pooling")


def test_reductions_replace_one_convolution_each():
    genotype = SPACE.from_chain(read_chain("8: 8S 16R 16S 16R"))
    assert [SPACE.describe(shorter) for shorter in SPACE.reductions(genotype)] == [
        "8: 8R 16R 16S 16R",
        "8: 8S 16R 16R 16R",
    ]
    assert SPACE.reductions(SPACE.from_chain(read_chain("8: 8R 16R 16R 16R"))) == ()


def test_features_are_part_of_the_function():
    genotype = SPACE.sample(np.random.default_rng(0)).genotype
    assert SPACE.fingerprint(genotype) != HyperCuboidSpace(features=48).fingerprint(genotype)


@pytest.mark.parametrize("settings", [{"layers": 5}, {"channels": 0}, {"widths": 0}, {"features": "192"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidSetting, match="hypercuboid"):
        HyperCuboidSpace(**settings)
