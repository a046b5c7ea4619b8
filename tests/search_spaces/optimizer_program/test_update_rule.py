"""Programs as update rules of the engine: pure, over all buffers together, equal to torch's AdamW and to themselves."""

import pytest
import torch

from automl.authoring.plain_state import copy_state
from automl.contracts import TraceableRule
from search_spaces.optimizer_program.program import from_rows
from search_spaces.optimizer_program.update_rule import LEARNING_RATE_UNIT, ProgramRule
from search_spaces.optimizer_program.zoo import DESIGNS

SHAPES = {"decayed": [(4, 3), (2, 3, 2)], "plain": [(5,), ()]}
SIZES = {"decayed": 24, "plain": 6}
DECAY = {"decayed": 0.1, "plain": 0.0}


def buffers(seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(size, dtype=torch.float64, generator=generator) for name, size in SIZES.items()}


def trained(rule, steps, *, state=None, parameters=None, first=0):
    parameters = buffers(0) if parameters is None else parameters
    state = rule.init(parameters, shapes=SHAPES) if state is None else state
    for step in range(first, steps):
        parameters, state = rule.step(
            parameters, buffers(100 + step), state, learning_rate=1e-2 / (1 + step), weight_decay=DECAY, step=step
        )
    return parameters, state


def same(first, second):
    equal = [torch.allclose(first[name], second[name], rtol=0, atol=0, equal_nan=True) for name in first]
    return first.keys() == second.keys() and all(equal)


def rule_of(name, seed=0):
    return ProgramRule(program=from_rows(DESIGNS[name]), seed=seed)


def test_adamw_with_bias_correction_is_that_of_torch_over_200_steps():
    ours, _ = trained(rule_of("adamw-corrected"), 200)
    given = {name: torch.nn.Parameter(buffer) for name, buffer in buffers(0).items()}
    groups = [{"params": [given[name]], "weight_decay": DECAY[name]} for name in given]
    theirs = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8)
    for step in range(200):
        for group in theirs.param_groups:
            group["lr"] = 1e-2 / (1 + step)
        for name, slope in buffers(100 + step).items():
            given[name].grad = slope
        theirs.step()
    for name in given:
        torch.testing.assert_close(ours[name], given[name].detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", DESIGNS)
def test_nothing_given_is_changed(name):
    rule, parameters, gradients = rule_of(name), buffers(0), buffers(1)
    _, state = trained(rule, 2)
    before = copy_state([parameters, gradients, state], device="cpu")
    rule.step(parameters, gradients, state, learning_rate=1e-3, weight_decay=DECAY, step=2)
    assert same(parameters, before[0]) and same(gradients, before[1])
    assert all(same(state[key], before[2][key]) for key in ("v1", "v2")) and state["shapes"] == before[2]["shapes"]


@pytest.mark.parametrize("name", ["adamw-corrected", "lion", "gradient-noise", "adafactor"])
def test_a_stored_state_continues_bit_for_bit_in_a_fresh_rule(name):
    whole, _ = trained(rule_of(name, seed=5), 6)
    parameters, state = trained(rule_of(name, seed=5), 3)
    stored = copy_state({"parameters": dict(parameters), "rule": state}, device="cpu")
    continued, _ = trained(rule_of(name, seed=5), 6, state=stored["rule"], parameters=stored["parameters"], first=3)
    assert same(whole, continued)


def test_functions_of_everything_see_all_buffers_together():
    rule = ProgramRule(program=from_rows([["x0", "global_norm", "g"], ["update", "mul", "g", "x0"]]))
    parameters, gradients = buffers(0), buffers(1)
    moved, _ = rule.step(
        parameters, gradients, rule.init(parameters, shapes=SHAPES), learning_rate=1e-3, weight_decay=DECAY, step=0
    )
    length = torch.cat(list(gradients.values())).norm()
    for name in parameters:
        expected = parameters[name] * (1 - 1e-3 * DECAY[name]) - gradients[name] * length
        torch.testing.assert_close(moved[name], expected, rtol=1e-13, atol=1e-13)


def test_the_program_sees_the_learning_rate_in_its_unit_and_steps_from_one():
    rule = ProgramRule(program=from_rows([["x0", "mul", "g", "lr"], ["update", "mul", "x0", "t"]]))
    parameters, ones = buffers(0), {name: torch.ones(size, dtype=torch.float64) for name, size in SIZES.items()}
    none = dict.fromkeys(parameters, 0.0)
    moved, _ = rule.step(
        parameters, ones, rule.init(parameters, shapes=SHAPES), learning_rate=2e-3, weight_decay=none, step=2
    )
    assert LEARNING_RATE_UNIT == 1e-3
    for name in parameters:
        torch.testing.assert_close(parameters[name] - moved[name], torch.full_like(moved[name], 6.0))


@pytest.mark.parametrize("name", ["adamw-corrected", "lion", "orthograd-global", "adamw-clipped"])
def test_the_step_module_does_the_same_step(name):
    rule = rule_of(name)
    assert isinstance(rule, TraceableRule)
    shapes = {"plain": [shape for one in SHAPES.values() for shape in one]}
    parameters, slopes = ({"plain": torch.cat(list(buffers(seed).values()))} for seed in (0, 1))
    module = rule.step_module(shapes["plain"])
    state = rule.init(parameters, shapes=shapes)
    w, states = parameters["plain"], [state[key]["plain"] for key in module.state_names]
    for step in range(3):
        parameters, state = rule.step(
            parameters, slopes, state, learning_rate=1e-2, weight_decay={"plain": 0.0}, step=step
        )
        rate, t = (torch.tensor(x, dtype=torch.float64) for x in (1e-2, step + 1.0))
        w, *states = module(w, slopes["plain"], *states, rate, t)
        torch.testing.assert_close(parameters["plain"], w, rtol=1e-9, atol=1e-10)
        for key, expected in zip(module.state_names, states, strict=True):
            torch.testing.assert_close(state[key]["plain"], expected, rtol=1e-9, atol=1e-10)


def test_several_shapes_and_types_do_not_disturb_each_other():
    rule = rule_of("lion")
    first, _ = trained(rule, 2)
    small = {"plain": torch.ones(2)}
    state = rule.init(small, shapes={"plain": [(2,)]})
    rule.step(small, small, state, learning_rate=0.1, weight_decay={"plain": 0.0}, step=0)
    again, _ = trained(rule, 2)
    assert same(first, again)
