"""The vocabulary of normalization-activation graphs: 24 operators, and what each computes.

Why: graph, space, compiler, drawing and source all speak these names, so the table has one home. Paper: Liu, Brock,
Simonyan, Le, "Evolving Normalization-Activation Layers" (2020, arXiv 2004.02967), Table 2. The rule: an operator takes
and returns tensors that broadcast to [batch, channels, height, width]; an axis of size 1 means "the same everywhere",
and an aggregate keeps its reduced axes at size 1 instead of repeating its value.

The guards are ours (the paper only says "a small eps where needed"): they change a value only where its argument is
smaller than eps in magnitude, so the published layers equal their formulas.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from automl.errors import InvalidSetting

Kind: TypeAlias = Literal["element-wise", "aggregate"]
IndexSet: TypeAlias = Literal["bwh", "whc", "wh", "whcg"]
Moment: TypeAlias = Literal["mean", "rms", "std"]

EPS = 1e-5
"""Guard of div, log and sqrt, and what is added to a second moment; the layer may be given another."""

DEFAULT_GROUPS = 8
"""Channel groups of `whcg`, lowered until they divide the channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator of the vocabulary.

    Attributes:
        name: as written in genotypes.
        arity: number of arguments, 1 or 2.
        commutative: whether swapping the arguments leaves the value unchanged.
        kind: element-wise, or an aggregate over `index_set`.
        index_set: axes an aggregate runs over (b batch, c channels, cg a group of channels); None when element-wise.
        moment: what an aggregate computes; None when element-wise.
        template: formula for people, with {0} and {1} for the arguments.
    """

    name: str
    arity: int
    commutative: bool = False
    kind: Kind = "element-wise"
    index_set: IndexSet | None = None
    moment: Moment | None = None
    template: str

    def text(self, *arguments: str) -> str:
        """Returns the formula with the arguments' texts filled in."""
        return self.template.format(*arguments)


def _table() -> dict[str, Operator]:
    operators = [
        Operator(name="add", arity=2, commutative=True, template="({0} + {1})"),
        Operator(name="mul", arity=2, commutative=True, template="({0} * {1})"),
        Operator(name="div", arity=2, template="({0} / {1})"),
        Operator(name="max", arity=2, commutative=True, template="max({0}, {1})"),
        Operator(name="neg", arity=1, template="(-{0})"),
        Operator(name="sigmoid", arity=1, template="sigmoid({0})"),
        Operator(name="tanh", arity=1, template="tanh({0})"),
        Operator(name="exp", arity=1, template="exp({0})"),
        Operator(name="log", arity=1, template="log({0})"),
        Operator(name="abs", arity=1, template="|{0}|"),
        Operator(name="square", arity=1, template="{0}^2"),
        Operator(name="sqrt", arity=1, template="sqrt({0})"),
    ]
    moments: tuple[Moment, ...] = ("mean", "rms", "std")
    index_sets: tuple[IndexSet, ...] = ("bwh", "whc", "wh", "whcg")
    for moment in moments:
        for index_set in index_sets:
            name = f"{moment}_{index_set}"
            operators.append(
                Operator(
                    name=name,
                    arity=1,
                    kind="aggregate",
                    index_set=index_set,
                    moment=moment,
                    template=f"{name}({{0}})",
                )
            )
    return {operator.name: operator for operator in operators}


TABLE: Mapping[str, Operator] = MappingProxyType(_table())
"""Name -> operator: 12 element-wise ones, then 3 moments x 4 index sets."""

OPERATORS: tuple[str, ...] = tuple(TABLE)
BINARY = frozenset(name for name, operator in TABLE.items() if operator.arity == 2)
COMMUTATIVE = frozenset(name for name, operator in TABLE.items() if operator.commutative)


def fitting_groups(channels: int, groups: int) -> int:
    """Returns the largest number of groups, at most `groups`, that divides `channels` (as the paper's code does).

    Raises:
        InvalidSetting: `channels` or `groups` is below 1.
    """
    for name, given in (("channels", channels), ("groups", groups)):
        if given < 1:
            raise InvalidSetting(name, given, "an int >= 1")
    return next(count for count in range(min(groups, channels), 0, -1) if channels % count == 0)


def guarded_divisor(value: Tensor, eps: float) -> Tensor:
    """Returns sign0(y) * max(|y|, eps) with sign0(0) = +1: y itself wherever |y| >= eps, and never near zero."""
    magnitude = torch.clamp(torch.abs(value), min=eps)
    return torch.where(value < 0, -magnitude, magnitude)


def signed_log(value: Tensor, eps: float) -> Tensor:
    """Returns sign(y) * ln(max(|y|, eps)); 0 at 0."""
    return torch.sign(value) * torch.log(torch.clamp(torch.abs(value), min=eps))


def signed_sqrt(value: Tensor, eps: float) -> Tensor:
    """Returns sign(y) * sqrt(max(|y|, eps)); 0 at 0."""
    return torch.sign(value) * torch.sqrt(torch.clamp(torch.abs(value), min=eps))


_UNARY: Mapping[str, Callable[[Tensor], Tensor]] = {
    "neg": torch.neg,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "abs": torch.abs,
    "square": lambda value: value * value,
}
_BINARY: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "mul": torch.mul,
    "max": torch.maximum,
}


def element_wise(name: str, *arguments: Tensor, eps: float) -> Tensor:
    """Applies an element-wise operator.

    Args:
        name: of an element-wise operator.
        arguments: as many as its arity, broadcastable to each other.
        eps: guard of div, log and sqrt, > 0.
    """
    if name == "div":
        return arguments[0] / guarded_divisor(arguments[1], eps)
    if name == "log":
        return signed_log(arguments[0], eps)
    if name == "sqrt":
        return signed_sqrt(arguments[0], eps)
    if len(arguments) == 2:
        return _BINARY[name](*arguments)
    return _UNARY[name](*arguments)


def statistic(value: Tensor, *, moment: Moment, index_set: IndexSet, groups: int) -> Tensor:
    """Computes the raw statistic behind an aggregate: mean, mean of squares (rms) or biased variance (std).

    The variance is taken in two passes (mean of squared deviations), so it cannot cancel.

    Args:
        value: 4 axes, each of full size or 1.
        moment: which statistic.
        index_set: axes to run over.
        groups: number of channel groups of `whcg`; divides the channels.

    Returns:
        The statistic with reduced axes at size 1; for groups [batch, channels, 1, 1], equal within a group.
    """
    if index_set == "whcg" and value.shape[1] > 1:
        grouped = value.reshape(value.shape[0], groups, -1)
        result = _statistic_over(grouped, moment=moment, axes=(2,))
        per_group = value.shape[1] // groups
        return result.expand(-1, -1, per_group).reshape(value.shape[0], value.shape[1], 1, 1)
    axes = {"bwh": (0, 2, 3), "whc": (1, 2, 3), "wh": (2, 3), "whcg": (2, 3)}[index_set]
    return _statistic_over(value, moment=moment, axes=axes)


def aggregate(raw: Tensor, *, moment: Moment, eps: float) -> Tensor:
    """Turns a raw statistic into the operator's value: the mean itself, else sqrt(statistic + eps)."""
    return raw if moment == "mean" else torch.sqrt(raw + eps)


def _statistic_over(value: Tensor, *, moment: Moment, axes: tuple[int, ...]) -> Tensor:
    if moment == "rms":
        return torch.mean(value * value, dim=axes, keepdim=True)
    mean = torch.mean(value, dim=axes, keepdim=True)
    if moment == "mean":
        return mean
    centred = value - mean
    return torch.mean(centred * centred, dim=axes, keepdim=True)
