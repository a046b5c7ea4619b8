"""Mixing weights: the published formulas, by hand numbers and properties."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from search_spaces.darts.partial_channels import joined
from search_spaces.darts.weighting import derivation_weights, edge_weights, mixing_weights, sampled_weights

ALPHA = torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64)
OUTPUTS = torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("weighting", "mixed", "slope"),
    [
        ("softmax", -0.2404513384, (0.30357376, -0.50528288, 0.20170912)),
        ("max-w-detached", 0.4290667501, (0.30357376, -0.50528288, 0.20170912)),
        ("max-w", 0.4290667501, (0.62918056, -0.95067373, 0.32149317)),
    ],
)
def test_mixture_and_its_gradient_are_those_worked_out_by_hand(weighting, mixed, slope):
    alpha = ALPHA.clone().requires_grad_()
    output = (mixing_weights(alpha, weighting=weighting)[0] * OUTPUTS).sum()
    assert output.item() == pytest.approx(mixed, abs=1e-9)
    assert torch.autograd.grad(output, alpha)[0][0].tolist() == pytest.approx(slope, abs=1e-8)


def test_max_w_of_equal_logits_runs_everything_at_full_weight():
    assert torch.equal(mixing_weights(torch.zeros(3, 8), weighting="max-w"), torch.ones(3, 8))


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_max_w_runs_the_strongest_operation_at_full_weight(seed):
    logits = torch.randn((14, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weights = mixing_weights(logits, weighting="max-w")
    torch.testing.assert_close(weights.amax(1), torch.ones(14, dtype=torch.float64))
    assert torch.equal(weights.argmax(1), logits.argmax(1))


def sampled(logits: Tensor, seed: int, temperature: float) -> Tensor:
    return sampled_weights(logits, temperature=temperature, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 10_000), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_sampled_weights_are_one_hot_with_the_gradient_of_the_relaxed_ones(seed, temperature):
    logits = torch.randn((5, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()
    hard = sampled(logits, seed, temperature)
    assert torch.equal(hard.detach().sort(1).values, torch.eye(8, dtype=torch.float64)[-1].expand(5, 8))
    costs = torch.arange(40, dtype=torch.float64).view(5, 8)
    waits = torch.empty(5, 8, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(seed))
    soft = torch.softmax((torch.log_softmax(logits, 1) - waits.log()) / temperature, 1)
    assert torch.equal(soft.argmax(1), hard.argmax(1))
    ours, theirs = (torch.autograd.grad((costs * one).sum(), logits)[0] for one in (hard, soft))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_operations_are_sampled_as_often_as_their_softmax_says():
    logits = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64).expand(20_000, 3)
    torch.testing.assert_close(sampled(logits, 0, 5.0).mean(0), logits[0].softmax(0), atol=0.015, rtol=0)


def test_sigmoid_weights_do_not_compete():
    logits = torch.tensor([[0.0, 2.0, -1.0]])
    expected = torch.tensor([[0.5, 0.880797, 0.268941]])
    torch.testing.assert_close(mixing_weights(logits, weighting="sigmoid"), expected, atol=1e-6, rtol=0)
    assert torch.equal(derivation_weights(logits, weighting="sigmoid"), mixing_weights(logits, weighting="sigmoid"))


def test_cells_are_derived_from_the_softmax_whatever_mixes():
    for weighting in ("softmax", "max-w", "max-w-detached", "gumbel"):
        assert torch.equal(derivation_weights(ALPHA, weighting=weighting), ALPHA.softmax(1))


def test_edge_weights_sum_to_one_per_node():
    weights = edge_weights(torch.arange(14.0), inputs=(2, 3, 4, 5))
    torch.testing.assert_close(torch.stack([one.sum() for one in weights.split([2, 3, 4, 5])]), torch.ones(4))


def test_joined_channels_are_shuffled_as_published():
    channels = torch.arange(8.0).view(1, 8, 1, 1)
    assert joined(channels[:, :2], channels[:, 2:], partial=4).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
