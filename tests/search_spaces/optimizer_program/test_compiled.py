"""The compiled program equals the interpreter: on designs, on any program, on every kind of tensor."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.optimizer_program import workspace
from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.compiled import CompiledProgram, compile_program
from search_spaces.optimizer_program.layout import Layout
from search_spaces.optimizer_program.program import V1, V2, G, W, from_rows
from search_spaces.optimizer_program.reference import run, step_noise
from search_spaces.optimizer_program.vocabulary import EXTENDED, FUNCTIONS, LEAVES, SCALAR, TREE
from search_spaces.optimizer_program.zoo import DESIGNS

SHAPES = ((3, 4), (), (5,), (2, 3, 2))
NUMBERS = sum(map(math.prod, SHAPES))
RATES = (1.0, 0.5, 0.25)
MODERATE = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.9, 0.5, 1e-8]), st.floats(-3, 3).map(lambda x: round(x, 3)))


def cut(flat):
    parts = flat.split([math.prod(shape) for shape in SHAPES])
    return tuple(part.reshape(shape) for part, shape in zip(parts, SHAPES, strict=True))


def join(leaves):
    return torch.cat([leaf.reshape(-1) for leaf in leaves])


def start(dtype=torch.float64):
    w = torch.randn(NUMBERS, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return w, torch.zeros_like(w), torch.zeros_like(w)


def gradients(steps, dtype=torch.float64):
    return torch.randn(steps, NUMBERS, dtype=dtype, generator=torch.Generator().manual_seed(1))


def interpreted(program, steps, *, jitter=0.0, gradient=None):
    """w, v1 and v2 after each step; `jitter` is a relative error put on everything, to see how far errors grow."""
    (w, v1, v2), trajectory, generator = start(), [], torch.Generator().manual_seed(2)
    slopes = gradients(steps) if gradient is None else gradient

    def shaken(x):
        return x * (1 + jitter * (2 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 1)) if jitter else x

    for t in range(1, steps + 1):
        rate = torch.tensor(RATES[t % 3] * (1 + jitter), dtype=w.dtype)
        update, v1, v2 = run(
            program, w=cut(w), g=cut(shaken(slopes[t - 1])), v1=cut(v1), v2=cut(v2), lr=rate,
            t=torch.tensor(float(t), dtype=w.dtype), noise=step_noise(SHAPES, seed=3, step=t, like=rate),
        )  # fmt: skip
        w, v1, v2 = (shaken(x) for x in (w - join(update), join(v1), join(v2)))
        trajectory.append(torch.stack([w, v1, v2]))
    return torch.stack(trajectory)


def compiled_run(program, steps, *, parts=(SHAPES,), gradient=None):
    w, v1, v2 = start()
    slopes = gradients(steps) if gradient is None else gradient
    compiled = CompiledProgram(program, Layout(parts=parts), like=w.new_empty(0), seed=3)
    trajectory = []
    for t in range(1, steps + 1):
        compiled.step(w, slopes[t - 1], v1, v2, lr=RATES[t % 3], t=t)
        trajectory.append(torch.stack([w, v1, v2]).clone())
    return torch.stack(trajectory)


def assert_equal(program, steps, ours):
    """Step by step while the interpreter stays finite, up to what errors of one part in 1e15 grow to."""
    exact = interpreted(program, steps)
    grown = torch.stack([(interpreted(program, steps, jitter=size) - exact).abs() for size in (1e-15, 1e-14, -1e-14)])
    for t in range(steps):
        if not (exact[t].isfinite().all() and exact[t].abs().max() < 1e100):
            break
        scale = exact[t].abs() + 1e-3 * exact[t].abs().amax(dim=1, keepdim=True)
        allowed = 1e-12 * scale + 300 * grown[:, t].amax(dim=0).nan_to_num(1e300)
        wrong = ~((ours[t] - exact[t]).abs() <= allowed)
        assert not wrong.any(), (t, exact[t][wrong], ours[t][wrong])


@pytest.mark.parametrize("name", DESIGNS)
def test_published_designs_follow_the_interpreter_over_twenty_steps(name):
    program = from_rows(DESIGNS[name])
    assert_equal(program, 20, compiled_run(program, 20))


@pytest.mark.parametrize("name", DESIGNS)
def test_the_short_form_moves_w_as_the_program_does(name):
    program = from_rows(DESIGNS[name])
    exact, grown = interpreted(program, 5), (interpreted(program, 5, jitter=1e-14) - interpreted(program, 5)).abs()
    ours = compiled_run(simplify(program), 5)
    assert ((ours - exact).abs() <= 1e-11 * exact.abs() + 1e3 * grown)[:, 0].all()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_program_follows_the_interpreter(programs, data):
    program = data.draw(programs(vocabulary=EXTENDED, longest=20, constants=MODERATE))
    assert_equal(program, 3, compiled_run(program, 3))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_neither_blocks_nor_parts_change_the_result(programs, data):
    program = data.draw(programs(vocabulary=EXTENDED, longest=20, constants=MODERATE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace, "BLOCK_NUMBERS", 4)
        patch.setattr(workspace, "_EDGE", 4)
        assert_equal(program, 3, compiled_run(program, 3, parts=(SHAPES[:1], SHAPES[1:2], SHAPES[2:])))


@pytest.mark.parametrize("kind", [SCALAR, LEAVES, TREE])
@pytest.mark.parametrize("function", [one for one in FUNCTIONS if one.arguments], ids=lambda one: one.name)
def test_every_function_on_every_kind(function, kind):
    sources = {
        SCALAR: [["x0", "dot", "g", "w"], ["x1", "global_norm", "g"]],
        LEAVES: [["x0", "leaf_dot", "g", "w"], ["x1", "norm", "g"]],
        TREE: [["x0", "mul", "g", "w"], ["x1", "add", "g", "w"]],
    }[kind]
    ours = ["x0", "x1", "lr"]
    arguments = [
        ours[i] if wanted in (kind, -1) else {SCALAR: "lr", TREE: ("g", "w")[i % 2]}[wanted]
        for i, wanted in enumerate(function.arguments)
    ]
    rows = [*sources, ["x2", function.name, *arguments], ["x3", "mul", "w", "x2"], ["v1", "add", "x3", "g"],
            ["update", "mul", "v1", 0.1]]  # fmt: skip
    program = from_rows(rows)
    assert_equal(program, 2, compiled_run(program, 2))


@pytest.mark.parametrize(
    "rows",
    [
        [["update", "interp", "g", "v1", 0.9], ["v1", "add", "update", "v2"]],
        [["v1", "mul", "g", 1.0], ["update", "sign", "v1"]],
        [["x0", "mul", "v1", 1.0], ["v1", "add", "v2", "g"], ["v2", "abs", "x0"], ["update", "add", "v1", "v2"]],
        [["x0", "abs", "v1"], ["v1", "interp", "g", "v2", 1.0], ["v2", "mul", "x0", 1.0], ["update", "sub", "v1", "w"]],
        [["w", "mul", "w", 0.5], ["update", "mul", "w", "w"], ["v1", "mul", "w", 1.0]],
        [["update", "mul", "w", 1.0]],
        [["v1", "row_mean", "w"], ["v2", "col_mean", "v2"], ["update", "mul", "g", 0.1]],
        [["v1", "randn"], ["update", "randn"], ["v2", "mul", "update", "v1"]],
        [["x0", "square", "g"], ["v1", "add", "x0", "v1"], ["x1", "global_norm", "v1"], ["update", "div", "x0", "x1"]],
        [["x0", "log", "v2"], ["x1", "interp", "g", "x0", -0.8], ["update", "div", -1.5, "x1"]],
        [["update", "div", "g", "v1"], ["v1", "maximum", "g", 0.0]],
        [["x0", "mul", "g", 0.0], ["update", "div", "w", "x0"]],
    ],
)
def test_aliases_swaps_and_zeros(rows):
    program = from_rows(rows)
    assert_equal(program, 4, compiled_run(program, 4))


def test_a_swap_of_states_keeps_both():
    program = from_rows([["x0", "mul", "v1", 1.0], ["v1", "add", "v2", "g"], ["v2", "mul", "x0", 1.0],
                         ["update", "sub", "v1", "v1"]])  # fmt: skip
    ones = torch.ones(1, NUMBERS, dtype=torch.float64)
    (_, v1, v2) = compiled_run(program, 3, gradient=ones.expand(3, -1))[-1]
    assert (v1 == 2).all() and (v2 == 1).all()  # v1 = 1, 1, 2 and v2 = 0, 1, 1


def test_gradients_are_never_changed():
    for name, rows in DESIGNS.items():
        slopes = gradients(2)
        before = slopes.clone()
        compiled_run(from_rows(rows), 2, gradient=slopes)
        assert torch.equal(slopes, before), name


def test_zero_gradients_from_the_start_give_no_nan_where_division_by_zero_is_zero():
    for name in ("adamw", "adamw-corrected", "lion"):
        still = compiled_run(from_rows(DESIGNS[name]), 2, gradient=torch.zeros(2, NUMBERS, dtype=torch.float64))
        assert still.isfinite().all(), name


def test_weight_decay_comes_before_the_step_and_outside_of_the_program():
    w, v1, v2 = start()
    g = gradients(1)[0]
    compiled = compile_program(from_rows([["update", "mul", "g", "w"]]), SHAPES, dtype=w.dtype, device="cpu")
    expected = w * 0.75 - g * w
    for slot, flat in ((W, w), (G, g), (V1, v1), (V2, v2)):
        compiled.give(slot, (flat,))
    compiled.run(lr=1.0, t=1, keep=[0.75])
    torch.testing.assert_close(w, expected, rtol=1e-15, atol=1e-16)


def test_float32_takes_numbers_that_it_cannot_hold_as_infinite():
    program = from_rows([["x0", "power", 1e10, 5.0], ["update", "maximum", "g", "x0"]])
    w, v1, v2 = start(torch.float32)
    compiled = compile_program(program, SHAPES, dtype=torch.float32, device="cpu")
    compiled.step(w, gradients(1, torch.float32)[0], v1, v2, lr=1.0, t=1)
    assert (w == -math.inf).all()


def test_noise_depends_on_seed_and_step_only():
    program = from_rows([["update", "randn"]])

    def after(seed, t):
        w, v1, v2 = start()
        compile_program(program, SHAPES, dtype=w.dtype, device="cpu", seed=seed).step(w, w * 0, v1, v2, lr=1.0, t=t)
        return w

    assert torch.equal(after(1, 2), after(1, 2))
    assert not torch.equal(after(1, 2), after(1, 3))
    assert not torch.equal(after(1, 2), after(2, 2))


def test_a_program_says_which_states_it_touches():
    lion = compile_program(from_rows(DESIGNS["lion"]), SHAPES, dtype=torch.float32, device="cpu")
    assert lion.reads == {V1} and lion.writes == {V1}
    constant = compile_program(from_rows([["update", "add", "g", "v2"]]), SHAPES, dtype=torch.float32, device="cpu")
    assert constant.reads == {V2} and constant.writes == set()


def test_lion_program_gives_the_published_table():
    """Architectures and programs, section 2.5: decay first, then the sign step; w bit for bit, in float64."""
    rows = [["update", "interp", "g", "v1", 0.9], ["update", "sign", "update"], ["v1", "interp", "g", "v1", 0.99],
            ["lr", "mul", "lr", 0.001], ["update", "mul", "update", "lr"]]  # fmt: skip
    w, g, m = (torch.tensor(x, dtype=torch.float64) for x in ([1, -2, 0.5], [[0.1, -0.2, 0], [-0.05, 0.3, 0.4],
                                                                             [0.2, 0, -0.1]], [0, 0, 0]))  # fmt: skip
    unused, expected = torch.zeros_like(w), w.clone()
    compiled = compile_program(from_rows(rows), [(3,)], dtype=torch.float64, device="cpu")
    for t in range(3):
        expected.mul_(1 - 0.1 * 0.01)
        expected.add_((m * 0.9).add(g[t], alpha=1 - 0.9).sign_(), alpha=-0.1)
        for slot, flat in ((W, w), (G, g[t]), (V1, m), (V2, unused)):
            compiled.give(slot, (flat,))
        compiled.run(lr=0.1 / 1e-3, t=t + 1, keep=[1 - 0.1 * 0.01])
        assert torch.equal(w, expected)
    torch.testing.assert_close(w, torch.tensor([0.897102899, -2.094105898, 0.498601499], dtype=w.dtype))
    torch.testing.assert_close(m, torch.tensor([0.0024851, 0.0010098, 0.00296], dtype=w.dtype))
