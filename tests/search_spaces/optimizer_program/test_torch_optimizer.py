"""Programs as torch optimizers: equal to torch's AdamW, to the rule of the engine, at home in torch."""

import copy
import io

import pytest
import torch
from torch import nn

from automl.errors import InvalidSetting
from search_spaces.optimizer_program import torch_optimizer
from search_spaces.optimizer_program.program import from_rows
from search_spaces.optimizer_program.torch_optimizer import ProgramOptimizer
from search_spaces.optimizer_program.update_rule import ProgramRule
from search_spaces.optimizer_program.zoo import DESIGNS

ADAMW = from_rows(DESIGNS["adamw-corrected"])
SHAPES = [(30, 20), (7,), (), (4, 3, 2), (25, 20)]


@pytest.fixture(autouse=True, params=["pooled", "in place", "mixed"])
def pooling(request, monkeypatch):
    """Every test runs with all tensors small, all large, and both."""
    monkeypatch.setattr(torch_optimizer, "POOL_BELOW", {"pooled": 1 << 14, "in place": 0, "mixed": 100}[request.param])


def parameters(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, dtype=dtype, generator=generator)) for shape in SHAPES]


def set_gradients(held, step):
    generator = torch.Generator().manual_seed(100 + step)
    for one in held:
        one.grad = torch.randn(one.shape, dtype=one.dtype, generator=generator)


def train(optimizer, held, steps, first=0):
    for step in range(first, steps):
        set_gradients(held, step)
        optimizer.step()


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_adamw_with_bias_correction_is_that_of_torch_over_200_steps():
    ours, theirs = parameters(), parameters()
    train(ProgramOptimizer(ours, ADAMW, lr=1e-2, weight_decay=0.1), ours, 200)
    train(torch.optim.AdamW(theirs, lr=1e-2, weight_decay=0.1), theirs, 200)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["lion", "orthograd-global", "adamw-clipped", "gradient-noise", "adafactor"])
def test_a_group_moves_as_the_rule_of_the_engine(name):
    program, held = from_rows(DESIGNS[name]), parameters()
    flat = {"all": torch.cat([one.detach().reshape(-1) for one in held])}
    rule = ProgramRule(program=program, seed=4)
    state = rule.init(flat, shapes={"all": SHAPES})
    optimizer = ProgramOptimizer(held, program, lr=1e-2, weight_decay=0.1, seed=4)
    for step in range(3):
        train(optimizer, held, step + 1, first=step)
        slopes = {"all": torch.cat([one.grad.reshape(-1) for one in held])}
        flat, state = rule.step(flat, slopes, state, learning_rate=1e-2, weight_decay={"all": 0.1}, step=step)
        torch.testing.assert_close(torch.cat([one.detach().reshape(-1) for one in held]), flat["all"])


@pytest.mark.parametrize("name", ["adamw-corrected", "lion", "gradient-noise"])
def test_a_stored_state_continues_bit_for_bit(name):
    program, whole, part = from_rows(DESIGNS[name]), parameters(), parameters()
    train(ProgramOptimizer(whole, program, weight_decay=0.1), whole, 6)
    first = ProgramOptimizer(part, program, weight_decay=0.1)
    train(first, part, 3)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = ProgramOptimizer(part, program, weight_decay=0.5)
    second.load_state_dict(torch.load(file, weights_only=True))
    train(second, part, 6, first=3)
    assert equal(whole, part)


def test_a_state_loaded_in_the_middle_replaces_the_one_in_use():
    whole, other = parameters(), parameters()
    optimizer = ProgramOptimizer(whole, ADAMW)
    train(optimizer, whole, 2)
    stored, values = copy.deepcopy(optimizer.state_dict()), [one.detach().clone() for one in whole]
    train(optimizer, whole, 4, first=2)
    expected = [one.detach().clone() for one in whole]
    optimizer.load_state_dict(stored)
    with torch.no_grad():
        for one, value in zip(whole, values, strict=True):
            one.copy_(value)
    train(optimizer, whole, 4, first=2)
    assert equal(whole, expected) and not equal(whole, other)


def test_a_copied_optimizer_goes_on_by_itself():
    held = parameters()
    optimizer = ProgramOptimizer(held, ADAMW)
    train(optimizer, held, 2)
    twin, twins = copy.deepcopy((optimizer, held))
    train(optimizer, held, 4, first=2)
    train(twin, twins, 4, first=2)
    assert equal(held, twins)


def test_schedulers_set_the_learning_rate():
    ours, theirs = parameters(), parameters()
    for held, optimizer in (
        (ours, ProgramOptimizer(ours, ADAMW, lr=1e-2)),
        (theirs, torch.optim.AdamW(theirs, lr=1e-2, weight_decay=0.0)),
    ):
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10, cycle_momentum=False)
        for step in range(9):
            train(optimizer, held, step + 1, first=step)
            scheduler.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_groups_have_rates_and_norms_of_their_own_and_may_come_later():
    held = parameters()
    before = [one.detach().clone() for one in held]
    program = from_rows([["x0", "global_norm", "g"], ["x0", "div", "lr", "x0"], ["update", "mul", "g", "x0"]])
    optimizer = ProgramOptimizer([{"params": held[:2], "lr": 2e-3}], program, weight_decay=0.0)
    optimizer.add_param_group({"params": held[2:], "weight_decay": 10.0})
    train(optimizer, held, 1)
    for place, (rate, decay) in ((slice(0, 2), (2.0, 0.0)), (slice(2, 5), (1.0, 1e-2))):
        length = torch.cat([one.grad.reshape(-1) for one in held[place]]).norm()
        for one, old in zip(held[place], before[place], strict=True):
            torch.testing.assert_close(one.detach(), old * (1 - decay) - rate * one.grad / length)


def test_parameters_without_gradient_are_left_alone_and_may_join_later():
    held, before = parameters(), parameters()
    optimizer = ProgramOptimizer(held, from_rows(DESIGNS["lion"]), weight_decay=0.1)
    set_gradients(held, 0)
    held[0].grad = held[1].grad = None
    optimizer.step()
    assert equal(held[:2], before[:2]) and not any(map(torch.equal, held[2:], before[2:]))
    momentum = optimizer.state[held[3]]["v1"].clone()
    train(optimizer, held, 2, first=1)
    assert not any(map(torch.equal, held, before))
    torch.testing.assert_close(optimizer.state[held[3]]["v1"], momentum * 0.99 + held[3].grad * 0.01)
    optimizer.zero_grad()
    now = [one.detach().clone() for one in held]
    optimizer.step()
    assert equal(held, now)


def test_cleared_gradients_are_none_or_zero_as_torch_has_it():
    held = parameters()
    optimizer = ProgramOptimizer(held, ADAMW)
    train(optimizer, held, 1)
    moved = [one.detach().clone() for one in held]
    optimizer.zero_grad(set_to_none=True)
    optimizer.step()
    assert equal(held, moved) and optimizer.param_groups[0]["step"] == 1
    set_gradients(held, 1)
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    assert not any(map(torch.equal, held, moved)) and optimizer.param_groups[0]["step"] == 2


def test_parameters_keep_their_memory_and_other_references_see_them_move():
    held = parameters()
    addresses, view = [one.data_ptr() for one in held], held[0].detach()[3]
    old = view.clone()
    train(ProgramOptimizer(held, ADAMW), held, 2)
    assert [one.data_ptr() for one in held] == addresses and not torch.equal(view, old)


def test_parameters_that_were_given_new_memory_are_followed():
    held, plain = parameters(), parameters()
    optimizer = ProgramOptimizer(held, ADAMW)
    train(optimizer, held, 2)
    for one in held:
        one.data = one.data.clone()
    train(optimizer, held, 4, first=2)
    train(ProgramOptimizer(plain, ADAMW), plain, 4)
    assert equal(held, plain)


def test_memory_in_another_order_makes_no_difference():
    held, plain = parameters(), parameters()
    held[0].data = held[0].data.t().contiguous().t()
    optimizer, reference = ProgramOptimizer(held, ADAMW), ProgramOptimizer(plain, ADAMW)
    for step in range(3):
        for one, its in ((held, optimizer), (plain, reference)):
            set_gradients(one, step)
            one[4].grad = one[4].grad.t().contiguous().t()
            its.step()
    for a, b in zip(held, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=1e-15)


def test_a_closure_is_called_with_gradients_and_its_loss_returned():
    weight = nn.Parameter(torch.ones(3))
    optimizer = ProgramOptimizer([weight], from_rows(DESIGNS["sgd"]))

    def closure():
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3.0
    torch.testing.assert_close(weight.detach(), torch.full((3,), 0.8))  # 1 - 0.1 * 2


def test_float32_trains_a_module():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(64, 4)
    optimizer = ProgramOptimizer(model.parameters(), ADAMW, lr=1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (model(x) - x.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_states_that_the_program_does_not_touch_take_no_memory():
    held = parameters()
    optimizer = ProgramOptimizer(held, from_rows(DESIGNS["lion"]))
    train(optimizer, held, 1)
    assert all(set(state) == {"v1"} for state in optimizer.state.values())


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: ProgramOptimizer([nn.Parameter(torch.ones(2))], ADAMW, lr=-1.0), "lr=-1.0"),
        (lambda: ProgramOptimizer([nn.Parameter(torch.ones(2))], ADAMW, weight_decay=-0.1), "weight_decay=-0.1"),
        (lambda: ProgramOptimizer([nn.Parameter(torch.ones(2, dtype=torch.bfloat16))], ADAMW), "bfloat16.*float32"),
        (lambda: ProgramOptimizer([nn.Parameter(torch.ones(2, dtype=torch.complex64))], ADAMW), "complex64"),
        (lambda: ProgramOptimizer([nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2).double())], ADAMW),
         "groups of their own"),
    ],
)  # fmt: skip
def test_what_cannot_be_optimized_is_refused_with_a_reason(build, said):
    with pytest.raises(InvalidSetting, match=said):
        build()


def test_a_refused_group_is_not_kept():
    optimizer = ProgramOptimizer(parameters(), ADAMW)
    with pytest.raises(InvalidSetting):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": -1.0})
    assert len(optimizer.param_groups) == 1


def test_sparse_gradients_are_refused():
    table = nn.Embedding(5, 3, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(InvalidSetting, match="sparse=False"):
        ProgramOptimizer(table.parameters(), ADAMW).step()
