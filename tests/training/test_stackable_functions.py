"""The forms that stack well against torch's own functions."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from automl.training import stackable_functions
from automl.training.stackable_functions import MOST_ROWS, StackableForms


@settings(max_examples=25, deadline=None)
@given(
    examples=st.integers(1, 6),
    classes=st.integers(1, 40),
    scale=st.sampled_from([1e-3, 1.0, 500.0]),
    ignored=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_loss_and_its_gradient_are_torchs_own(
    examples: int, classes: int, scale: float, ignored: bool, dtype: torch.dtype
) -> None:
    scores = (torch.randn(examples + 1, classes, dtype=dtype) * scale).requires_grad_()
    targets = torch.randint(0, classes, (examples + 1,))
    targets[0] = -100 if ignored else targets[0]
    wanted = functional.cross_entropy(scores, targets)
    found = stackable_functions.cross_entropy(scores, targets)
    exact = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(found, wanted, rtol=exact, atol=exact)
    (ours,), (theirs,) = torch.autograd.grad(found, scores), torch.autograd.grad(wanted, scores)
    torch.testing.assert_close(ours, theirs, rtol=exact, atol=exact)


def test_a_class_that_is_masked_out_leaves_loss_and_gradient_finite() -> None:
    scores = torch.tensor([[1.0, -torch.inf, 2.0]], requires_grad=True)
    loss = stackable_functions.cross_entropy(scores, torch.tensor([0]))
    (slope,) = torch.autograd.grad(loss, scores)
    torch.testing.assert_close(loss.detach(), functional.cross_entropy(scores.detach(), torch.tensor([0])))
    assert slope.isfinite().all()
    assert float(slope[0, 1]) == 0


@settings(max_examples=20, deadline=None)
@given(rows=st.sampled_from([1, 5, MOST_ROWS, MOST_ROWS + 1]), features=st.integers(1, 4), places=st.integers(1, 7))
def test_embedding_and_its_gradient_are_torchs_own(rows: int, features: int, places: int) -> None:
    weight = torch.randn(rows, features, dtype=torch.float64, requires_grad=True)
    characters = torch.randint(0, rows, (2, places))
    slopes = torch.randn(2, places, features, dtype=torch.float64)
    found, wanted = stackable_functions.embedding(characters, weight), functional.embedding(characters, weight)
    assert torch.equal(found, wanted)
    (ours,), (theirs,) = (torch.autograd.grad(one, weight, slopes) for one in (found, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({}, True),
        ({"reduction": "mean", "label_smoothing": 0.0}, True),
        ({"reduction": "sum"}, False),
        ({"label_smoothing": 0.1}, False),
        ({"ignore_index": 0}, False),
        ({"weight": torch.ones(3)}, False),
    ],
)
def test_only_the_plain_loss_is_replaced(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], taken: bool
) -> None:
    calls: list[Tensor] = []
    monkeypatch.setattr(stackable_functions, "cross_entropy", lambda scores, targets: calls.append(scores))
    with StackableForms():
        functional.cross_entropy(torch.randn(2, 3), torch.tensor([0, 1]), **options)
    assert bool(calls) is taken


def test_losses_of_soft_targets_and_of_images_are_left_to_torch() -> None:
    scores, soft = torch.randn(2, 3), torch.full((2, 3), 1 / 3)
    images, labels = torch.randn(2, 3, 4), torch.zeros(2, 4, dtype=torch.int64)
    wanted = [functional.cross_entropy(scores, soft), functional.cross_entropy(images, labels)]
    with StackableForms():
        assert [functional.cross_entropy(scores, soft), functional.cross_entropy(images, labels)] == wanted


def test_an_embedding_with_a_padding_row_is_left_to_torch() -> None:
    weight = torch.randn(4, 2, requires_grad=True)
    with StackableForms():
        rows = functional.embedding(torch.tensor([0, 2, 2]), weight, padding_idx=2)
    (slope,) = torch.autograd.grad(rows.sum(), weight)
    assert slope[:, 0].tolist() == [1, 0, 0, 0]
