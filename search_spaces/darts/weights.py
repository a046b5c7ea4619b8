"""Initial weights of a built network, from one generator.

Why: equal seeds must give equal networks, whatever torch's own generator holds. Source: He et al. 2015, equation 14.
The rule: modules are visited in the order of `modules()`; batch norms keep ones and zeros.
"""

import math

import torch
from torch.nn import Conv2d, Linear, Module, init


def initialise(module: Module, generator: torch.Generator) -> None:
    """Redraws, in place, convolutions He-normal by fan-out, and linear layers uniform in +-1/sqrt(features)."""
    for part in module.modules():
        match part:
            case Conv2d():
                fan_out = part.out_channels // part.groups * math.prod(part.kernel_size)
                init.normal_(part.weight, std=math.sqrt(2 / fan_out), generator=generator)
                if part.bias is not None:
                    init.zeros_(part.bias)
            case Linear():
                bound = 1 / math.sqrt(part.in_features)
                init.uniform_(part.weight, -bound, bound, generator=generator)
                init.zeros_(part.bias)
