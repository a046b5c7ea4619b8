"""The grid: what it computes is the plain sum over all operations, and weights are those of the paper."""

import numpy as np
import pytest
import torch
from torch import Tensor

from automl.contracts import Signature
from automl.errors import InvalidSetting
from search_spaces.darts.hypercuboid.decoders import longest_path
from search_spaces.darts.hypercuboid.grid import (
    LEAST_WEIGHT,
    GridSupernet,
    active_operations,
    build_grid,
    operation_weights,
    softmax_weights,
)
from search_spaces.darts.hypercuboid.plan import GridPlan

SIGNATURE = Signature(inputs=(1, 8, 8), outputs=(10,))
PLAN = GridPlan(channels=4, widths=3, layers=4, features=12)


def grid(seed: int = 0, *, spread: float = 0.0, plan: GridPlan = PLAN, **settings) -> GridSupernet:
    generator = torch.Generator().manual_seed(seed)
    made = build_grid(SIGNATURE, generator, plan=plan, **settings).double()
    with torch.no_grad():
        for logits in made.architecture_parameters():
            logits.add_(spread * torch.randn(logits.shape, generator=generator, dtype=torch.float64))
    return made


def images(seed: int = 0) -> Tensor:
    return torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive(made: GridSupernet, x: Tensor, *, least: float) -> Tensor:
    """Every operation on its own, in the order of the axes."""
    logits = made.architecture["grid"]
    used = softmax_weights(logits)
    weights = operation_weights(logits, weighting=made.weighting)
    states = [layer(x) for layer in made.stems]
    widths = len(states)
    for t, step in enumerate(made.steps):
        place = (t % 2, t // 2)
        behind = []
        for j in range(widths):
            total = torch.zeros(())
            for i in range(widths):
                pool = torch.nn.Sequential(step.pool, step.resizes[i * widths + j])
                for p, operation in enumerate((pool, step.convolutions[i * widths + j])):
                    if used[place][i, j, p] > least:
                        total = total + weights[place][i, j, p] * operation(states[i])
            behind.append(total)
        states = behind
    ends = sum(layer(state) for layer, state in zip(made.lasts, states, strict=True))
    return made.head(ends.mean((2, 3)))


@pytest.mark.parametrize("weighting", ["softmax", "max-w", "max-w-detached"])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_forward_pass_is_the_plain_sum_over_all_operations(weighting, spread):
    made = grid(spread=spread, weighting=weighting, always_apply=True)
    torch.testing.assert_close(made(images()), naive(made, images(), least=-1.0), rtol=1e-10, atol=1e-10)


def test_gradients_are_those_of_the_plain_sum():
    made = grid(spread=1.0, weighting="max-w", always_apply=True)
    targets = made.architecture_parameters() + made.weight_parameters()
    ours = torch.autograd.grad(made(images()).square().sum(), targets)
    plain = torch.autograd.grad(naive(made, images(), least=-1.0).square().sum(), targets)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_operations_of_little_weight_are_skipped_unless_all_are_wanted():
    made = grid(spread=3.0, weighting="softmax")
    used = softmax_weights(made.architecture["grid"])
    assert 10 < int((used <= LEAST_WEIGHT).sum()) < used.numel() // 2
    assert all(state is not None for state in _last_states(made)), "each width is still reached"
    torch.testing.assert_close(made(images()), naive(made, images(), least=LEAST_WEIGHT), rtol=1e-10, atol=1e-10)
    made.always_apply = True
    torch.testing.assert_close(made(images()), naive(made, images(), least=-1.0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("factor", "computed"), [(0.999999, False), (1.000001, True)])
def test_the_threshold_is_a_softmax_weight_of_1_in_1024(factor, computed):
    shares = torch.ones(2, 1, 4, 4, 2, dtype=torch.float64)
    shares[0, 0, 0, 0, 0] = factor * 31 / 1023  # beside 31 ones: 1/1024 at a factor of 1
    assert active_operations(shares.log(), always_apply=False)[0][0][0][0] is computed


def _last_states(made: GridSupernet) -> list[object]:
    states = [layer(images()) for layer in made.stems]
    plans = active_operations(made.architecture["grid"], always_apply=made.always_apply)
    weights = softmax_weights(made.architecture["grid"])
    for t, step in enumerate(made.steps):
        states = step(states, weights[t % 2, t // 2], plans[t])
    return states


def test_what_nothing_leads_to_is_skipped_and_a_dead_end_opens_all_doors():
    logits = torch.full((2, 1, 2, 2, 2), -50.0)
    logits[0, 0, 0, 1, 0] = 50.0  # the only strong operation leads to the second width
    logits[1, 0, 0, 0, 1] = 50.0  # the next one starts from the first
    first, second = active_operations(logits, always_apply=False)
    assert np.argwhere(first).tolist() == [[0, 1, 0]]
    assert np.argwhere(second).tolist() == [[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]]
    made = grid(plan=GridPlan(channels=2, widths=2, layers=2, features=4))
    with torch.no_grad():
        made.architecture["grid"].copy_(logits)
    assert torch.isfinite(made(images())).all()


def test_max_w_takes_the_maximum_over_one_stride_and_layer():
    logits = torch.zeros(2, 2, 2, 2, 2, dtype=torch.float64)
    logits[0, 1, 1, 0, 1] = 3.0
    weights, softmax = (operation_weights(logits, weighting=kind) for kind in ("max-w", "softmax"))
    assert torch.equal(weights[[0, 1, 1], [0, 0, 1]], torch.ones(3, 2, 2, 2, dtype=torch.float64))
    block, largest = weights[0, 1], softmax[0, 1, 1, 0, 1]
    assert block[1, 0, 1] == 1.0
    assert torch.allclose(block[0], 1 - largest + softmax[0, 1, 0], atol=1e-15)
    assert torch.allclose(softmax.sum((2, 3, 4)), torch.ones(2, 2, dtype=torch.float64), atol=1e-15)


def test_max_w_has_the_numbers_and_slopes_of_the_sharpdarts_oracle():
    """Logits 1, 2, 0 of three operations; the other five of the block are switched off. Hand check of the value:

    .5794875153 - 1 + 2 x .4247896174 = .4290667501.
    """
    outputs = torch.zeros(8, dtype=torch.float64)
    outputs[:3] = torch.tensor([1.0, -1.0, 2.0])
    expected = {
        "softmax": (-0.2404513384, (0.30357376, -0.50528288, 0.20170912)),
        "max-w-detached": (0.4290667501, (0.30357376, -0.50528288, 0.20170912)),
        "max-w": (0.4290667501, (0.62918056, -0.95067373, 0.32149317)),
    }
    for weighting, (value, slopes) in expected.items():
        logits = torch.full((2, 1, 2, 2, 2), -1e3, dtype=torch.float64)
        logits.view(2, 8)[:, :3] = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
        logits.requires_grad_()
        mixed = (operation_weights(logits, weighting=weighting)[0].flatten() * outputs).sum()
        (gradient,) = torch.autograd.grad(mixed, logits)
        assert mixed.item() == pytest.approx(value, abs=1e-10)
        assert gradient[0].flatten()[:3].tolist() == pytest.approx(slopes, abs=1e-8)


def test_the_published_grid_has_256_weights_and_a_uniform_path_of_a_quarter():
    made = build_grid(
        Signature(inputs=(3, 16, 16), outputs=(10,)),
        torch.Generator().manual_seed(0),
        plan=GridPlan(channels=4, features=8),
    )
    (logits,) = made.architecture_parameters()
    assert tuple(logits.shape) == (2, 4, 4, 4, 2)
    assert 0.0008 < logits.std().item() < 0.0012
    rows = made.mixing()["grid"]
    assert tuple(rows.shape) == (8, 32)
    weights = rows.reshape(GridPlan().shape).detach().double().numpy()
    assert longest_path(weights).weight == pytest.approx(0.25, abs=1e-3)


def test_mixing_rows_run_over_stride_one_first():
    made = grid()
    with torch.no_grad():
        made.architecture["grid"][1, 0, 2, 1, 1] = 9.0
    rows = made.mixing()["grid"]
    assert int(rows.amax(1).argmax()) == 2
    assert torch.equal(rows.reshape(PLAN.shape), softmax_weights(made.architecture["grid"]))


def test_every_parameter_is_a_weight_or_architecture_and_names_say_which():
    made = grid()
    architecture = {name for name, _ in made.named_parameters() if name.startswith("architecture.")}
    assert architecture == {"architecture.grid"}
    counts = [len(part) for part in (made.architecture_parameters(), made.weight_parameters())]
    assert counts[0] == 1 and sum(counts) == len(list(made.parameters()))


def test_equal_seeds_build_equal_grids():
    first, second = (grid(seed=5).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_too_many_reductions_and_unknown_weightings_are_refused():
    with pytest.raises(InvalidSetting, match=r"hypercuboid.layers=8 .*<= 6 for images of 8 x 8"):
        grid(plan=GridPlan(channels=4, widths=2, layers=8, features=4))
    with pytest.raises(InvalidSetting, match="hypercuboid.weighting"):
        grid(weighting="gumbel")
