"""Which activations an example switches on: the binary codes behind the score naswot.

Why: examples that a network can tell apart before training fall into different linear regions of it; how many
activations two examples switch alike measures how close their regions are. Source: Mellor, Turner, Storkey, Crowley
2021, "Neural Architecture Search without Training" (arXiv 2006.04647), section 3, written for ReLU modules.

The rule: the input of every call to one of torch's activation functions counts, as a module, as a function or as a
method, if it was computed from the examples; its sign is the code. Of `maximum` and `minimum` of two tensors it is the
sign of their difference (max(a, b) = b + relu(a - b)), and a clamp counts where its lower bound is 0. Arithmetic that
amounts to an activation (x * (x > 0)) is not seen.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Module

ACTIVATIONS = frozenset(
    {
        *("relu", "relu6", "leaky_relu", "rrelu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish"),
        *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "log_sigmoid", "softplus", "softsign"),
        *("softshrink", "hardshrink", "tanhshrink", "threshold", "_threshold"),
    }
)
"""Names of functions and methods, without the underscore of those that work in place."""
TWO_SIDED = frozenset({"maximum", "minimum", "max", "min", "fmax", "fmin"})
CLAMPS = frozenset({"clamp", "clamp_min", "clip"})


class _Watched(Tensor):
    """The examples, and everything that is computed from them.

    A layer with kernels of its own for plain tensors (the norm-act layer) takes its ordinary operations for these.

    Attributes:
        codes: what the run has switched so far; each run watches with a subclass of its own.
    """

    codes: ClassVar[list[Tensor]]

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        code = _switched(getattr(func, "__name__", "").rstrip("_"), args, kwargs)
        if code is not None:
            cls.codes.append(code)
        return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]


def code_agreement(model: Module, inputs: Tensor) -> Tensor | None:
    """Returns K [b, b] in double precision: activations that two examples switch alike; None where none was seen.

    K[i, j] = N - Hamming distance of the codes of i and j, N the number of activations, so K[i, i] = N.

    Args:
        model: run once, in the mode it is in; its running statistics change.
        inputs: [b, ...].
    """
    codes: list[Tensor] = []
    model(inputs.as_subclass(type("_WatchedRun", (_Watched,), {"codes": codes})))
    size = len(inputs)
    seen = [code.reshape(size, -1).float() for code in codes if code.ndim >= 2 and len(code) == size]
    if not seen:
        return None
    return torch.stack([(c @ c.T + (1 - c) @ (1 - c).T).double() for c in seen]).sum(dim=0)


def _switched(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Returns whether each element is on the upper side of the call's kink, None where the call is no activation."""
    first = args[0] if args else kwargs.get("input")
    if not isinstance(first, Tensor):
        return None
    with torch._C.DisableTorchFunctionSubclass():  # comparisons give plain tensors, and are not watched
        if name in ACTIVATIONS:
            return first > 0
        if name in CLAMPS:
            low = kwargs.get("min", args[1] if len(args) > 1 else None)
            return first > 0 if isinstance(low, int | float) and low == 0 else None
        if name in TWO_SIDED:
            other = kwargs.get("other", args[1] if len(args) > 1 else None)
            return first > other if isinstance(other, Tensor) else None
    return None
