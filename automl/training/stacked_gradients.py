"""Losses and gradients of many candidates of one model structure as one computation.

Why: a small network spends its time on the overhead of each operation; `vmap` makes one operation of those of all
candidates, and tracing it once leaves a flat list of them, without the cost of `vmap` and autograd at every step. The
rule: what cannot be written down once for a whole run (random layers, control flow that follows the data, a model
that changes as it goes) is refused here, and such candidates are trained one after the other.
Source: `torch.func` ("model ensembling"); measured with it in tests/benchmarks/batched_training.py.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import Module

from automl.contracts import Batch, Recipe
from automl.errors import InvalidSetting
from automl.training.stackable_functions import StackableForms
from automl.training.traced_operations import tidy
from automl.training.traced_program import TracedProgram, program_of

Tensors: TypeAlias = Mapping[str, Tensor]
Gradients: TypeAlias = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]
"""Losses [width], gradients and new buffers by name, [width, ...] each."""

VECTOR = 64
"""Numbers; rows are multiples of it. Two AVX-512 registers of float32 are 32, and torch unrolls by two at most."""

SHARES = (0.0, 0.5, 1.0)
"""Points of a run at which the traced operations must be the same."""


Step: TypeAlias = Callable[[Batch], Gradients]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedGradients:
    """Parameters, buffers and a batch of all candidates -> their losses, gradients and new buffers.

    Attributes:
        program: the traced operations; arguments are parameters, buffers, inputs and targets.
        parameters: their names, in the order of arguments and gradients.
        buffers: theirs.
        operations: the same as text; equal texts compute the same.
        largest_bytes: memory that all results of one step take together, more than is ever held at once.
    """

    program: TracedProgram
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    operations: str
    largest_bytes: int

    def bind(self, parameters: Tensors, buffers: Tensors) -> Step:
        """Returns what computes one step of every candidate from a batch, [size, ...] or [width, size, ...], as traced.

        Args:
            parameters: name -> [width, ...]; they are read again at every step.
            buffers: name -> [width, ...]; as well, and left as they are.
        """
        kept = [parameters[name] for name in self.parameters] + [buffers[name] for name in self.buffers]
        run, count = self.program.bind(kept), 1 + len(self.parameters)

        def step(batch: Batch) -> Gradients:
            results = run(*batch)
            gradients = dict(zip(self.parameters, results[1:count], strict=True))
            return results[0], gradients, dict(zip(self.buffers, results[count:], strict=True))

        return step

    def __call__(self, parameters: Tensors, buffers: Tensors, batch: Batch) -> Gradients:
        """Computes a single step; see `bind`."""
        return self.bind(parameters, buffers)(batch)


def trace_gradients(recipe: Recipe, model: Module, *, width: int, batch: Batch, shared: bool) -> StackedGradients:
    """Traces the gradient of `recipe.loss` for `width` copies of `model`.

    Args:
        recipe: of any of the candidates: they share model, loss and progress.
        model: in training mode; left as it is.
        width: candidates, >= 1.
        batch: of one candidate; shapes count, values do not.
        shared: whether all candidates are given the same batch; else each has its own.

    Raises:
        InvalidSetting: the model cannot be trained this way.
    """
    parameters = {name: _as_rows(one.detach(), width) for name, one in model.named_parameters() if one.requires_grad}
    buffers = {name: _repeated(one, width) for name, one in untrained(model).items()}
    given = batch if shared else (_repeated(batch[0], width), _repeated(batch[1], width))
    function = _stacked(recipe, model, tuple(parameters), tuple(buffers), shared=shared)
    kept = [*parameters.values(), *buffers.values()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a layer without a batching rule is run one by one, and slowly
            graph = make_fx(function)(*kept, *given)
    except Exception as error:  # torch and foreign layers raise anything; without a trace there is no stacking
        told = f"{type(error).__name__}: {str(error)[:300]}"
        raise InvalidSetting("executor.batch", told, "1 for this model: its layers cannot be stacked") from error
    tidy(graph, [*kept, *given])
    return StackedGradients(
        program=program_of(graph, kept=len(kept)),
        parameters=tuple(parameters),
        buffers=tuple(buffers),
        operations=str(graph.code),
        largest_bytes=_bytes(graph),
    )


def require_steady(recipe: Recipe, model: Module, *, width: int, batch: Batch) -> StackedGradients:
    """Traces a model at the start, in the middle and at the end of a run, and returns the trace.

    Raises:
        InvalidSetting: it cannot be traced, or changes as it goes.
    """
    traces = []
    for share in SHARES:
        recipe.on_progress(model, share)
        traces.append(trace_gradients(recipe, model, width=width, batch=batch, shared=True))
    recipe.on_progress(model, 0.0)
    if len({trace.operations for trace in traces}) > 1:
        raise InvalidSetting("executor.batch", "a model that changes over its run", "1 for this model")
    return traces[0]


def untrained(model: Module) -> dict[str, Tensor]:
    """Returns a model's buffers, and the parameters that are not trained, by name."""
    frozen = {name: one for name, one in model.named_parameters() if not one.requires_grad}
    return {**frozen, **dict(model.named_buffers())}


def whole_vectors(numbers: int) -> int:
    """Returns the length of a row that holds so many numbers."""
    return -(-numbers // VECTOR) * VECTOR


def _stacked(
    recipe: Recipe, model: Module, parameters: tuple[str, ...], buffers: tuple[str, ...], *, shared: bool
) -> Callable[..., list[Tensor]]:
    """Returns a function of the tensors of all candidates, then inputs and targets; see `StackedGradients`."""

    def loss_of_one(
        trained: Tensors, others: Tensors, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        kept = {name: buffer.clone() for name, buffer in others.items()}  # layers write their statistics in place
        with StackableForms():
            return recipe.loss(functional_call(model, {**trained, **kept}, (inputs,)), targets), kept

    data = None if shared else 0
    every = vmap(grad_and_value(loss_of_one, has_aux=True), in_dims=(0, 0, data, data))

    def computed(*tensors: Tensor) -> list[Tensor]:
        trained = dict(zip(parameters, tensors, strict=False))
        others = dict(zip(buffers, tensors[len(parameters) :], strict=False))
        gradients, (losses, kept) = every(trained, others, *tensors[-2:])
        return [losses, *(gradients[name] for name in parameters), *(kept[name] for name in buffers)]

    return computed


def _repeated(one: Tensor, width: int) -> Tensor:
    return one.expand(width, *one.shape).contiguous()


def _as_rows(one: Tensor, width: int) -> Tensor:
    """Repeats a tensor as it lies in a stack: each row ends in numbers of other tensors."""
    rows = one.new_zeros((width, whole_vectors(one.numel() + 1)))[:, : one.numel()]
    return rows.view(-1, *one.shape).copy_(one)


def _bytes(graph: GraphModule) -> int:
    results = [node.meta.get("val") for node in graph.graph.nodes if node.op == "call_function"]
    return sum(one.numel() * one.element_size() for one in results if isinstance(one, Tensor))
