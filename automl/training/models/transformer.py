"""A two-layer causal transformer over characters, with the normalization before each part.

Papers: Vaswani et al. 2017; Radford et al. 2019 (GPT-2) for the order of layers and the smaller initial weights where
a part adds to the sum; Xiong et al. 2020 for why the normalization stands first. The rule: an output at a place depends
on that place and those before it; there is no dropout, so training draws nothing.
"""

import math

import torch
from torch import Tensor
from torch.nn import Embedding, LayerNorm, Linear, Module, Parameter, Sequential, functional, init

from automl.contracts import Signature
from automl.errors import InvalidSetting

LAYERS = 2
HEAD_CHANNELS = 16
"""Small heads, so that a width of 32 has two."""
EXPANSION = 4
STD = 0.06
"""Of the initial weights. GPT-2's 0.02 is made for longer runs: after 200 steps at 3e-3 it ends at 2.68 nats where this
ends at 2.59 (width 64), and it learns next to nothing at 0.01."""


class Attention(Module):
    """Causal self-attention with heads of `HEAD_CHANNELS`."""

    def __init__(self, width: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = width // HEAD_CHANNELS
        self.ask = _small_linear(width, 3 * width, std=STD, generator=generator)
        self.answer = _small_linear(width, width, std=STD / math.sqrt(2 * LAYERS), generator=generator)

    def forward(self, features: Tensor) -> Tensor:
        """[b, t, width] -> same."""
        split = self.ask(features).unflatten(-1, (3, self.heads, HEAD_CHANNELS)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(split[0], split[1], split[2], is_causal=True)
        answer: Tensor = self.answer(mixed.transpose(1, 2).flatten(2))
        return answer


class TransformerBlock(Module):
    """x + attention(norm(x)), then x + widened GELU(norm(x))."""

    def __init__(self, width: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.before_attention = LayerNorm(width)
        self.attention = Attention(width, generator=generator)
        self.before_widening = LayerNorm(width)
        self.widen = _small_linear(width, EXPANSION * width, std=STD, generator=generator)
        self.narrow = _small_linear(EXPANSION * width, width, std=STD / math.sqrt(2 * LAYERS), generator=generator)

    def forward(self, features: Tensor) -> Tensor:
        """[b, t, width] -> same."""
        features = features + self.attention(self.before_attention(features))
        changed: Tensor = self.narrow(functional.gelu(self.widen(self.before_widening(features))))
        return features + changed


class Transformer(Module):
    """Embedding and learned places, blocks, normalization, linear."""

    def __init__(self, *, context: int, vocabulary: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, width)
        init.normal_(self.embedding.weight, std=STD, generator=generator)
        self.places = Parameter(torch.empty(context, width).normal_(std=STD, generator=generator))
        self.blocks = Sequential(*(TransformerBlock(width, generator=generator) for _ in range(LAYERS)))
        self.last = LayerNorm(width)
        self.head = _small_linear(width, vocabulary, std=STD, generator=generator)

    def forward(self, characters: Tensor) -> Tensor:
        """[b, context] -> logits [b, context, vocabulary]."""
        logits: Tensor = self.head(self.last(self.blocks(self.embedding(characters) + self.places)))
        return logits


def transformer(signature: Signature, generator: torch.Generator, *, width: int = 64) -> Module:
    """Builds a `Transformer` for inputs (context,) and outputs (context, vocabulary).

    Raises:
        InvalidSetting: the width cannot be cut into heads.
    """
    if width % HEAD_CHANNELS:
        raise InvalidSetting("task.width", width, f"a multiple of {HEAD_CHANNELS} for the transformer")
    context, vocabulary = signature.outputs
    return Transformer(context=context, vocabulary=vocabulary, width=width, generator=generator)


def _small_linear(features: int, outputs: int, *, std: float, generator: torch.Generator) -> Linear:
    """Returns a linear layer with normal weights and zero bias."""
    layer = Linear(features, outputs)
    init.normal_(layer.weight, std=std, generator=generator)
    init.zeros_(layer.bias)
    return layer
