"""A search space from one procedure: write `suggest` and `apply`, get every verb.

Why: an author who writes how a proposal is drawn has written, without knowing it, how to decode, mutate and cross it.
The rule: the genotype *is* the mapping of answers, so `encode` is the identity and `decode` replays `suggest`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from automl.authoring.answers import RandomAnswers, RecordedAnswers
from automl.canonical import digest
from automl.contracts.recipe import Recipe, Signature
from automl.contracts.space import Draw, Genotype, Suggester
from automl.contracts.trial import Monitor, Screen


class SuggestedSpace:
    """Base of search spaces that are given by `suggest`.

    A subclass sets `name` and `slots`, writes `suggest` and `apply`, and overrides what it can do better.

    Attributes:
        name: short name in lower case.
        version: raise it when the meaning of genotypes changes, and write `upgrade`.
        slots: fields of `Recipe` that `apply` changes.
        suggestible: whether samplers may ask `suggest`; leave it.

    Example:
        >>> class Slope(SuggestedSpace):
        ...     name, slots = "slope", frozenset({"norm_act"})
        ...     def suggest(self, trial):
        ...         trial.suggest_float("slope", 0.0, 0.5)
        ...     def apply(self, genotype, recipe):
        ...         return recipe.replace(norm_act=lambda channels, role: leaky(genotype["slope"]))
        >>> Slope().decode({"slope": 0.25})
        {'slope': 0.25}
    """

    name: str = ""
    version: int = 1
    slots: frozenset[str] = frozenset()
    suggestible: bool = True

    def suggest(self, trial: Suggester) -> object:
        """Asks `trial` for each choice; see `SearchSpace.suggest`."""
        raise TypeError(f"{type(self).__name__} must define suggest(self, trial)")

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe with this space's slots replaced; see `SearchSpace.apply`."""
        raise TypeError(f"{type(self).__name__} must define apply(self, genotype, recipe)")

    def require(self, signature: Signature, recipe: Recipe) -> None:
        """Requires nothing: only a space that brings a model knows what it needs."""

    def sample(self, rng: np.random.Generator) -> Draw:
        """Draws every answer at random."""
        return Draw(genotype=self._ask(RandomAnswers(rng)))

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Draw:
        """Re-answers one question, drawn uniformly, and keeps every later answer that is still asked and legal."""
        names = sorted(genotype)  # JSON keeps no order of keys
        if not names:
            return self.sample(rng)
        chosen = names[int(rng.integers(len(names)))]
        keep = {name: answer for name, answer in genotype.items() if name != chosen}
        return Draw(genotype=self._ask(RandomAnswers(rng, keep=keep, near={chosen: genotype[chosen]})))

    def crossover(self, first: Genotype, second: Genotype, rng: np.random.Generator) -> Draw:
        """Answers each question as either parent did, with equal chance; a question new to both is drawn."""
        names = sorted({*first, *second})
        coins = rng.random(len(names)) < 0.5
        keep = {}
        for name, coin in zip(names, coins, strict=True):
            donor, other = (first, second) if coin else (second, first)
            keep[name] = donor[name] if name in donor else other[name]
        return Draw(genotype=self._ask(RandomAnswers(rng, keep=keep)))

    def encode(self, genotype: Genotype) -> Mapping[str, Any]:
        """Returns the answers: the genotype itself."""
        return genotype

    def decode(self, answers: Mapping[str, Any]) -> Genotype:
        """Replays `suggest` over untrusted answers; see `SearchSpace.decode`."""
        recorded = RecordedAnswers(answers)
        self.suggest(recorded)
        return recorded.finish()

    def upgrade(self, genotype: Genotype, version: int) -> Genotype:
        """Returns the genotype as it is: by default all versions mean the same."""
        return genotype

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest of name, version and answers; override it where different answers are one function."""
        return digest([self.name, self.version, genotype])

    def describe(self, genotype: Genotype) -> str:
        """Returns `name=answer` pairs."""
        return ", ".join(f"{name}={answer}" for name, answer in genotype.items())

    def listing(self, genotype: Genotype) -> tuple[tuple[str, str], ...]:
        """Returns `name = answer` lines, which say all there is to say."""
        return tuple((f"{name} = {answer}", "") for name, answer in sorted(genotype.items()))

    def reductions(self, genotype: Genotype) -> tuple[Genotype, ...]:
        """Returns nothing: what a part is, only the space knows."""
        return ()

    def draw(self, genotype: Genotype, axes: Any) -> None:
        """Writes the answers onto the axes, one per line."""
        axes.axis("off")
        lines = "\n".join(f"{name} = {answer}" for name, answer in genotype.items())
        axes.text(0.02, 0.98, lines, va="top", family="monospace", transform=axes.transAxes)

    def source(self, genotype: Genotype, *, advice: Mapping[str, float] = MappingProxyType({})) -> str | None:
        """Returns None: only a space that knows its own mathematics can print it."""
        return None

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns no published designs."""
        return {}

    def screens(self) -> tuple[Screen, ...]:
        """Returns no screens of its own."""
        return ()

    def monitors(self) -> tuple[Monitor, ...]:
        """Returns no monitors of its own."""
        return ()

    def _ask(self, answers: RandomAnswers) -> Genotype:
        self.suggest(answers)
        return answers.used
