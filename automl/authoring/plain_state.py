"""Copies of nested training state: dicts, lists and tuples of tensors and plain numbers.

Why: a snapshot must not share memory with a run that goes on, and must be readable without unpickling objects.
The rule: whatever is not a tensor, a number, a text, None or one of the three containers is refused.
"""

from typing import Any

import torch
from torch import Tensor


def copy_state(value: Any, *, device: str) -> Any:
    """Returns a deep copy on `device`.

    Raises:
        TypeError: an object that has no place in a snapshot.
    """
    match value:
        case Tensor():
            return value.detach().clone().to(device)
        case dict():
            return {key: copy_state(item, device=device) for key, item in value.items()}
        case list():
            return [copy_state(item, device=device) for item in value]
        case tuple():
            return tuple(copy_state(item, device=device) for item in value)
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(
        f"Training state holds a {type(value).__name__}; a snapshot takes tensors, numbers, texts, None, and dicts, "
        "lists or tuples of them. Keep the state of an update rule or schedule in these forms."
    )


def copy_into(target: Tensor, source: Tensor) -> None:
    """Overwrites `target` in place with `source` of the same shape, across devices, outside of autograd."""
    with torch.no_grad():
        target.copy_(source)
