"""Forms of torch's functions that stack well: cross entropy with the classes in front, and embeddings row by row.

Why: torch takes softmax over a last axis one short row at a time, and what `vmap` makes of the loss is 30 operations,
which cost as much as a small network. The rule: a form gives what torch's own function gives, up to rounding, and is
taken only where that was called in the plain way; any other call is left to torch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

IGNORED = -100
"""Target of an example that does not count; torch's default."""

MOST_ROWS = 128
"""Of an embedding whose gradient is a product with one-hot rows. From there on rows are added up one by one: 512
characters of 93 kinds cost 37 us a candidate as a product, whose cost grows with the kinds, and 40 us one by one."""


PLAIN_LOSS: Mapping[str, Any] = {
    "weight": None,
    "size_average": None,
    "ignore_index": IGNORED,
    "reduce": None,
    "reduction": "mean",
    "label_smoothing": 0.0,
}
PLAIN_EMBEDDING: Mapping[str, Any] = {
    "padding_idx": None,
    "max_norm": None,
    "norm_type": 2.0,
    "scale_grad_by_freq": False,
    "sparse": False,
}


class StackableForms(TorchFunctionMode):
    """Within it, plain calls of `functional.cross_entropy` and `functional.embedding` are computed by this module."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls a form where there is one for these arguments, else `func`."""
        given = dict(kwargs or {})
        if func is functional.cross_entropy and _is_plain_loss(args, given):
            return cross_entropy(*args)
        if func is functional.embedding and _is_plain_embedding(args, given):
            return embedding(*args)
        return func(*args, **given)


def cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean of -log softmax(scores)[targets] over the examples that count.

    Args:
        scores: [examples, classes].
        targets: [examples], in [0, classes) or `IGNORED`.
    """
    counts = targets != IGNORED
    shares = counts.to(scores.dtype) / counts.sum()
    classes = torch.arange(scores.shape[1], device=scores.device)
    hot = (classes[:, None] == targets).to(scores.dtype)
    mean: Tensor = _MeanLoss.apply(scores.t(), shares, hot, targets.where(counts, 0))[0]  # type: ignore[no-untyped-call]
    return mean


def embedding(characters: Tensor, weight: Tensor) -> Tensor:
    """Returns `weight`'s rows by number.

    Args:
        characters: [...], in [0, rows).
        weight: [rows, features].
    """
    rows: Tensor = _Rows.apply(weight, characters.flatten())  # type: ignore[no-untyped-call]
    return rows.view(*characters.shape, weight.shape[1])


class _MeanLoss(Function):
    """(scores [classes, examples], shares [examples], one-hot targets, targets) -> mean loss, logs of the softmax."""

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, shares: Tensor, hot: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logs = scores.log_softmax(0)
        return -(logs.gather(0, targets[None])[0] * shares).sum(), logs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1], *inputs[1:3])

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """(softmax - one-hot) share, by example."""
        logs, shares, hot = ctx.saved_tensors
        return (logs.exp() - hot) * shares * slope, None, None, None


class _Rows(Function):
    """(weight [rows, features], numbers [places]) -> [places, features]."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, numbers: Tensor) -> Tensor:
        return weight.index_select(0, numbers)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.rows = inputs[0].shape[0]
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Sums the slopes of each row."""
        (numbers,) = ctx.saved_tensors
        if ctx.rows > MOST_ROWS:
            return slopes.new_zeros((ctx.rows, slopes.shape[1])).index_add(0, numbers, slopes), None
        hot = (torch.arange(ctx.rows, device=numbers.device)[:, None] == numbers).to(slopes.dtype)
        return hot @ slopes, None


def _is_plain_loss(args: Sequence[Any], given: Mapping[str, Any]) -> bool:
    """Returns whether it is a mean over examples, [examples, classes] by [examples], without weights or smoothing."""
    if len(args) != 2 or not _are_defaults(given, PLAIN_LOSS):
        return False
    scores, targets = args
    return bool(scores.ndim == 2 and targets.ndim == 1 and scores.is_floating_point() and targets.dtype == torch.int64)


def _is_plain_embedding(args: Sequence[Any], given: Mapping[str, Any]) -> bool:
    """Returns whether all rows are treated alike, with a dense gradient."""
    return len(args) == 2 and _are_defaults(given, PLAIN_EMBEDDING)


def _are_defaults(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    return all(name in defaults and value == defaults[name] for name, value in given.items())
