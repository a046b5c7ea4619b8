"""Replaces the norm-activation pairs of a user's own network by the layers of a candidate.

Why: a candidate layer should be tried on a network as it is, without rewriting it around a factory.
The rule: only modules can be seen. `F.relu` inside a `forward` cannot, and neither can an activation module that one
`forward` calls several times; norms whose partner is therefore unknown are left alone and named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn import Module, Sequential

from automl.contracts import NormActFactory
from automl.errors import InvalidSetting

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm)
ACTIVATIONS = (
    nn.ReLU,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Tanh,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What became of the norms of a network.

    Attributes:
        replaced: dotted names of the norms that became a candidate layer, pairs and lone ones.
        left: dotted names of the norms left alone, because their activation could not be seen.
    """

    replaced: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One module and where it hangs."""

    name: str
    parent: Module
    attribute: str
    module: Module


def replace_norm_act(module: Module, norm_act: NormActFactory) -> Replacement:
    """Replaces norms over [b, c, h, w], in place, by layers from `norm_act`.

    A norm directly followed by an activation (neighbours in a Sequential, or attributes registered one after the other)
    becomes `norm_act(c, "norm+act")` and the activation an Identity. A norm inside a Sequential that something else
    follows becomes `norm_act(c, "norm")`. Norms outside of a Sequential without an activation of their own are left.

    Args:
        module: the network; changed in place.
        norm_act: see `automl.contracts.NormActFactory`.

    Returns:
        The names of the norms replaced and of those left alone.

    Raises:
        InvalidSetting: no pair was found.
    """
    replaced, left, pairs = [], [], 0
    for chain, sequential in list(_chains(module, "")):
        for index, place in enumerate(chain):
            if not isinstance(place.module, NORMS):
                continue
            channels = _channels(place.module)
            partner = chain[index + 1] if index + 1 < len(chain) else None
            paired = partner is not None and isinstance(partner.module, ACTIVATIONS)
            if channels is None or not (paired or sequential) or (not sequential and _ambiguous(chain)):
                left.append(place.name)
                continue
            setattr(place.parent, place.attribute, norm_act(channels, "norm+act" if paired else "norm"))
            replaced.append(place.name)
            if paired and partner is not None:
                setattr(partner.parent, partner.attribute, nn.Identity())
                pairs += 1
    if pairs == 0:
        found = ", ".join(left + replaced) if left or replaced else "none"
        raise InvalidSetting(
            "network",
            type(module).__name__,
            "a module tree with at least one norm over [b, c, h, w] directly followed by an activation module (norms "
            f"found: {found}); write activations as modules, one per place, next to their norm",
        )
    return Replacement(replaced=tuple(replaced), left=tuple(left))


def _chains(module: Module, prefix: str) -> Iterator[tuple[Sequence[_Place], bool]]:
    """Yields each run of modules that is called (Sequential) or registered (any other parent) one after the other."""
    chain = list(_flat(module, prefix)) if isinstance(module, Sequential) else _children(module, prefix)
    yield chain, isinstance(module, Sequential)
    for place in chain:
        yield from _chains(place.module, place.name + ".")


def _flat(module: Sequential, prefix: str) -> Iterator[_Place]:
    for place in _children(module, prefix):
        if isinstance(place.module, Sequential):
            yield from _flat(place.module, place.name + ".")
        else:
            yield place


def _children(module: Module, prefix: str) -> list[_Place]:
    named = module.named_children()
    return [_Place(name=prefix + name, parent=module, attribute=name, module=child) for name, child in named]


def _ambiguous(chain: Sequence[_Place]) -> bool:
    """Whether fewer activations than norms are registered: one of them may be called several times."""
    norms = sum(isinstance(place.module, NORMS) for place in chain)
    return norms > sum(isinstance(place.module, ACTIVATIONS) for place in chain)


def _channels(norm: Module) -> int | None:
    match norm:
        case nn.GroupNorm():
            return norm.num_channels
        case nn.LayerNorm():
            return norm.normalized_shape[0] if len(norm.normalized_shape) == 3 else None
        case nn.BatchNorm2d() | nn.SyncBatchNorm() | nn.InstanceNorm2d():
            return norm.num_features
    return None
