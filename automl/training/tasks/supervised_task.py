"""What tasks with inputs, targets and a cross entropy share: settings, recipe, rungs, tuning legs and metrics.

Why: images and text differ in their data and networks only. A subclass defines `name`, `variants`, `objectives`,
`signature`, `_builder` and `_dataset`. The rule: everything is a function of the settings; nothing depends on the
study.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal, TypeAlias, assert_never

import torch
from torch import Tensor
from torch.nn import Module, functional

from automl.contracts import (
    Curve,
    Dataset,
    Leg,
    NormActFactory,
    Objective,
    Recipe,
    Signature,
    Split,
    UpdateRule,
    Values,
)
from automl.errors import InvalidSetting
from automl.training.models.baseline_norm_act import batch_norm_relu
from automl.training.schedules import WarmupCosine
from automl.training.supervised import Supervised
from automl.training.tasks.augmentation import unchanged
from automl.training.tasks.leg_values import objective_values
from automl.training.tasks.tuning import grid_overrides, require_grid
from automl.training.update_rules import AdamW, NesterovSGD

ModelBuilder: TypeAlias = Callable[[Signature, NormActFactory, torch.Generator], Module]

QUALITY_STEPS = 100
"""End of the rung after which a candidate must have learnt something (EvoNorm, Liu et al. 2020)."""
MEASURED_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedTask(ABC):
    """A task that predicts class numbers; see `automl.contracts.Task`.

    Attributes:
        steps: length of one training run, in steps, >= 1.
        batch_size: examples per step, >= 1; rule of thumb 64 on one core.
        update_rule: the baseline's optimizer: sgd (Nesterov, momentum 0.9) or adamw.
        learning_rate: peak of the baseline's optimizer, > 0; rule of thumb 0.1 for sgd, 3e-3 for adamw.
        weight_decay: on convolution and linear weights, >= 0; rule of thumb 5e-4 for sgd, 0.1 for adamw.
        width: of the built-in networks, >= 1.
        rung_ends: steps at which a run is judged, increasing, each < steps; () derives an early look half
            way to the quality check (see `automl.filters.early_learning`), and the check itself at step 100.
        rung_every: in place of `rung_ends`, a run is judged after every so many steps, >= 1: of a differentiable search
            an epoch; None = as `rung_ends` says.
        split_seed: of the cut into train, validation, gate and test.
        learning_rates: a candidate is trained at each of them, and its best run counts; each > 0, none = at
            `learning_rate` alone. Rule of thumb: powers of 3 around `learning_rate`.
        weight_decays: the same for weight decays, each >= 0; every pair with a learning rate is trained, at most 64.
    """

    name: ClassVar[str]
    warmup: ClassVar[float] = 0.0
    steps: int = 300
    batch_size: int = 64
    update_rule: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    width: int = 16
    rung_ends: Sequence[int] = ()
    rung_every: int | None = None
    split_seed: int = 0
    learning_rates: Sequence[float] = ()
    weight_decays: Sequence[float] = ()
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width"):
            require_count(f"task.{name}", getattr(self, name))
        if self.update_rule not in ("sgd", "adamw"):
            raise InvalidSetting("task.update_rule", self.update_rule, "'sgd' or 'adamw'")
        if not self.learning_rate > 0:
            raise InvalidSetting("task.learning_rate", self.learning_rate, "a number > 0")
        if not self.weight_decay >= 0:
            raise InvalidSetting("task.weight_decay", self.weight_decay, "a number >= 0")
        require_grid(self.learning_rates, self.weight_decays)
        if self.rung_every is not None:
            require_count("task.rung_every", self.rung_every)
            if self.rung_ends:
                raise InvalidSetting("task.rung_every", self.rung_every, "None beside rung_ends; give one of the two")
        ends = [0, *self.rung_ends, self._horizon]
        if any(later <= earlier for earlier, later in pairwise(ends)):
            allowed = f"increasing steps between 1 and {self._horizon - 1}"
            raise InvalidSetting("task.rung_ends", tuple(self.rung_ends), allowed)

    @property
    @abstractmethod
    def variants(self) -> Mapping[str, ModelBuilder]:
        """Architectures by name; a candidate is trained once on each."""

    @property
    @abstractmethod
    def objectives(self) -> tuple[Objective, ...]:
        """What trials are ranked by, in order."""

    @abstractmethod
    def signature(self, variant: str) -> Signature:
        """Returns the shapes of one example."""

    @abstractmethod
    def _builder(self, variant: str) -> ModelBuilder:
        """Returns what builds the model of a variant.

        Raises:
            UnknownName: no such variant.
        """

    @abstractmethod
    def _dataset(self, split: Split) -> Dataset:
        """Returns one split; called once."""

    @property
    def _horizon(self) -> int:
        """Steps of one training run."""
        return self.steps

    def augment(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Changes a training batch at random, drawing from `generator` only; unchanged unless overridden."""
        return unchanged(batch, generator)

    def legs(self, purpose: Literal["search", "rerank"]) -> tuple[Leg, ...]:
        """Returns one leg per variant and point of the tuning grid."""
        grid = grid_overrides(self.learning_rates, self.weight_decays)
        return tuple(Leg(variant=variant, overrides=point) for variant in self.variants for point in grid)

    def rungs(self, leg: Leg) -> tuple[tuple[int, int], ...]:
        """Returns slices: a first look, the quality check, the rest; (0, 50), (50, 100), (100, 300) of 300."""
        steps = int(leg.overrides.get("steps", self._horizon))
        if self.rung_every is not None:
            return tuple(pairwise([*range(0, steps, self.rung_every), steps]))
        quality = min(QUALITY_STEPS, steps)
        chosen = self.rung_ends or (max(1, quality // 2), quality)
        ends = sorted({0, steps, *(end for end in chosen if end < steps)})
        return tuple(pairwise(ends))

    def baseline(self, variant: str) -> Recipe:
        """Returns the built-in network trained by `update_rule` with a cosine schedule on cross entropy."""
        return Recipe(
            model=self._builder(variant),
            norm_act=batch_norm_relu,
            update_rule=self._rule(),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            decays=_is_matrix,
            schedule=WarmupCosine(warmup=self.warmup),
            loss=_cross_entropy,
            augment=self.augment,
            on_progress=_ignore_progress,
            trainer=Supervised(),
            batch_size=self.batch_size,
            steps=self._horizon,
        )

    def data(self, split: Split, variant: str) -> Dataset:
        """Returns one split, read once."""
        if split not in self._cache:
            self._cache[split] = self._dataset(split)
        dataset: Dataset = self._cache[split]
        return dataset

    def measure(self, model: Module, data: Dataset) -> Mapping[str, float]:
        """Returns "accuracy" (a non-finite output counts as wrong) and "loss" (mean cross entropy in nats)."""
        training, in_between = model.training, any(module.training for module in model.modules())
        if in_between:  # to walk through the modules of a small network takes as long as to run it
            model.eval()
        right = loss = 0.0
        with torch.no_grad():
            for start in range(0, len(data.targets), MEASURED_AT_ONCE):
                targets = data.targets[start : start + MEASURED_AT_ONCE].flatten()
                logits = _logits(model(data.inputs[start : start + MEASURED_AT_ONCE]))
                found = logits.argmax(dim=1) == targets
                if not torch.isfinite(logits.sum()):  # to look at each number takes 20 times as long
                    found &= torch.isfinite(logits).all(dim=1)
                right += float(found.sum())
                loss += float(functional.cross_entropy(logits, targets, reduction="sum"))
        if in_between:
            model.train(training)
        return {"accuracy": right / data.targets.numel(), "loss": loss / data.targets.numel()}

    def values(self, curves: Mapping[Leg, Curve]) -> Values:
        """Returns per objective the last value: best of alternatives, mean of replicates, None where one is missing."""
        return objective_values(self.objectives, curves)

    def _rule(self) -> UpdateRule:
        match self.update_rule:
            case "sgd":
                return NesterovSGD()
            case "adamw":
                return AdamW()
        assert_never(self.update_rule)


def require_count(name: str, value: object) -> None:
    """Checks that a setting is an int >= 1.

    Raises:
        InvalidSetting: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidSetting(name, value, "an int >= 1")


def _is_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim > 1


def _cross_entropy(outputs: Any, targets: Tensor) -> Tensor:
    return functional.cross_entropy(_logits(outputs), targets.flatten())


def _logits(outputs: Any) -> Tensor:
    """Returns the main outputs, [..., classes] as [n, classes], of a model that may carry auxiliary heads behind."""
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits.flatten(0, -2)


def _ignore_progress(model: Module, share: float) -> None:
    """The baseline changes nothing over a run."""
