"""AdamP, SGDP, Adafactor and OrthoGrad against the tables of numbers, and the traps of their originals."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from search_spaces.optimizer_program.reference_optimizers import (
    SGDP,
    Adafactor,
    AdamP,
    OrthoGrad,
    factored_axes,
    orthogonal_to,
    without_radial_part,
)

torch.set_num_threads(1)
P, G1, G2 = [[1, 2], [-1, 0.5]], [[0.5, -1], [0.25, 2]], [[-0.5, 0.5], [1, 1]]


def double(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def course(make, w, gradients) -> list[list[float]]:
    """Returns the parameters after each step."""
    parameter = torch.nn.Parameter(double(w))
    optimizer, seen = make([parameter]), []
    for g in gradients:
        parameter.grad = double(g)
        optimizer.step()
        seen.append(parameter.detach().flatten().tolist())
    return seen


def test_adamp_gives_the_table_where_the_whole_tensor_matches_at_the_second_step():
    steps = course(lambda ps: AdamP(ps, lr=0.1, weight_decay=0.01), P, [G1, G2])
    assert steps[-1] == pytest.approx([0.887694413, 2.085967149, -1.167182857, 0.298919173], abs=1e-9)


def test_adamp_gives_the_table_where_rows_match():
    gradients = [[[4, -3], [3, 4]], [[8, -6], [0.3, 0.4]]]
    first, second = course(lambda ps: AdamP(ps, lr=0.1, weight_decay=0.01), [[3, 4], [-4, 3]], gradients)
    assert first == pytest.approx([2.8877, 4.0836, -4.0836, 2.8877], abs=1e-8)
    assert second == pytest.approx([2.77756817, 4.160866683, -4.142809926, 2.803102876], abs=1e-9)


def test_adamp_is_adamw_on_vectors():
    gradients = [(2.0, 1.0, 0.0), (1.0, 0.5, -2.0), (0.1, 0.1, 0.1)]  # the first is orthogonal to w
    expected = course(lambda ps: torch.optim.AdamW(ps, lr=0.1, weight_decay=0.01), (1.0, -2.0, 0.5), gradients)
    steps = course(lambda ps: AdamP(ps, lr=0.1, weight_decay=0.01), (1.0, -2.0, 0.5), gradients)
    for one, other in zip(steps, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-12)


def test_sgdp_is_sgd_with_a_larger_decay_where_nothing_is_orthogonal():
    # p (1 - lr wd / (1 - mu)) - lr g with lr 0.1, wd 0.01, mu 0.9
    steps = course(lambda ps: SGDP(ps, lr=0.1, weight_decay=0.01), P, [G1])
    expected = [p * 0.99 - 0.1 * g for p, g in zip([1, 2, -1, 0.5], [0.5, -1, 0.25, 2], strict=True)]
    assert steps[0] == pytest.approx(expected, abs=1e-12)


def test_sgdp_projects_a_tangential_step_and_decays_a_tenth():
    # <g, p> = 0.1, cos about 0.02 < 0.1 / sqrt(2): g loses (0.1 / 25) p, the decay is 0.1 * 0.01 * 0.1 / (1 - 0.9)
    steps = course(lambda ps: SGDP(ps, lr=0.1, weight_decay=0.01), [[3, 4]], [[[-0.8, 0.625]]])
    assert steps[0] == pytest.approx([3 * 0.999 - 0.1 * (-0.8 - 0.012), 4 * 0.999 - 0.1 * (0.625 - 0.016)], abs=1e-8)


def test_sgdp_keeps_the_radial_part_in_its_velocity():
    parameter = torch.nn.Parameter(double([[3.0, 4.0]]))
    optimizer = SGDP([parameter], lr=0.1)
    parameter.grad = double([[-0.8, 0.625]])
    optimizer.step()
    assert torch.equal(optimizer.state[parameter]["velocity"], double([[-0.8, 0.625]]))
    assert torch.equal(parameter.grad, double([[-0.8, 0.625]]))


def test_the_cosine_is_that_of_the_gradient_and_the_projection_that_of_the_direction():
    p, tangent, along = double([[3.0, 4.0]]), double([[4.0, -3.0]]), double([[3.0, 4.0]])
    options = {"delta": 0.1, "decay_ratio": 0.25, "eps": 1e-12}
    moved, ratio = without_radial_part(along + tangent, p, tangent, **options)
    assert ratio == 0.25
    torch.testing.assert_close(moved, tangent, rtol=0, atol=1e-10)
    kept, ratio = without_radial_part(tangent, p, along, **options)
    assert ratio == 1.0 and torch.equal(kept, tangent)


def test_one_row_that_is_not_orthogonal_keeps_the_rows_from_being_projected():
    p, g = double([[3.0, 4.0], [3.0, 0.0]]), double([[4.0, -3.0], [3.0, 0.0]])
    moved, ratio = without_radial_part(g, p, g, delta=0.1, decay_ratio=0.1, eps=1e-8)
    assert ratio == 1.0 and torch.equal(moved, g)


def test_adafactor_gives_the_unfactored_table():
    steps = course(lambda ps: Adafactor(ps, lr=0.1), P, [G1, G2])
    assert steps[-1] == pytest.approx([1.0, 2.033729077, -1.22899711, 0.333729077], abs=1e-9)


def test_adafactor_gives_the_factored_numbers(monkeypatch):
    monkeypatch.setattr("search_spaces.optimizer_program.reference_optimizers.SMALLEST_FACTORED", 1)
    steps = course(lambda ps: Adafactor(ps, lr=1.0), [[0, 0], [0, 0]], [[[1, 2], [3, 4]]])
    assert steps[0] == pytest.approx([-0.774596669, -1.095445115, -1.039230485, -0.979795897], abs=1e-9)


def test_adafactor_factors_a_convolution_at_each_place_of_its_kernel():
    g = torch.randn(20, 18, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    parameter = torch.nn.Parameter(torch.zeros_like(g))
    optimizer = Adafactor([parameter], lr=1.0, longest_step=1e9)
    parameter.grad = g.clone()
    optimizer.step()
    for place in range(6):
        matrix = g.flatten(2)[:, :, place]
        squares = matrix**2
        second = torch.outer(squares.mean(1), squares.mean(0)) / squares.mean()
        torch.testing.assert_close(-parameter.detach().flatten(2)[:, :, place], matrix / second.sqrt())


def test_adafactor_shortens_steps_whose_mean_square_is_over_one():
    # step 2: kept = 1 - 2^-0.8, V = kept 1 + 2^-0.8 100, U = 10 / sqrt(V) = 1.3127, RMS 1.3127: a step of exactly 1
    kept = 1 - 2**-0.8
    assert 10 / math.sqrt(kept + (1 - kept) * 100) > 1
    first, second = course(lambda ps: Adafactor(ps, lr=0.5), (0.0, 0.0), [(1, 1), (10, 10)])
    assert first == pytest.approx([-0.5, -0.5]) and second == pytest.approx([-1.0, -1.0])


def test_adafactor_decays_by_the_learning_rate():
    assert course(lambda ps: Adafactor(ps, lr=0.1, weight_decay=0.2), (1.0,), [(0,)])[0] == pytest.approx([0.98])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((100,), None), ((17, 17), (0, 1)), ((16, 400), None), ((32, 64, 3, 3), (0, 1)), ((3, 4, 32, 32), (2, 3)),
        ((3, 40, 40), (1, 2)), ((32, 32, 5), (0, 1)), ((), None),
    ],
)  # fmt: skip
def test_factored_axes_are_the_channels_or_else_the_last_two(shape, axes):
    assert factored_axes(shape) == axes


def test_factored_states_of_a_convolution_have_one_number_per_row_and_column():
    parameter = torch.nn.Parameter(torch.zeros(20, 30, 3, 3))
    optimizer = Adafactor([parameter])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state = optimizer.state[parameter]
    assert (tuple(state["rows"].shape), tuple(state["columns"].shape)) == ((20, 1, 3, 3), (1, 30, 3, 3))


def test_orthograd_gives_the_published_numbers():
    g = orthogonal_to(double((3.0, 4.0)), double((1.0, 0.0)))
    assert g.tolist() == pytest.approx((0.8, -0.6), abs=1e-12)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=6))
def test_an_orthogonal_gradient_has_the_old_length_and_no_radial_part(pairs):
    w, g = double(pairs).T
    moved = orthogonal_to(w, g)
    assert moved.isfinite().all()
    tangential = g - (w * g).sum() / (w * w).sum().clamp(min=1e-30) * w
    if tangential.norm() > 1e-6 * g.norm() > 0 and w.norm() > 1e-6:
        assert abs(float((w * moved).sum())) <= 1e-8 * float(w.norm() * g.norm())
        assert float(moved.norm()) == pytest.approx(float(g.norm()), rel=1e-9)


def test_orthograd_works_per_tensor_in_front_of_any_optimizer():
    parameters = [torch.nn.Parameter(double((3.0, 4.0))), torch.nn.Parameter(double((1.0, 0.0)))]
    optimizer = OrthoGrad(torch.optim.SGD(parameters, lr=1.0))
    parameters[0].grad, parameters[1].grad = double((1.0, 0.0)), double((5.0, 2.0))
    optimizer.step()
    assert parameters[0].tolist() == pytest.approx((2.2, 4.6), abs=1e-12)
    assert parameters[1].tolist() == pytest.approx((1.0, -math.sqrt(29)), abs=1e-12)


def test_orthograd_projects_the_gradient_that_its_closure_gives():
    parameter = torch.nn.Parameter(double((3.0, 4.0)))
    optimizer = OrthoGrad(torch.optim.SGD([parameter], lr=1.0))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (parameter * double((1.0, 0.0))).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3.0
    assert parameter.tolist() == pytest.approx((2.2, 4.6), abs=1e-12)


def test_orthograd_schedules_and_resumes_as_the_optimizer_within():
    def build():
        parameter = torch.nn.Parameter(double((3.0, 4.0)))
        optimizer = OrthoGrad(torch.optim.AdamW([parameter], lr=0.1))
        return parameter, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)

    def step(parameter, optimizer, count):
        for index in range(count):
            parameter.grad = double((1.0 + index, -0.5))
            optimizer.step()

    parameter, optimizer, scheduler = build()
    step(parameter, optimizer, 2)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.05
    twin, other, _ = build()
    twin.data.copy_(parameter.data)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(parameter, optimizer, 3)
    step(twin, other, 3)
    assert torch.equal(parameter, twin)


@pytest.mark.parametrize("make", [AdamP, SGDP, Adafactor])
def test_parameters_without_a_gradient_stay_and_closures_give_the_loss(make):
    still, moving = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = make([still, moving], lr=0.1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (moving * moving).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert torch.equal(still, torch.ones(2)) and (moving < 1).all()


@pytest.mark.parametrize("make", [AdamP, SGDP, Adafactor])
def test_a_stored_optimizer_continues_bit_for_bit(make):
    gradients = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))

    def build():
        parameter = torch.nn.Parameter(torch.ones(4, 3))
        return parameter, make([parameter], lr=0.01, weight_decay=0.1)

    def walk(parameter, optimizer, slopes):
        for slope in slopes:
            parameter.grad = slope.clone()
            optimizer.step()

    parameter, optimizer = build()
    walk(parameter, optimizer, gradients[:3])
    twin, other = build()
    twin.data.copy_(parameter.data)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    walk(parameter, optimizer, gradients[3:])
    walk(twin, other, gradients[3:])
    assert torch.equal(parameter, twin)


@pytest.mark.parametrize(
    ("make", "settings"),
    [(AdamP, {"lr": 0.0}), (Adafactor, {"weight_decay": -1.0}), (SGDP, {"lr": 0.1, "momentum": 1.0})],
)
def test_settings_out_of_range_are_refused(make, settings):
    with pytest.raises(InvalidSetting, match=list(settings)[-1]):
        make([torch.nn.Parameter(torch.ones(1))], **settings)
