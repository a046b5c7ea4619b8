"""A small network that predicts each next character from the last few: the cheap proxy of a language model.

Paper: Bengio et al. 2003, "A neural probabilistic language model". The rule: an output at a place depends on that place
and the `SEEN` - 1 before it; before the start of a window stand zeros.
"""

import torch
from torch import Tensor
from torch.nn import Embedding, Module, functional, init

from automl.contracts import Signature
from automl.training.models.layers import linear

SEEN = 6
"""Characters. On Python's topics 4, 6 and 8 end at 2.12, 2.14 and 2.16 nats after 200 steps (sd 0.015), and at 1.87,
1.85 and 1.88 after 500 steps at twice the width."""


class CharacterMLP(Module):
    """Embedding, the last `SEEN` of them side by side, linear, ReLU, linear."""

    def __init__(self, *, vocabulary: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        embedded = max(1, width // 4)
        self.embedding = Embedding(vocabulary, embedded)
        init.normal_(self.embedding.weight, generator=generator)
        self.hidden = linear(SEEN * embedded, width, generator=generator)
        self.head = linear(width, vocabulary, generator=generator)

    def forward(self, characters: Tensor) -> Tensor:
        """[b, t] -> logits [b, t, vocabulary]."""
        places = characters.shape[1]
        padded = functional.pad(self.embedding(characters), (0, 0, SEEN - 1, 0))
        side_by_side = torch.cat([padded[:, lag : lag + places] for lag in range(SEEN)], dim=-1)
        logits: Tensor = self.head(functional.relu(self.hidden(side_by_side)))
        return logits


def character_mlp(signature: Signature, generator: torch.Generator, *, width: int = 64) -> Module:
    """Builds a `CharacterMLP` for inputs (context,) and outputs (context, vocabulary)."""
    return CharacterMLP(vocabulary=signature.outputs[-1], width=width, generator=generator)
