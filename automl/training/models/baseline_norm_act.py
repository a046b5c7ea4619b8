"""The layer that candidates must beat: batch normalization followed by ReLU (Ioffe and Szegedy 2015)."""

from typing import assert_never

from torch.nn import BatchNorm2d, Module, ReLU, Sequential

from automl.contracts.recipe import Role


def batch_norm_relu(channels: int, role: Role) -> Module:
    """Returns [b, channels, h, w] -> same: BN and ReLU for "norm+act", BN for "norm", ReLU for "act"."""
    match role:
        case "norm+act":
            return Sequential(BatchNorm2d(channels), ReLU())
        case "norm":
            return BatchNorm2d(channels)
        case "act":
            return ReLU()
    assert_never(role)
