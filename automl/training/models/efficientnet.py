"""A small EfficientNet (Tan and Le 2019): inverted residual blocks with squeeze-and-excitation."""

import torch
from torch.nn import Module

from automl.contracts import NormActFactory, Signature
from automl.training.models.inverted_residual import BlockForm, InvertedResidualNet

EXPANSION = 3


def efficientnet(
    signature: Signature, norm_act: NormActFactory, generator: torch.Generator, *, width: int = 16
) -> Module:
    """Builds the network; its first stage has `width` channels."""
    form = BlockForm(expansion=EXPANSION, excited=True, norm_act=norm_act, generator=generator)
    return InvertedResidualNet(signature, width=width, form=form)
