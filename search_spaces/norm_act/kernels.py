"""What each expression does to tensors of [samples, channels, positions].

Why: one table of bound torch calls replaces generated source, so nothing is ever passed to exec or eval. The rule: a
full-size kernel writes into `out`, which may be one of its own arguments; small values, [samples or 1, channels or 1,
1], are cheap and are returned as new tensors. Only vectorised torch calls are used: `where`, `var` and products with
booleans are 7 to 60 times slower on CPU than the calls below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Write: TypeAlias = Callable[..., Any]
"""(out, *arguments) -> ignored."""

_aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Kernel:
    """One full-size kernel.

    Attributes:
        write: computes into its first argument.
        passes: cost in sweeps over memory, about; decides what is kept rather than computed again.
    """

    write: Write
    passes: int = 1


def _twice_won(out: Tensor, a: Tensor, b: Tensor) -> None:
    torch.sub(a, b, out=out).sign_().add_(1.0)


def _twice_lost(out: Tensor, twice_won: Tensor) -> None:
    torch.neg(twice_won, out=out).add_(2.0)


def _guard(out: Tensor, a: Tensor, eps: float) -> None:
    signs = torch.add(a, 0.0)  # -0.0 + 0.0 is +0.0, so zero counts as positive
    torch.copysign(torch.abs(a, out=out).clamp_min_(eps), signs, out=out)


def _outside_guard(out: Tensor, a: Tensor, eps: float) -> None:
    torch.abs(a, out=out).ge_(eps)


def _signed_log(out: Tensor, a: Tensor, eps: float) -> None:
    signs = torch.sign(a)
    torch.abs(a, out=out).clamp_min_(eps).log_().mul_(signs)


def _signed_sqrt(out: Tensor, a: Tensor, eps: float) -> None:
    signs = torch.sign(a)
    torch.abs(a, out=out).clamp_min_(eps).sqrt_().mul_(signs)


def _signed_log_slope(out: Tensor, a: Tensor, eps: float) -> None:
    outside = torch.abs(a).ge_(eps)
    torch.abs(a, out=out).clamp_min_(eps).reciprocal_().mul_(outside)


def _signed_sqrt_slope(out: Tensor, a: Tensor, eps: float) -> None:
    outside = torch.abs(a).ge_(eps)
    torch.abs(a, out=out).clamp_min_(eps).rsqrt_().mul_(outside).mul_(0.5)


def _tanh_slope(out: Tensor, s: Tensor) -> None:
    torch.mul(s, s, out=out).neg_().add_(1.0)


def full_kernels(eps: float) -> Mapping[str, Kernel]:
    """Returns the full-size kernels by expression name, for one guard `eps`."""
    return {
        "mul": Kernel(lambda out, a, b: torch.mul(a, b, out=out)),
        "div": Kernel(lambda out, a, b: torch.div(a, b, out=out)),
        "shift": Kernel(lambda out, a, k: torch.add(a, k, out=out)),
        "add_product": Kernel(lambda out, total, a, k: torch.addcmul(total, a, k, out=out)),
        "add_multiple": Kernel(lambda out, total, a, k: torch.add(total, a, alpha=k, out=out)),
        "rcp": Kernel(lambda out, a: torch.reciprocal(a, out=out)),
        "abs": Kernel(lambda out, a: torch.abs(a, out=out)),
        "sign": Kernel(lambda out, a: torch.sign(a, out=out)),
        "exp": Kernel(lambda out, a: torch.exp(a, out=out), 7),
        "sigmoid": Kernel(lambda out, a: torch.sigmoid(a, out=out), 4),
        "tanh": Kernel(lambda out, a: torch.tanh(a, out=out), 20),
        "relu": Kernel(lambda out, a: torch.clamp_min(a, 0.0, out=out)),
        "maximum": Kernel(lambda out, a, b: torch.maximum(a, b, out=out)),
        "twice_won": Kernel(_twice_won, 3),
        "twice_lost": Kernel(_twice_lost, 2),
        "sigmoid_slope": Kernel(lambda out, s: torch.addcmul(s, s, s, value=-1.0, out=out)),
        "tanh_slope": Kernel(_tanh_slope, 3),
        "relu_slope": Kernel(lambda out, a: torch.gt(a, 0.0, out=out)),
        "sigmoid_backward": Kernel(lambda out, d, s: _aten.sigmoid_backward.grad_input(d, s, grad_input=out)),
        "tanh_backward": Kernel(lambda out, d, s: _aten.tanh_backward.grad_input(d, s, grad_input=out)),
        "relu_backward": Kernel(lambda out, d, a: _aten.threshold_backward.grad_input(d, a, 0.0, grad_input=out)),
        "guard": Kernel(lambda out, a: _guard(out, a, eps), 5),
        "outside_guard": Kernel(lambda out, a: _outside_guard(out, a, eps), 2),
        "signed_log": Kernel(lambda out, a: _signed_log(out, a, eps), 14),
        "signed_sqrt": Kernel(lambda out, a: _signed_sqrt(out, a, eps), 6),
        "signed_log_slope": Kernel(lambda out, a: _signed_log_slope(out, a, eps), 5),
        "signed_sqrt_slope": Kernel(lambda out, a: _signed_sqrt_slope(out, a, eps), 6),
    }


def small_kernels(eps: float, groups: int) -> Mapping[str, Callable[..., Tensor]]:
    """Returns the kernels of small values, reductions of full-size ones among them, by expression name."""
    found: dict[str, Callable[..., Tensor]] = {
        "add": torch.add,
        "mul": torch.mul,
        "maximum": torch.maximum,
        "root": torch.sqrt,
        "twice_won": lambda a, b: torch.sub(a, b).sign_().add_(1.0),
        "sum_p": lambda a: torch.sum(a, 2, keepdim=True),
        "square_sum_p": lambda a: torch.linalg.vector_norm(a, dim=2, keepdim=True).square_(),
        "sum_c": lambda a: torch.sum(a, 1, keepdim=True),
        "sum_n": lambda a: torch.sum(a, 0, keepdim=True),
        "mean_g": lambda a: _group_mean(a, groups),
    }
    for name, kernel in full_kernels(eps).items():
        if name not in found:
            found[name] = _returning(kernel.write)
    return found


def _returning(write: Write) -> Callable[..., Tensor]:
    def make(a: Tensor, *others: Tensor) -> Tensor:
        out = torch.empty_like(a)
        write(out, a, *others)
        return out

    return make


def _group_mean(a: Tensor, groups: int) -> Tensor:
    samples, channels, _ = a.shape
    mean = a.view(samples, groups, -1).mean(2, keepdim=True)
    return mean.expand(-1, -1, channels // groups).reshape(samples, channels, 1)
