"""A chain as a network: what a path of the grid is judged by once it is trained alone.

Why: the weights of a grid are shared by all its paths, so a path must prove itself with weights of its own. Paper:
Hundt, Jain, Hager 2019 (arXiv 1903.09900). The rule: stem, one operation per step with strides 1, 2, 1, 2, ..., a last
SharpSepConv to the features, mean over the positions, linear.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl.contracts.recipe import NormActFactory, Signature
from search_spaces.darts.hypercuboid.chain import Chain
from search_spaces.darts.hypercuboid.operations import SharpSepConv, build_primitive
from search_spaces.darts.hypercuboid.plan import check_images, stride_of
from search_spaces.darts.weights import initialise


class ChainNetwork(nn.Module):
    """Images [batch, image_channels, height, width] -> class scores [batch, classes]."""

    def __init__(self, chain: Chain, image_channels: int, classes: int, *, features: int) -> None:
        super().__init__()
        widths = [chain.stem, *(channels for channels, _ in chain.steps)]
        self.stem = stem(image_channels, chain.stem)
        self.steps = nn.Sequential(
            *(
                build_primitive(primitive, before, channels, stride=stride_of(step))
                for step, (before, (channels, primitive)) in enumerate(zip(widths, chain.steps, strict=False))
            )
        )
        self.last = SharpSepConv(widths[-1], features)
        self.head = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        scores: Tensor = self.head(self.last(self.steps(self.stem(images))).mean((2, 3)))
        return scores


def stem(image_channels: int, channels: int) -> nn.Sequential:
    """Returns the first layer: 3x3 convolution and batch norm."""
    return nn.Sequential(
        nn.Conv2d(image_channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFactory:
    """Builds a chain's network for a recipe; the recipe's norm_act layers are not used, see `operations`.

    Attributes:
        chain: the path.
        features: channels behind the last convolution.
    """

    chain: Chain
    features: int

    def __call__(self, signature: Signature, norm_act: NormActFactory, generator: torch.Generator) -> ChainNetwork:
        """Returns a new network; see `build_network`."""
        return build_network(self.chain, signature, generator, features=self.features)


def build_network(chain: Chain, signature: Signature, generator: torch.Generator, *, features: int) -> ChainNetwork:
    """Builds the network of a chain; its weights come from `generator` only.

    Raises:
        InvalidSetting: the inputs are no images, or too small for the chain's reductions.
    """
    check_images(signature, steps=len(chain.steps))
    network = ChainNetwork(chain, signature.inputs[0], signature.outputs[0], features=features)
    initialise(network, generator)
    return network
