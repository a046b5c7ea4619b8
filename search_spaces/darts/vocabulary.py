"""Names of the operations of the DARTS family, and the sets that searches choose from.

Why: genotypes, weight matrices and published tables index operations by position, so the order of a set is part of its
meaning. Sources: DARTS (Liu, Simonyan, Yang 2019, arXiv 1806.09055) and sharpDARTS (Hundt, Jain, Hager 2019, arXiv
1903.09900). The rule: position k of a set is column k of an architecture weight matrix.
"""

from collections.abc import Mapping
from types import MappingProxyType

from automl.errors import UnknownName

NONE = "none"

DARTS: tuple[str, ...] = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The eight operations of DARTS."""

SHARP: tuple[str, ...] = (
    "none",
    "max_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "dil_conv_3x3",
    "flood_conv_3x3",
    "dil_flood_conv_3x3",
    "choke_conv_3x3",
    "dil_choke_conv_3x3",
)
"""The nine operations of sharpDARTS: flood convolutions are wide in the middle, choke convolutions narrow."""

SHARPER: tuple[str, ...] = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "flood_conv_3x3",
    "flood_conv_5x5",
    "dil_flood_conv_3x3",
)
"""The twelve operations of the "sharper" search of sharpDARTS."""

OPERATION_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"darts": DARTS, "sharpsepconv-darts": DARTS, "sharp": SHARP, "sharper": SHARPER}
)
"""Name of a set -> its operations. All but "darts" build every convolution as a SharpSepConv."""

SHORT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "none": "n",
        "max_pool_3x3": "mx",
        "avg_pool_3x3": "av",
        "skip_connect": "sk",
        "sep_conv_3x3": "s3",
        "sep_conv_5x5": "s5",
        "sep_conv_7x7": "s7",
        "dil_conv_3x3": "d3",
        "dil_conv_5x5": "d5",
        "flood_conv_3x3": "f3",
        "flood_conv_5x5": "f5",
        "dil_flood_conv_3x3": "df3",
        "choke_conv_3x3": "c3",
        "dil_choke_conv_3x3": "dc3",
        "conv_7x1_1x7": "c71",
    }
)
"""Every operation -> the short name that descriptions and tables use."""

LONG_NAMES: Mapping[str, str] = MappingProxyType({short: name for name, short in SHORT_NAMES.items()})


def operation_set(name: str) -> tuple[str, ...]:
    """Returns the operations of a set, in the order of its weight matrices.

    Raises:
        UnknownName: there is no such set.
    """
    if name not in OPERATION_SETS:
        raise UnknownName("operation set", str(name), OPERATION_SETS)
    return OPERATION_SETS[name]
