"""What wraps the slots of a recipe: auxiliary loss, drop path, cutout."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search_spaces.darts.designs import DESIGNS
from search_spaces.darts.regularisation import AuxiliaryLoss, Cutout, RisingDropPath


def unchanged(batch, generator):
    return batch


def cut(images: torch.Tensor, length: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return Cutout(augment=unchanged, length=length)((images, torch.zeros(len(images))), generator)[0]


def test_the_auxiliary_loss_is_weighted_and_added():
    loss = AuxiliaryLoss(loss=lambda scores, targets: (scores - targets).square().mean(), weight=0.4)
    scores, targets = torch.tensor([1.0]), torch.tensor([0.0])
    assert float(loss((scores, 3 * scores), targets)) == pytest.approx(1 + 0.4 * 9)
    assert float(loss(scores, targets)) == 1.0


def test_drop_path_rises_linearly_and_the_recipes_own_progress_is_called(built, digits):
    calls = []
    rising = RisingDropPath(progress=lambda model, share: calls.append(share), peak=0.2)
    network = built(DESIGNS["darts-v2"].cells, signature=digits)
    model = nn.Sequential(network)
    for share in (0.0, 0.5, 1.0):
        rising(model, share)
        assert network.cells[0].drop_probability == pytest.approx(0.2 * share)
    assert calls == [0.0, 0.5, 1.0]


@given(seed=st.integers(0, 10**6), length=st.integers(1, 12), height=st.integers(1, 9), width=st.integers(1, 9))
def test_cutout_zeroes_one_rectangle_per_image_through_all_channels(seed, length, height, width):
    hit = cut(torch.ones(3, 2, height, width), length, seed) == 0
    for image in hit:
        assert torch.equal(image[0], image[1])
        rows, columns = image[0].any(1), image[0].any(0)
        assert 1 <= int(rows.sum()) <= min(length, height) and 1 <= int(columns.sum()) <= min(length, width)
        assert torch.equal(image[0], rows[:, None] & columns[None, :])


def test_cutout_in_the_middle_has_the_whole_length():
    areas = (cut(torch.ones(500, 1, 32, 32), 16) == 0).sum((1, 2, 3))
    assert int(areas.max()) == 256 and int(areas.min()) >= 64


def test_cutout_depends_on_the_generator_only():
    images = torch.ones(8, 1, 16, 16)
    assert torch.equal(cut(images, 6, seed=1), cut(images, 6, seed=1))
    assert not torch.equal(cut(images, 6, seed=1), cut(images, 6, seed=2))


def test_cutout_comes_after_the_recipes_own_augmentation():
    brighter = Cutout(augment=lambda batch, generator: (batch[0] + 1, batch[1]), length=2)
    images, targets = brighter((torch.ones(4, 1, 8, 8), torch.arange(4)), torch.Generator().manual_seed(0))
    assert set(images.flatten().tolist()) == {0.0, 2.0} and torch.equal(targets, torch.arange(4))
