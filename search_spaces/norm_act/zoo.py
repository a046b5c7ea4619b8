"""Published normalization-activation layers as graphs of at most ten nodes.

Why: evolution starts from them, people compare with them, and each is an oracle (tests hold every one against its
formula in float64). The rule: values 0 to 3 are x, zero, v0 (starts at 0) and v1 (starts at 1); the last node is the
output; the layer puts gamma*y + beta behind it.

Sources: EvoNorm B0 to S2, Liu et al. 2020; BN-ReLU and its kin, with their own affine before the activation, v1*y + v0;
FRN with TLU, Singh and Krishnan 2019; CRReLU, 2024 (arXiv 2405.12954); PowerNorm, Shen et al. 2020; RMSNorm, Zhang and
Sennrich 2019; Mish, Misra 2019; squared ReLU, So et al. 2021.

What differs from the paper:
    crrelu      its slope epsilon is v0, which starts at 0 and not at 0.01.
    prelu       max(x, v0*x): the published one for slopes up to 1; starts at 0, so as ReLU, and not at 0.25.
    frn-tlu     max(gamma*z + beta, tau) = gamma*max(z, (tau - beta)/gamma) + beta for gamma > 0; v0 is that quotient.
    ln-relu, rmsnorm    average over (channels, height, width); the index sets have none over channels alone, so they
                are the transformers' LayerNorm and RMSNorm only where height = width = 1.
    powernorm   the batch form; its running forward statistic and its approximate gradient are no graph operators.
    softplus, mish      ln(1 + e^x) overflows in float32 for x > 88, where the guarded library forms do not.

What is not here, and why: ELU, LeakyReLU and GELU need constants (0.01, sqrt(2/pi)) that no short graph makes; GLU
forms need a second projection; CRMSNorm needs a sum over d + 1 entries; alpha-BN needs running statistics as an input;
ScaleNorm has one scale for all channels; KAN units need grids and learned bases.
"""

from collections.abc import Mapping

from search_spaces.norm_act.graph import Node, Nodes


def _normalized(index_set: str) -> Nodes:
    """Returns (x - mean)/std over an index set, with the norm's own affine; seven nodes, the last is value 10."""
    return (
        (f"mean_{index_set}", 0), ("neg", 4), ("add", 0, 5), (f"std_{index_set}", 0), ("div", 6, 7),
        ("mul", 8, 3), ("add", 9, 2),
    )  # fmt: skip


_RELU: tuple[Node, ...] = (("max", 10, 1),)
_SILU: tuple[Node, ...] = (("sigmoid", 10), ("mul", 10, 11))

DESIGNS: Mapping[str, Nodes] = {  # the first ones are what evolution starts from
    "bn-relu": _normalized("bwh") + _RELU,
    "gn-relu": _normalized("whcg") + _RELU,
    "bn-silu": _normalized("bwh") + _SILU,
    "evonorm-b0": (
        ("std_bwh", 0), ("mul", 0, 3), ("std_wh", 0), ("add", 5, 6), ("max", 4, 7), ("div", 0, 8),
    ),
    "evonorm-s0": (("mul", 0, 3), ("sigmoid", 4), ("std_whcg", 0), ("div", 0, 6), ("mul", 7, 5)),
    "frn-tlu": (("rms_wh", 0), ("div", 0, 4), ("max", 5, 2)),
    "ln-relu": _normalized("whc") + _RELU,
    "in-relu": _normalized("wh") + _RELU,
    "gn-silu": _normalized("whcg") + _SILU,
    "evonorm-b1": (
        ("std_bwh", 0), ("exp", 1), ("add", 0, 5), ("rms_wh", 0), ("mul", 6, 7), ("max", 4, 8), ("div", 0, 9),
    ),
    "evonorm-b2": (
        ("std_bwh", 0), ("rms_wh", 0), ("neg", 0), ("add", 5, 6), ("max", 4, 7), ("div", 0, 8),
    ),
    "evonorm-s1": (("sigmoid", 0), ("std_whcg", 0), ("div", 0, 5), ("mul", 6, 4)),
    "evonorm-s2": (("sigmoid", 0), ("rms_whcg", 0), ("div", 0, 5), ("mul", 6, 4)),
    "frn": (("rms_wh", 0), ("div", 0, 4)),
    "rmsnorm": (("rms_whc", 0), ("div", 0, 4)),
    "powernorm": (("rms_bwh", 0), ("div", 0, 4)),
    "relu": (("max", 0, 1),),
    "squared-relu": (("max", 0, 1), ("square", 4)),
    "prelu": (("mul", 0, 2), ("max", 0, 4)),
    "silu": (("sigmoid", 0), ("mul", 0, 4)),
    "swish-beta": (("mul", 0, 3), ("sigmoid", 4), ("mul", 0, 5)),
    "tanh": (("tanh", 0),),
    "sigmoid": (("sigmoid", 0),),
    "softplus": (("exp", 1), ("exp", 0), ("add", 4, 5), ("log", 6)),
    "softsign": (("exp", 1), ("abs", 0), ("add", 4, 5), ("div", 0, 6)),
    "mish": (("exp", 1), ("exp", 0), ("add", 4, 5), ("log", 6), ("tanh", 7), ("mul", 0, 8)),
    "crrelu": (
        ("exp", 1), ("add", 4, 4), ("square", 0), ("div", 6, 5), ("neg", 7), ("exp", 8), ("mul", 0, 9), ("mul", 10, 2),
        ("max", 0, 1), ("add", 12, 11),
    ),
}  # fmt: skip
