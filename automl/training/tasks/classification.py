"""The base of classification tasks: give it arrays, it derives splits, recipe, metrics, legs and rungs.

Why: a custom task should be a class of twenty lines. A subclass defines `name` and `arrays`, and, where the small
pre-activation ResNet will not do, `network` (a plain torch module, whose norm-activation pairs are then replaced) or
`variants` (several architectures). The rule: everything is a function of the settings; nothing depends on the study.
"""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module, functional

from automl.authoring.module_replacement import replace_norm_act
from automl.canonical import digest
from automl.contracts import Curve, Dataset, Leg, NormActFactory, Objective, Recipe, Signature, Split, Values
from automl.errors import InvalidSetting, UnknownName
from automl.training.models.baseline_norm_act import batch_norm_relu
from automl.training.models.preact_resnet import preact_resnet
from automl.training.schedules import WarmupCosine
from automl.training.supervised import Supervised
from automl.training.tasks.augmentation import unchanged
from automl.training.tasks.leg_values import objective_values
from automl.training.tasks.splits import stratified_splits
from automl.training.update_rules import NesterovSGD

ModelBuilder: TypeAlias = Callable[[Signature, NormActFactory, torch.Generator], Module]

QUALITY_STEPS = 100
"""End of the rung after which a candidate must have learnt something (EvoNorm, Liu et al. 2020)."""
MEASURED_AT_ONCE = 512

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationTask(ABC):
    """A classification task; see `automl.contracts.Task`. The defaults were chosen on the digits.

    Attributes:
        steps: length of one training run, in steps, >= 1.
        batch_size: examples per step, >= 1; rule of thumb 64 on one core.
        learning_rate: peak of the baseline's SGD, > 0; rule of thumb 0.1.
        weight_decay: on convolution and linear weights, >= 0; rule of thumb 5e-4.
        width: channels of the first stage of the built-in networks, >= 1; rule of thumb 16.
        rung_ends: steps at which a run is judged, increasing, each < steps; () derives an early look half
            way to the quality check (see `automl.filters.early_learning`), and the check itself at step 100.
        split_seed: of the cut into train, validation, gate and test.
    """

    name: ClassVar[str]
    steps: int = 300
    batch_size: int = 64
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    width: int = 16
    rung_ends: Sequence[int] = ()
    split_seed: int = 0
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InvalidSetting(f"task.{name}", value, "an int >= 1")
        if not self.learning_rate > 0:
            raise InvalidSetting("task.learning_rate", self.learning_rate, "a number > 0")
        if not self.weight_decay >= 0:
            raise InvalidSetting("task.weight_decay", self.weight_decay, "a number >= 0")
        ends = [0, *self.rung_ends, self.steps]
        if any(later <= earlier for earlier, later in pairwise(ends)):
            allowed = f"increasing steps between 1 and {self.steps - 1}"
            raise InvalidSetting("task.rung_ends", tuple(self.rung_ends), allowed)

    @abstractmethod
    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns inputs [n, ...] (images: [n, channels, height, width]; numbers) and labels [n] (class numbers)."""

    def network(self, signature: Signature) -> Module | None:
        """Returns a plain torch module to train instead of the built-in network, or None; weights may be random."""
        return None

    def augment(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Changes a training batch at random, drawing from `generator` only; unchanged unless overridden."""
        return unchanged(batch, generator)

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

    def legs(self, purpose: Literal["search", "rerank"]) -> tuple[Leg, ...]:
        """Returns one leg per variant."""
        return tuple(Leg(variant=variant) for variant in self.variants)

    def rungs(self, leg: Leg) -> tuple[tuple[int, int], ...]:
        """Returns slices: a first look, the quality check, the rest; (0, 50), (50, 100), (100, 300) of 300."""
        steps = int(leg.overrides.get("steps", self.steps))
        quality = min(QUALITY_STEPS, steps)
        chosen = self.rung_ends or (max(1, quality // 2), quality)
        ends = sorted({0, steps, *(end for end in chosen if end < steps)})
        return tuple(pairwise(ends))

    def baseline(self, variant: str) -> Recipe:
        """Returns BN-ReLU trained by Nesterov SGD with a cosine schedule on cross entropy."""
        return Recipe(
            model=self._builder(variant),
            norm_act=batch_norm_relu,
            update_rule=NesterovSGD(),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            decays=_is_matrix,
            schedule=WarmupCosine(),
            loss=_cross_entropy,
            augment=self.augment,
            on_progress=_ignore_progress,
            trainer=Supervised(),
            batch_size=self.batch_size,
            steps=self.steps,
        )

    def data(self, split: Split, variant: str) -> Dataset:
        """Returns one split, standardised by the statistics of the train split."""
        if split not in self._cache:
            self._cache[split] = self._dataset(split)
        dataset: Dataset = self._cache[split]
        return dataset

    def measure(self, model: Module, data: Dataset) -> Mapping[str, float]:
        """Returns "accuracy" (a non-finite output counts as wrong) and "loss" (mean cross entropy)."""
        training = model.training
        model.eval()
        right = loss = 0.0
        with torch.no_grad():
            for start in range(0, len(data.targets), MEASURED_AT_ONCE):
                targets = data.targets[start : start + MEASURED_AT_ONCE]
                logits = _logits(model(data.inputs[start : start + MEASURED_AT_ONCE]))
                usable = torch.isfinite(logits).all(dim=1)
                right += float(((logits.argmax(dim=1) == targets) & usable).sum())
                loss += float(functional.cross_entropy(logits, targets, reduction="sum"))
        model.train(training)
        return {"accuracy": right / len(data.targets), "loss": loss / len(data.targets)}

    def values(self, curves: Mapping[Leg, Curve]) -> Values:
        """Returns per objective the last value: best of alternatives, mean of replicates, None where one is missing."""
        return objective_values(self.objectives, curves)

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


def _is_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim > 1


def _cross_entropy(outputs: Any, targets: Tensor) -> Tensor:
    return functional.cross_entropy(_logits(outputs), targets)


def _logits(outputs: Any) -> Tensor:
    """Returns the main outputs of a model that may carry auxiliary heads behind them."""
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits


def _ignore_progress(model: Module, share: float) -> None:
    """The baseline changes nothing over a run."""
