"""The base of classification tasks: give it arrays, it derives splits, recipe, metrics, legs and rungs.

Why: a custom task should be a class of twenty lines. A subclass defines `name` and `arrays`, and, where the small
pre-activation ResNet will not do, `network` (a plain torch module, whose norm-activation pairs are then replaced) or
`variants` (several architectures). The rule: everything is a function of the settings; nothing depends on the study.
"""

import hashlib
import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import Module

from automl.authoring.module_replacement import replace_norm_act
from automl.canonical import digest
from automl.contracts import Dataset, NormActFactory, Objective, Signature, Split
from automl.errors import InvalidSetting, UnknownName
from automl.training.models.baseline_norm_act import batch_norm_relu
from automl.training.models.preact_resnet import preact_resnet
from automl.training.tasks.splits import stratified_splits
from automl.training.tasks.supervised_task import ModelBuilder, SupervisedTask

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationTask(SupervisedTask):
    """A classification task; see `automl.contracts.Task`. The defaults were chosen on the digits.

    Attributes:
        width: channels of the first stage of the built-in networks, >= 1; rule of thumb 16.
    """

    @abstractmethod
    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns inputs [n, ...] (images: [n, channels, height, width]; numbers) and labels [n] (class numbers)."""

    def network(self, signature: Signature) -> Module | None:
        """Returns a plain torch module to train instead of the built-in network, or None; weights may be random."""
        return None

    @property
    def variants(self) -> Mapping[str, ModelBuilder]:
        """Architectures by name; a candidate is trained once on each."""
        own = type(self).network is not ClassificationTask.network
        return {"network" if own else "resnet": partial(preact_resnet, width=self.width)}

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Validation accuracy: one objective per variant, named after it where there are several."""
        chance = 1 / self.signature(next(iter(self.variants))).outputs[0]
        if len(self.variants) == 1:
            return (Objective(name="accuracy", direction="maximize", metric="accuracy", chance=chance),)
        return tuple(
            Objective(name=variant, direction="maximize", metric="accuracy", variant=variant, chance=chance)
            for variant in self.variants
        )

    def signature(self, variant: str) -> Signature:
        """Returns the shapes of one example, read from the data."""
        inputs, labels, _ = self._examples()
        return Signature(inputs=tuple(inputs.shape[1:]), outputs=(int(labels.max()) + 1,))

    def _builder(self, variant: str) -> ModelBuilder:
        if variant not in self.variants:
            raise UnknownName("variant", variant, self.variants)
        return partial(_build, own=self.network, built_in=self.variants[variant])

    def _examples(self) -> tuple[NDArray[Any], NDArray[np.int64], str]:
        """Returns raw inputs, labels and their digest, checked once."""
        if "examples" not in self._cache:
            inputs, labels = checked_examples(*self.arrays())
            content = hashlib.blake2b(np.ascontiguousarray(inputs).tobytes(), digest_size=16)
            content.update(labels.tobytes())
            self._cache["examples"] = (inputs, labels, content.hexdigest())
        examples: tuple[NDArray[Any], NDArray[np.int64], str] = self._cache["examples"]
        return examples

    def _dataset(self, split: Split) -> Dataset:
        """Returns one split, standardised by the statistics of the train split."""
        inputs, labels, content = self._examples()
        indices = stratified_splits(labels, seed=self.split_seed)
        train = inputs[indices["train"]].astype(np.float32)
        axes = (0, 2, 3) if inputs.ndim == 4 else (0,)
        mean = train.mean(axis=axes, keepdims=True, dtype=np.float64)
        spread = train.std(axis=axes, keepdims=True, dtype=np.float64)
        picked = inputs[indices[split]].astype(np.float32)
        scaled = (picked - mean) / np.where(spread > 1e-8, spread, 1.0)
        return Dataset(
            inputs=torch.from_numpy(scaled.astype(np.float32)),
            targets=torch.from_numpy(labels[indices[split]]),
            digest=digest([content, split, self.split_seed]),
        )


def checked_examples(inputs: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Returns inputs [n, ...] and labels [n] as int64, after checking that they can be trained on.

    Raises:
        InvalidSetting: lengths differ, labels are no class numbers from 0, or an input is NaN or infinite.
    """
    if len(inputs) != len(labels) or labels.ndim != 1:
        shapes = (inputs.shape, labels.shape)
        raise InvalidSetting("inputs and labels", shapes, "shapes [n, ...] and [n] with the same n")
    if not np.issubdtype(labels.dtype, np.integer) or (len(labels) and labels.min() < 0):
        raise InvalidSetting("labels", str(labels.dtype), "class numbers 0, 1, 2, ...")
    if np.issubdtype(inputs.dtype, np.floating) and not np.isfinite(inputs).all():
        bad = int(len(inputs) - np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1).sum())
        raise InvalidSetting("inputs", f"{bad} examples with NaN or infinity", "finite numbers; drop or fill them")
    return inputs, labels.astype(np.int64)


def _build(
    signature: Signature,
    norm_act: NormActFactory,
    generator: torch.Generator,
    *,
    own: Callable[[Signature], Module | None],
    built_in: ModelBuilder,
) -> Module:
    """Builds the task's own network; as it stands for the baseline, with its pairs replaced for a candidate layer."""
    module = own(signature)
    if module is None:
        return built_in(signature, norm_act, generator)
    if norm_act is not batch_norm_relu:
        left = replace_norm_act(module, norm_act).left
        if left:
            _logger.warning("Norms left alone, because no activation module follows them: %s.", ", ".join(left))
    return module
