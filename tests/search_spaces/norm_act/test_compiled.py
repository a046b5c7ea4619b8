"""The compiled program equals the reference operations on any graph: values, gradients, second derivatives, memory."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search_spaces.norm_act import compiled as compiled_module
from search_spaces.norm_act.compiled import apply, compile_graph
from search_spaces.norm_act.graph import FIRST
from search_spaces.norm_act.operators import BINARY, EPS, OPERATORS
from search_spaces.norm_act.reference import Parameters, evaluate, reads, share
from search_spaces.norm_act.zoo import DESIGNS

GROUPS = 2
HUGE = 1e6


@st.composite
def graphs(draw, most=10):
    """Any graph of the raw space."""
    built = []
    for index in range(FIRST, FIRST + draw(st.integers(1, most))):
        operator = draw(st.sampled_from(OPERATORS))
        arguments = draw(st.lists(st.integers(0, index - 1), min_size=2, max_size=2))
        built.append((operator, *arguments[: 2 if operator in BINARY else 1]))
    return share(tuple(built))


def _parameters(nodes, generator):
    vectors = [torch.randn(4, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(4)]
    reads_v0, reads_v1 = reads(nodes)
    v0, v1, gamma, beta = vectors
    return Parameters(v0=v0 if reads_v0 else None, v1=v1 if reads_v1 else None, gamma=gamma, beta=beta)


def _case(nodes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = (torch.randn(5, 4, 3, 2, dtype=torch.float64, generator=generator) + 0.3).requires_grad_()
    parameters = _parameters(nodes, generator)
    adjoint = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    inputs = [t for t in (x, parameters.v0, parameters.v1, parameters.gamma, parameters.beta) if t is not None]
    return x, parameters, adjoint, inputs


def _compiled(nodes, x):
    return compile_graph(nodes, (x.shape[0], x.shape[1], x.shape[2] * x.shape[3]), groups=GROUPS, eps=EPS)


def _gradients(output, inputs, adjoint):
    found = torch.autograd.grad(output, inputs, adjoint, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True)]


def _assert_equal(nodes):
    """Returns whether there was anything to compare: a graph that overflows is no candidate."""
    x, parameters, adjoint, inputs = _case(nodes)
    expected, moments = evaluate(nodes, x, parameters, groups=GROUPS, eps=EPS)
    gradients = _gradients(expected, inputs, adjoint)
    largest = max(t.abs().max().item() for t in (expected, *moments, *gradients))
    if not largest < HUGE:
        return False
    found, found_moments = apply(_compiled(nodes, x), x, parameters=parameters)
    scale = 1e-8 * max(1.0, largest)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=scale)
    for ours, theirs in zip(found_moments, moments, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=scale)
    for ours, theirs in zip(_gradients(found, inputs, adjoint), gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=scale)
    return True


@settings(max_examples=250, deadline=None, derandomize=True)
@given(nodes=graphs(), block=st.sampled_from([1, 60, 1 << 18]))
def test_compiled_equals_reference_on_any_graph_and_block_size(nodes, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_module, "BLOCK_ELEMENTS", block)
        assume(_assert_equal(nodes))


@pytest.mark.parametrize("name", sorted(DESIGNS))
@pytest.mark.parametrize("block", [1, 60, 1 << 18])
def test_compiled_equals_reference_on_published_designs(name, block, monkeypatch):
    monkeypatch.setattr(compiled_module, "BLOCK_ELEMENTS", block)
    assert _assert_equal(share(DESIGNS[name]))


def test_expensive_value_kept_across_a_batch_statistic_gives_the_same_result(monkeypatch):
    monkeypatch.setattr(compiled_module, "BLOCK_ELEMENTS", 60)
    nodes = (("tanh", 0), ("std_bwh", 4), ("div", 4, 5), ("exp", 6), ("mean_bwh", 7), ("mul", 8, 6))
    assert _assert_equal(share(nodes))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(nodes=graphs(most=6))
def test_second_derivatives_equal_those_of_the_reference(nodes):
    x, parameters, adjoint, inputs = _case(nodes)
    outputs = (
        apply(_compiled(nodes, x), x, parameters=parameters)[0],
        evaluate(nodes, x, parameters, groups=GROUPS, eps=EPS)[0],
    )
    both = []
    for output in outputs:
        first = torch.autograd.grad(output, inputs, adjoint, create_graph=True, allow_unused=True)
        norm = sum(g.square().sum() for g in first if g is not None)
        assert isinstance(norm, torch.Tensor)
        both.append([norm.detach(), *_gradients(norm, inputs, None)] if norm.requires_grad else [norm])
    assume(all(t.abs().max() < HUGE for t in both[1]))
    for ours, theirs in zip(*both, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", ["evonorm-s0", "evonorm-b0"])
def test_second_derivatives_equal_central_differences(name):
    nodes = share(DESIGNS[name])
    x, parameters, _, inputs = _case(nodes)
    program = _compiled(nodes, x)

    def run(*_):
        return apply(program, x, parameters=parameters)[0]

    assert torch.autograd.gradgradcheck(run, tuple(inputs), atol=1e-5)


@pytest.mark.parametrize("name", ["evonorm-s0", "evonorm-b0", "bn-relu", "mish"])
def test_backward_needs_the_input_and_small_values_only(name):
    nodes = share(DESIGNS[name])
    x, parameters, _, _ = _case(nodes)
    large = []

    def pack(tensor):
        if tensor.numel() >= x.numel() and tensor.untyped_storage().data_ptr() != x.untyped_storage().data_ptr():
            large.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        apply(_compiled(nodes, x), x, parameters=parameters)
    assert not large


def test_gradient_that_is_not_contiguous_is_taken():
    nodes = share(DESIGNS["evonorm-s0"])
    x, parameters, adjoint, inputs = _case(nodes)
    output, _ = apply(_compiled(nodes, x), x, parameters=parameters)
    expected, _ = evaluate(nodes, x, parameters, groups=GROUPS, eps=EPS)
    for backward in (torch.ones(()).double().expand_as(x), adjoint.to(memory_format=torch.channels_last)):
        found = torch.autograd.grad(output, inputs, backward, retain_graph=True)
        wanted = torch.autograd.grad(expected, inputs, backward, retain_graph=True)
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_tie_of_a_maximum_goes_half_to_each_argument():
    nodes = share((("max", 0, 2),))
    parameters = Parameters(
        v0=torch.zeros(4, requires_grad=True), v1=None, gamma=torch.ones(4), beta=torch.zeros(4)
    )
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    output, _ = apply(_compiled(nodes, x), x, parameters=parameters)
    of_x, of_v0 = torch.autograd.grad(output.sum(), [x, parameters.v0])
    assert torch.equal(of_x, torch.full_like(x, 0.5))
    assert torch.equal(of_v0, torch.full((4,), 2.0))


def test_argument_that_never_wins_a_maximum_gets_exactly_no_gradient():
    nodes = share((("square", 0), ("exp", 4), ("exp", 5), ("max", 6, 3)))
    x, parameters, adjoint, _ = _case(nodes)
    with torch.no_grad():
        parameters.v1.fill_(-1.0)
    output, _ = apply(_compiled(nodes, x), x, parameters=parameters)
    (gradient,) = torch.autograd.grad(output, [parameters.v1], adjoint)
    assert torch.equal(gradient, torch.zeros(4, dtype=torch.float64))


def test_same_graph_and_shape_is_compiled_once():
    nodes = share(DESIGNS["evonorm-b0"])
    assert compile_graph(nodes, (2, 4, 9), groups=2, eps=EPS) is compile_graph(nodes, (2, 4, 9), groups=2, eps=EPS)
