"""Counts the floating-point operations of a forward pass.

Why: a cost screen must judge something that does not depend on the clock. torch's own counter sees only convolutions
and matrix products, and so could not tell one normalization layer from another. The rule: 2 per multiply-add there, a
fixed number per element for fused normalizations, 1 per element for every other operation that computes; views are
free.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

PER_ELEMENT: Mapping[str, int] = {
    "native_batch_norm": 5,
    "_native_batch_norm_legit": 5,
    "_native_batch_norm_legit_no_training": 5,
    "_batch_norm_with_update": 5,
    "cudnn_batch_norm": 5,
    "native_group_norm": 5,
    "native_layer_norm": 5,
}
"""Subtract the mean, scale, shift, and two sums for the statistics."""
ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"
"""What attention is on the CPU; torch's counter knows those of CUDA only. Both products are counted in full, masked or
not, so that a candidate has the same number on every device."""
FREE = frozenset({"clone", "copy_", "_to_copy", "detach", "empty", "zeros_like", "ones_like", "full", "fill_"})


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to be kept out of it torch would import its compiler (1.4 s)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func._overloadpacket
        name = packet.__name__
        if packet in flop_registry:
            self.total += flop_registry[packet](*args, **kwargs, out_val=out)
        elif name == ATTENTION:
            query, key, value = (tensor.shape for tensor in args[:3])
            self.total += sdpa_flop_count(query, key, value)  # type: ignore[no-untyped-call]
        elif not func.is_view and name not in FREE:
            tensors = [value for value in (*args, out) if isinstance(value, Tensor)]
            largest = max((tensor.numel() for tensor in tensors if tensor.is_floating_point()), default=0)
            self.total += largest * PER_ELEMENT.get(name, 1)
        return out


def forward_flops(model: Module, example: Tensor) -> int:
    """Returns operations of one forward pass in eval mode; the model's mode is put back.

    Args:
        model: any module.
        example: [1, ...].
    """
    training = model.training
    model.eval()
    with torch.no_grad(), _Counter() as counter:
        model(example)
    model.train(training)
    total: int = counter.total
    return total
