"""A norm-act graph evaluated node by node with ordinary torch operations.

Why: this is what a graph means. It exports to ONNX, differentiates any number of times and runs on any device and type;
the compiled path must equal it. The rule: values keep size 1 along axes on which they do not vary, and a batch moment
is taken from the batch when none are given (training), else from the given running ones (evaluation).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from search_spaces.norm_act.graph import FIRST, V0, V1, Nodes, drop_dead, live, node
from search_spaces.norm_act.operators import COMMUTATIVE, TABLE, Moment, aggregate, element_wise, statistic

VARIES_WITH_BATCH = frozenset("np")
"""Axes (n batch, p position) over which a batch moment runs."""

_GONE = {"bwh": "np", "whc": "cp", "wh": "p", "whcg": "p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Per-channel tensors of a layer, each [channels].

    Attributes:
        v0: None when the graph does not read it.
        v1: None when the graph does not read it.
        gamma: scale of the output.
        beta: shift of the output.
    """

    v0: Tensor | None
    v1: Tensor | None
    gamma: Tensor
    beta: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMoment:
    """A live expression that averages over the batch, hence needs a running value for evaluation.

    Attributes:
        value: its value index in the shared nodes.
        moment: mean, rms (its running value is the mean of squares) or std (the biased variance).
        per_channel: whether it differs between channels.
    """

    value: int
    moment: Moment
    per_channel: bool


@lru_cache(maxsize=4096)
def share(nodes: Nodes) -> Nodes:
    """Returns the nodes that reach the output with equal ones merged (operands of add, mul, max in either order)."""
    place, kept = list(range(FIRST)), dict[tuple[str | int, ...], int]()
    for operator, *arguments in drop_dead(nodes):
        moved = [place[argument] for argument in arguments]
        merged = node(operator, *(sorted(moved) if operator in COMMUTATIVE else moved))
        place.append(kept.setdefault(merged, FIRST + len(kept)))
    return drop_dead(tuple(kept))  # type: ignore[arg-type]


def axes(nodes: Nodes) -> list[frozenset[str]]:
    """Returns, for each of the len(nodes) + 4 values, the axes on which it may vary: n batch, c channel, p position."""
    found = [frozenset("ncp"), frozenset[str](), frozenset("c"), frozenset("c")]
    for name, *arguments in nodes:
        joined = frozenset[str]().union(*(found[argument] for argument in arguments))
        index_set = TABLE[name].index_set
        found.append(joined if index_set is None else joined - frozenset(_GONE[index_set]))
    return found


@lru_cache(maxsize=4096)
def batch_moments(nodes: Nodes) -> tuple[BatchMoment, ...]:
    """Returns the batch moments among shared nodes whose argument varies over the batch or the positions."""
    found, varies = [], axes(nodes)
    for value, (name, *arguments) in enumerate(nodes, FIRST):
        operator = TABLE[name]
        if operator.index_set == "bwh" and operator.moment is not None and varies[arguments[0]] & VARIES_WITH_BATCH:
            found.append(BatchMoment(value=value, moment=operator.moment, per_channel="c" in varies[value]))
    return tuple(found)


def reads(nodes: Nodes) -> tuple[bool, bool]:
    """Returns whether the output depends on v0 and on v1."""
    alive = live(nodes)
    return alive[V0], alive[V1]


def evaluate(
    nodes: Nodes,
    x: Tensor,
    parameters: Parameters,
    *,
    groups: int,
    eps: float,
    running: Sequence[Tensor] | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Computes gamma * graph(x) + beta.

    Args:
        nodes: as returned by `share`.
        x: [batch, channels, height, width].
        parameters: of the layer.
        groups: channel groups of `whcg`; divides the channels.
        eps: guard and variance offset, > 0.
        running: one raw statistic per batch moment, each [channels] or [1]; None = take them from this batch.

    Returns:
        The output, shaped as x, and the raw statistics in the order of `batch_moments`, each [channels] or [1].
    """
    moments = batch_moments(nodes)
    given = {} if running is None else {m.value: r for m, r in zip(moments, running, strict=True)}
    values = _given_values(x, parameters)
    raw: dict[int, Tensor] = {}
    for index, (name, *arguments) in enumerate(nodes, FIRST):
        operator, operands = TABLE[name], [values[argument] for argument in arguments]
        if operator.moment is None or operator.index_set is None:
            values.append(element_wise(name, *operands, eps=eps))
            continue
        known = given.get(index)
        if known is None:
            kind, over = operator.moment, operator.index_set
            raw[index] = statistic(operands[0], moment=kind, index_set=over, groups=groups)
        else:
            raw[index] = known.view(1, -1, 1, 1)
        values.append(aggregate(raw[index], moment=operator.moment, eps=eps))
    output = values[-1] * parameters.gamma.view(1, -1, 1, 1) + parameters.beta.view(1, -1, 1, 1)
    return output.expand_as(x), tuple(_flat(raw, moment) for moment in moments)


def _given_values(x: Tensor, parameters: Parameters) -> list[Tensor]:
    zero = torch.zeros((1, 1, 1, 1), dtype=x.dtype, device=x.device)
    vectors = [zero if v is None else v.view(1, -1, 1, 1) for v in (parameters.v0, parameters.v1)]
    return [x, zero, *vectors]


def _flat(raw: Mapping[int, Tensor], moment: BatchMoment) -> Tensor:
    return raw[moment.value].reshape(-1)
