"""Everything one training run needs, as factories; and the task that provides the baseline.

Why: a candidate is a changed recipe, so one engine serves every space. The rule: a `Recipe` is built and used inside
one worker and never crosses a process; a `RecipeRef` (plain data) does, and the worker rebuilds the recipe from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from automl.canonical import JSON, dumps
from automl.contracts.space import Genotype
from automl.errors import InvalidSetting

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Module

    from automl.contracts.trial import Curve, Objective, Values

Split: TypeAlias = Literal["train", "validation", "gate", "test"]
Batch: TypeAlias = "tuple[Tensor, Tensor]"
Role: TypeAlias = Literal["norm+act", "norm", "act"]
NormActFactory: TypeAlias = "Callable[[int, Role], Module]"
"""(channels, role) -> module [batch, channels, height, width] -> same shape; see `Role` for what it replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Shapes of one example, without the batch axis.

    Attributes:
        inputs: shape of one input, e.g. (1, 8, 8).
        outputs: shape of one output, e.g. (10,).
        input_dtype: numpy name of the input type.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_dtype: str = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One split in memory.

    Attributes:
        inputs: [examples, *signature.inputs].
        targets: [examples, ...].
        digest: identifies the content; part of the study header.
    """

    inputs: "Tensor"
    targets: "Tensor"
    digest: str


class UpdateRule(Protocol):
    """A pure optimizer. Parameters arrive as a few flat buffers by name, so a rule is written once per buffer."""

    def init(self, parameters: "Mapping[str, Tensor]", *, shapes: Mapping[str, Sequence[tuple[int, ...]]]) -> Any:
        """Returns the state before the first step; `shapes` are those of the tensors that each buffer is made of."""

    def step(
        self,
        parameters: "Mapping[str, Tensor]",
        gradients: "Mapping[str, Tensor]",
        state: Any,
        *,
        learning_rate: float,
        weight_decay: Mapping[str, float],
        step: int,
    ) -> "tuple[Mapping[str, Tensor], Any]":
        """Returns new parameters and state; `step` counts from 0, `weight_decay` is per buffer name."""


@runtime_checkable
class TraceableRule(Protocol):
    """An update rule that can show one step as a torch module, so that it can be exported to ONNX."""

    def step_module(self, shapes: Sequence[tuple[int, ...]]) -> "Module":
        """Returns a module (w, g, *state, lr, t) -> (new w, *new state) without weight decay.

        Every tensor but lr and t is flat, [numbers]; lr (the recipe's) and t (from 1) are 0-d. `state_names` of the
        module names the states; `noise_names`, where it has them, names further inputs behind t: standard normal
        numbers, flat.
        """


class Schedule(Protocol):
    """A learning-rate schedule as a state machine with signals, so that it can be stacked, exported and checked."""

    def init(self, steps: int) -> Any:
        """Returns the state for a horizon of `steps`."""

    def multiplier(self, state: Any, step: int, signals: Mapping[str, float]) -> tuple[float, Any]:
        """Returns (factor on the peak learning rate, new state) for `step` (from 0).

        Signals of this step: "loss", "gradient_l1" and "gradient_l2" (norms over all parameters), and "gradient_dot"
        (with the gradient of the step before, 0 at the first).
        """


class Trainer(Protocol):
    """How a recipe is trained; a space may bring its own (bilevel search)."""

    @property
    def parts(self) -> int:
        """How many disjoint parts of the train split a batch's rows come from; 1 = the split as a whole.

        The batch of a step holds `batch_size` rows of part 0, then as many of part 1, and so on.
        """

    def init(self, recipe: "Recipe", signature: Signature, *, seed: int, device: str) -> Any:
        """Builds model and optimizer state; all randomness comes from `seed`."""

    def step(self, state: Any, batch: Batch, *, step: int) -> float:
        """Trains on one batch in place and returns its loss (may be NaN: the runner ends the leg)."""

    def model(self, state: Any) -> "Module":
        """Returns the model as it stands, for measuring."""

    def readings(self, state: Any) -> Mapping[str, float | None]:
        """Returns numbers for the curve, read at every measurement; always the same names, None = not known now."""

    def report(self, state: Any, requests: Sequence[str]) -> Mapping[str, JSON]:
        """Returns what was asked for by name, as far as this trainer knows it, and what it hands out unasked.

        "derived" is handed out by a trainer that finds genotypes of another space on its way: a list of
        {"step": steps done, "genotype": ..., ...} since `init` or `restore`; see `DerivingSpace`.
        """

    def snapshot(self, state: Any) -> Mapping[str, Any]:
        """Returns tensors and plain numbers from which `restore` continues bit for bit."""

    def restore(self, state: Any, snapshot: Mapping[str, Any]) -> Any:
        """Returns the state of `snapshot`, given a freshly initialised one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything one training run needs; frozen, factories only, never pickled.

    Attributes:
        model: (signature, norm_act, generator) -> module; weights drawn from `generator` only.
        norm_act: builds each normalization-activation layer of the model.
        update_rule: the optimizer.
        learning_rate: peak value, > 0.
        weight_decay: >= 0, applied where `decays` says so.
        decays: (parameter name, tensor) -> whether weight decay touches it.
        schedule: factor on the learning rate over the run.
        loss: (outputs, targets) -> scalar; outputs may carry auxiliary heads.
        augment: (batch, generator) -> batch.
        on_progress: called with (model, t/T) before each step: drop path, temperature.
        trainer: the training loop.
        batch_size: examples per step, >= 1.
        steps: horizon T of the schedule, >= 1.
    """

    model: "Callable[[Signature, NormActFactory, torch.Generator], Module]"
    norm_act: NormActFactory
    update_rule: UpdateRule
    learning_rate: float
    weight_decay: float
    decays: "Callable[[str, Tensor], bool]"
    schedule: Schedule
    loss: "Callable[[Any, Tensor], Tensor]"
    augment: "Callable[[Batch, torch.Generator], Batch]"
    on_progress: "Callable[[Module, float], None]"
    trainer: Trainer
    batch_size: int
    steps: int

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise InvalidSetting("learning_rate", self.learning_rate, "a number > 0")
        if not self.weight_decay >= 0:
            raise InvalidSetting("weight_decay", self.weight_decay, "a number >= 0")
        if self.batch_size < 1:
            raise InvalidSetting("batch_size", self.batch_size, "an int >= 1")
        if self.steps < 1:
            raise InvalidSetting("steps", self.steps, "an int >= 1")

    def replace(self, **changes: Any) -> "Recipe":
        """Returns a copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeRef:
    """The form of a recipe that is stored and sent.

    Attributes:
        task: locator of the task, `digits` or `digits?{"steps":200}` (see `automl.plugins`).
        variant: which of the task's architectures.
        edits: (space locator, genotype), applied in order to the task's baseline; empty = the baseline itself.
        overrides: what an inner tuning varies: learning_rate, weight_decay, batch_size, steps.
    """

    task: str
    variant: str
    edits: tuple[tuple[str, Genotype], ...] = ()
    overrides: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {
            "task": self.task,
            "variant": self.variant,
            "edits": [[locator, genotype] for locator, genotype in self.edits],
            "overrides": dict(self.overrides),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RecipeRef":
        """Reads `to_json`'s form."""
        edits = tuple((str(locator), genotype) for locator, genotype in data["edits"])
        return cls(task=data["task"], variant=data["variant"], edits=edits, overrides=data["overrides"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One training run of a candidate; a trial is its legs.

    Legs that share (variant, replicate) are alternatives (points of an inner tuning): the trial goes on while one
    lives.

    Attributes:
        variant: architecture or funnel task.
        overrides: as in `RecipeRef`.
        replicate: seed index; enters every seed of the run, so equal replicates share data order and initial weights.
    """

    variant: str
    overrides: Mapping[str, float] = field(default_factory=dict)
    replicate: int = 0

    @property
    def key(self) -> str:
        """Name of the leg within its trial, e.g. `resnet`, `resnet#2`, `mlp{"learning_rate":0.1}`."""
        tuned = dumps(dict(self.overrides)) if self.overrides else ""
        return self.variant + tuned + (f"#{self.replicate}" if self.replicate else "")

    def __hash__(self) -> int:
        return hash(self.key)

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {"variant": self.variant, "overrides": dict(self.overrides), "replicate": self.replicate}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Leg":
        """Reads `to_json`'s form."""
        return cls(variant=data["variant"], overrides=data["overrides"], replicate=data["replicate"])


class Task(Protocol):
    """Data, baseline recipe and metrics: the thing on which a candidate is trained.

    Deterministic for a seed; splits are disjoint; the test split is read by rerank and final reports only.
    """

    @property
    def name(self) -> str:
        """Short name in lower case."""

    @property
    def objectives(self) -> "tuple[Objective, ...]":
        """What trials are ranked by, in order."""

    def legs(self, purpose: Literal["search", "rerank"]) -> tuple[Leg, ...]:
        """Returns the training runs of one candidate; for "rerank" those of one seed replicate."""

    def rungs(self, leg: Leg) -> tuple[tuple[int, int], ...]:
        """Returns consecutive slices (first, last) of steps; the last one ends at the recipe's `steps`."""

    def baseline(self, variant: str) -> Recipe:
        """Returns the recipe that candidates change."""

    def data(self, split: Split, variant: str) -> Dataset:
        """Returns one split; cached per worker."""

    def measure(self, model: "Module", data: Dataset) -> Mapping[str, float]:
        """Returns metrics of a model in eval mode, without gradients."""

    def values(self, curves: "Mapping[Leg, Curve]") -> "Values":
        """Returns one number per objective from the legs that finished: best of alternatives, mean of replicates."""

    def signature(self, variant: str) -> Signature:
        """Returns the shapes of one example."""
