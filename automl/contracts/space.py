"""What can be proposed: genotypes, and the search space that draws, varies and applies them.

Why: one generative procedure (`suggest`) gives every verb, so sampling, decoding, mutation and crossover cannot drift
apart. The rule: a space is pure and closed; whatever it returns decodes, and equal functions share a fingerprint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from automl.canonical import JSON

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl.contracts.recipe import Recipe, Signature
    from automl.contracts.trial import Monitor, Screen

Genotype: TypeAlias = Mapping[str, JSON]
"""One proposal as plain data: for a suggested space the answers by name, `{"op4": "mul", "a4": 0, ...}`."""


class Suggester(Protocol):
    """A source of answers: random, recorded, mutating, or an `optuna.Trial` as it is.

    A name has one distribution within a study; where the legal set depends on earlier answers, ask an int and reduce
    it.
    """

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Returns one of `choices` (each None, bool, int, float or str)."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Returns an int in [low, high], both included."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Returns a float in [low, high]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A genotype fresh from `sample`, `mutate` or `crossover`.

    Attributes:
        genotype: passes the space's own bounded screens, where it has any.
        redrawn: reason -> how many draws were thrown away before this one; no trials, shown by `status`.
    """

    genotype: Genotype
    redrawn: Mapping[str, int] = field(default_factory=dict)


class SearchSpace(Protocol):
    """What can be proposed, and how a proposal changes a recipe.

    `automl.authoring.SuggestedSpace` derives everything but `suggest` and `apply`.
    """

    @property
    def name(self) -> str:
        """Short name in lower case, as typed on the command line."""

    @property
    def version(self) -> int:
        """Raised when the meaning of genotypes changes; stored in the study header."""

    @property
    def slots(self) -> frozenset[str]:
        """Fields of `Recipe` that `apply` may change; composing two spaces that share one is an error."""

    @property
    def suggestible(self) -> bool:
        """Whether `suggest` can be asked by samplers that need named distributions (TPE, GP, QMC, ...)."""

    def suggest(self, trial: Suggester) -> object:
        """Asks `trial` for each choice. The answers are the encoding; what it returns is ignored."""

    def apply(self, genotype: Genotype, recipe: "Recipe") -> "Recipe":
        """Returns a new recipe with this space's slots replaced; pure, and cheap (nothing is built)."""

    def require(self, signature: "Signature", recipe: "Recipe") -> None:
        """Checks, before a study exists, that candidates can be trained on such data and on this baseline.

        Raises:
            InvalidSetting: they cannot, whatever their genotype.
        """

    def sample(self, rng: "np.random.Generator") -> Draw:
        """Draws a random genotype."""

    def mutate(self, genotype: Genotype, rng: "np.random.Generator") -> Draw:
        """Returns a neighbour of `genotype`."""

    def crossover(self, first: Genotype, second: Genotype, rng: "np.random.Generator") -> Draw:
        """Returns a child that takes each part from either parent."""

    def encode(self, genotype: Genotype) -> Mapping[str, JSON]:
        """Returns the answers to `suggest` that give this genotype."""

    def decode(self, answers: Mapping[str, Any]) -> Genotype:
        """Checks untrusted answers and returns their genotype; `decode(encode(g)) == g`.

        Raises:
            InvalidGenotype: a missing, unknown or illegal answer; nothing is built.
        """

    def upgrade(self, genotype: Genotype, version: int) -> Genotype:
        """Translates a genotype stored under an older `version` of the space."""

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest shared by genotypes that are the same function."""

    def describe(self, genotype: Genotype) -> str:
        """Returns one line for people, a formula where there is one."""

    def listing(self, genotype: Genotype) -> tuple[tuple[str, str], ...]:
        """Returns the parts of a genotype for people, in order: (the part as written, what it does)."""

    def reductions(self, genotype: Genotype) -> tuple[Genotype, ...]:
        """Returns simpler genotypes, each with one part less, that are other functions; () where there are none."""

    def draw(self, genotype: Genotype, axes: Any) -> None:
        """Draws the genotype onto a matplotlib `Axes`."""

    def source(self, genotype: Genotype, *, advice: Mapping[str, float] = MappingProxyType({})) -> str | None:
        """Returns a dependency-free PyTorch file of the candidate, or None where the space has no such form.

        Args:
            genotype: of the candidate.
            advice: settings of the recipe that it was judged best with (learning_rate, weight_decay), for the file's
                documentation; empty = unknown.
        """

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns published designs by name; evolution starts from them."""

    def screens(self) -> "tuple[Screen, ...]":
        """Screens of its own, judged after the engine's."""

    def monitors(self) -> "tuple[Monitor, ...]":
        """Monitors of its own, judged after the engine's."""


@runtime_checkable
class ScheduleSpace(Protocol):
    """A search space whose genotypes are learning-rate schedules; laws and refinement speak to any such space."""

    def multipliers(self, genotype: Genotype, steps: int) -> "NDArray[np.float64] | None":
        """Returns the factor on the peak learning rate at each step, [steps]; None where it depends on the training."""

    def from_multipliers(self, values: Sequence[float]) -> Genotype:
        """Returns the genotype that follows a given curve, [any length >= 2] in [0, 1], most closely."""


@runtime_checkable
class DerivingSpace(Protocol):
    """A search space whose trainings derive genotypes of another space: a trial is a search in itself.

    Its candidates are no products: what costs more than the baseline, learns late or has no ONNX form is judged where
    the derived genotypes are trained.
    """

    @property
    def derives(self) -> str:
        """Locator of the space whose genotypes `Closed.derived` holds, with the settings that decode them."""

    def draw_derived(self, genotype: Genotype, axes: Any) -> None:
        """Draws a derived genotype onto a matplotlib `Axes`."""
