"""A small language model: which character comes next, in any text.

Why: optimizers and schedules that shine on images may fail on text, and sparse gradients of embeddings are found here
only. The rule: the model has no normalization-activation layer of the search's making, so spaces that change that layer
are refused.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import Module

from automl.canonical import digest
from automl.contracts import Dataset, NormActFactory, Objective, Signature, Split
from automl.errors import InvalidSetting, UnknownName
from automl.training.models.baseline_norm_act import batch_norm_relu
from automl.training.models.character_mlp import character_mlp
from automl.training.models.transformer import HEAD_CHANNELS, transformer
from automl.training.tasks.supervised_task import ModelBuilder, SupervisedTask, require_count
from automl.training.tasks.text_files import python_topics, read_text
from automl.training.tasks.text_windows import constant_loss, number_characters, split_windows, spread

WIDTH_POWER, STEPS_POWER = 0.3, 0.4
"""Compute grows as width^2 steps, so these add up to scale^1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(SupervisedTask):
    """Validation loss, in nats per character, of a small language model; see `SupervisedTask` for the other settings.

    Attributes:
        path: of a text file in UTF-8; empty = Python's own documentation.
        model: mlp (a network over the last 6 characters, 0.3 s a run) or transformer (2 causal layers).
        context: characters in a window, >= 2; rule of thumb 32 for mlp, 64 for transformer.
        steps: length of one training run at scale 1, in steps, >= 1.
        batch_size: windows per step, >= 1; rule of thumb 16.
        learning_rate: peak of the baseline's optimizer, > 0; rule of thumb for adamw 0.03 for mlp (0.01 at
            scale 10) and 3e-3 for transformer, which ends 0.3 nats worse at 0.03.
        weight_decay: on embeddings and linear weights, >= 0; rule of thumb 0.01, as the runs are short.
        width: hidden units of the mlp; channels of the transformer, a multiple of 16 (192 has a million parameters).
        measured_windows: most windows that validation, gate and test hold, >= 1; 128 of 32 characters tell losses
            apart that differ by 0.01.
        scale: multiplies the compute of one run by about this factor, >= 1: width by its power 0.3, steps by its power
            0.4. For the second look of a search: `text?{"scale":10}`.
    """

    name: ClassVar[str] = "text"
    warmup: ClassVar[float] = 0.05
    path: str = ""
    model: Literal["mlp", "transformer"] = "mlp"
    context: int = 32
    steps: int = 200
    batch_size: int = 16
    update_rule: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 0.03
    weight_decay: float = 0.01
    width: int = 96
    measured_windows: int = 128
    scale: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "measured_windows", "scale"):
            require_count(f"task.{name}", getattr(self, name))
        SupervisedTask.__post_init__(self)
        if not isinstance(self.context, int) or self.context < 2:
            raise InvalidSetting("task.context", self.context, "an int >= 2")
        if self.model not in ("mlp", "transformer"):
            raise InvalidSetting("task.model", self.model, "'mlp' or 'transformer'")
        if self.model == "transformer" and self.width % HEAD_CHANNELS:
            raise InvalidSetting("task.width", self.width, f"a multiple of {HEAD_CHANNELS} for the transformer")

    @property
    def variants(self) -> Mapping[str, ModelBuilder]:
        """Returns the one architecture."""
        width = max(1, round(self.width * self.scale**WIDTH_POWER / HEAD_CHANNELS)) * HEAD_CHANNELS
        return {self.model: partial(_build, model=self.model, width=self.width if self.scale == 1 else width)}

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Validation loss; its chance level is that of the best constant answer."""
        chance = constant_loss(self._windows()["train"][:, 1:])
        return (Objective(name="loss", direction="minimize", metric="loss", chance=chance),)

    def signature(self, variant: str) -> Signature:
        """Returns the shapes of one window; the vocabulary is read from the data."""
        self._windows()
        outputs = (self.context, self._cache["vocabulary"])
        return Signature(inputs=(self.context,), outputs=outputs, input_dtype="int64")

    @property
    def _horizon(self) -> int:
        steps: float = self.steps * self.scale**STEPS_POWER
        return round(steps)

    def _builder(self, variant: str) -> ModelBuilder:
        if variant not in self.variants:
            raise UnknownName("variant", variant, self.variants)
        return self.variants[variant]

    def _windows(self) -> Mapping[Split, NDArray[np.uint8]]:
        """Returns the windows of each split, cut once."""
        if "windows" not in self._cache:
            text = read_text(Path(self.path)) if self.path else python_topics()
            characters = number_characters(text)
            self._cache["windows"] = split_windows(characters.ids, context=self.context, seed=self.split_seed)
            self._cache["vocabulary"] = characters.vocabulary
            self._cache["content"] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        windows: Mapping[Split, NDArray[np.uint8]] = self._cache["windows"]
        return windows

    def _dataset(self, split: Split) -> Dataset:
        """Returns the windows of a split; all of train, a few of the others, so that measuring stays cheap."""
        windows = self._windows()[split]
        picked = windows if split == "train" else spread(windows, self.measured_windows)
        numbers = torch.from_numpy(picked.astype(np.int64))
        return Dataset(
            inputs=numbers[:, :-1].contiguous(),
            targets=numbers[:, 1:].contiguous(),
            digest=digest([self._cache["content"], split, self.split_seed, self.context, self.measured_windows]),
        )


def _build(
    signature: Signature,
    norm_act: NormActFactory,
    generator: torch.Generator,
    *,
    model: Literal["mlp", "transformer"],
    width: int,
) -> Module:
    """Builds the network of a variant.

    Raises:
        InvalidSetting: a candidate layer, which has no place here.
    """
    if norm_act is not batch_norm_relu:
        allowed = "a task whose network has normalization-activation layers, such as digits"
        raise InvalidSetting("task", Text.name, allowed)
    build = transformer if model == "transformer" else character_mlp
    return build(signature, generator, width=width)
