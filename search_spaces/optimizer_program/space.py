"""The space of optimizer programs: what is proposed, and how a proposal changes a recipe.

Why: evolution over such programs, started from AdamW, found Lion (Chen et al. 2023, arXiv 2302.06675). A program is
judged on three probe steps in microseconds before it may cost a training. The rule: a draw passes `fingerprint.reason`;
what was thrown away is counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from automl.authoring import SuggestedSpace
from automl.contracts.recipe import Recipe
from automl.contracts.space import Draw, Genotype, Suggester
from automl.errors import CannotEncode, InvalidSetting
from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.drawing import draw_program
from search_spaces.optimizer_program.fingerprint import fingerprint, reason
from search_spaces.optimizer_program.formula import formula
from search_spaces.optimizer_program.genotype import decode, to_genotype, to_program
from search_spaces.optimizer_program.listing import listing
from search_spaces.optimizer_program.program import Program, fault, from_rows
from search_spaces.optimizer_program.source import optimizer_source
from search_spaces.optimizer_program.update_rule import ProgramRule
from search_spaces.optimizer_program.variation import Variation, reductions
from search_spaces.optimizer_program.vocabulary import VOCABULARIES
from search_spaces.optimizer_program.zoo import DESIGNS

CROSSINGS = 32
"""Attempts to join two programs before one of them is mutated; some pairs have no useful child at all."""


@dataclass(frozen=True, kw_only=True)
class OptimizerProgramSpace(SuggestedSpace):
    """Update rules as straight-line programs of gradient, parameters, two states, learning rate and step.

    Attributes:
        vocabulary: "lion" (the paper's functions) or "extended" (also the step t, per-tensor products, row and column
            means, select, noise).
        longest: statements of a program, in [3, 128]; those that do nothing count.
        mutation: "all", or "constants" to tune the numbers of a program and leave its form.
        insert: weight of inserting a statement, >= 0; 0 = a search that only simplifies and tunes.
        delete: weight of deleting one, >= 0.
        modify: weight of changing one argument, >= 0.
        tune: weight of multiplying one constant by 2^N(0, 1), >= 0; without it a short search loses to one that tunes
            AdamW's constants only.
        redraws: draws before giving up, in [1, 1000000]; about 2 are needed for a mutation of AdamW.
    """

    vocabulary: Literal["lion", "extended"] = "extended"
    longest: int = 40
    mutation: Literal["all", "constants"] = "all"
    insert: float = 1.0
    delete: float = 1.0
    modify: float = 1.0
    tune: float = 2.0
    redraws: int = 10_000
    _variation: Variation = field(init=False, repr=False, compare=False)

    name = "optimizer-program"
    version = 1
    slots = frozenset({"update_rule"})
    suggestible = False

    def __post_init__(self) -> None:
        if self.vocabulary not in VOCABULARIES:
            raise InvalidSetting("optimizer_program.vocabulary", self.vocabulary, "'lion' or 'extended'")
        if self.mutation not in ("all", "constants"):
            raise InvalidSetting("optimizer_program.mutation", self.mutation, "'all' or 'constants'")
        if type(self.redraws) is not int or not 1 <= self.redraws <= 1_000_000:
            raise InvalidSetting("optimizer_program.redraws", self.redraws, "an int in [1, 1000000]")
        variation = Variation(
            vocabulary=VOCABULARIES[self.vocabulary],
            longest=self.longest,
            insert=self.insert,
            delete=self.delete,
            modify=self.modify,
            tune=self.tune,
        )
        object.__setattr__(self, "_variation", variation)

    def suggest(self, trial: Suggester) -> object:
        """Refuses: programs have no fixed list of questions; see `suggestible`.

        Raises:
            CannotEncode: always.
        """
        reason_why = "programs of any length have no fixed questions to ask"
        raise CannotEncode(self.name, "suggest", reason_why, ("evolution", "random"))

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe with the program as its update rule."""
        return recipe.replace(update_rule=ProgramRule(program=simplify(to_program(genotype))))

    def sample(self, rng: np.random.Generator) -> Draw:
        """Grows random programs until one passes; with mutation "constants", draws a published rule and changes it."""
        if self.mutation == "constants":
            designs = list(self.zoo().values())
            return self.mutate(designs[int(rng.integers(len(designs)))], rng)
        return self._until_useful(lambda attempt: self._variation.random(rng))

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Draw:
        """Inserts, deletes or changes one statement; silent changes, as of dead code, are children too."""
        parent = to_program(genotype)
        change = self._variation.mutate if self.mutation == "all" else self._variation.mutate_constants
        return self._until_useful(lambda attempt: change(parent, rng))

    def crossover(self, first: Genotype, second: Genotype, rng: np.random.Generator) -> Draw:
        """Joins the head of one program and the tail of the other; mutates the first where nothing useful comes of it.

        With mutation "constants", always mutates the first.
        """
        if self.mutation == "constants":
            return self.mutate(first, rng)
        one, other = to_program(first), to_program(second)

        def child(attempt: int) -> Program:
            joined = attempt < CROSSINGS
            return self._variation.crossover(one, other, rng) if joined else self._variation.mutate(one, rng)

        return self._until_useful(child)

    def decode(self, answers: Mapping[str, Any]) -> Genotype:
        """Checks untrusted data: functions, variables, kinds, constants and length; see `SearchSpace.decode`."""
        return to_genotype(decode(answers, vocabulary=VOCABULARIES[self.vocabulary], longest=self.longest))

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest shared by programs that are the same rule."""
        return fingerprint(to_program(genotype))

    def describe(self, genotype: Genotype) -> str:
        """Returns the rule as mathematics, without what it does not need."""
        return formula(to_program(genotype))

    def listing(self, genotype: Genotype) -> tuple[tuple[str, str], ...]:
        """Returns each statement and what it does, dead ones included."""
        return listing(to_program(genotype))

    def reductions(self, genotype: Genotype) -> tuple[Genotype, ...]:
        """Returns the simplified program with one statement less, in each way that is a useful rule of its own."""
        start = simplify(to_program(genotype))
        found = {fingerprint(start): start}
        for program in reductions(start):
            if not reason(program):
                found.setdefault(fingerprint(program), simplify(program))
        return tuple(to_genotype(program) for program in found.values() if program is not start)

    def draw(self, genotype: Genotype, axes: Any) -> None:
        """Draws what is computed from what, from the inputs on the left to update and states on the right."""
        draw_program(to_program(genotype), axes)

    def source(self, genotype: Genotype, *, advice: Mapping[str, float] = MappingProxyType({})) -> str:
        """Returns a file with the rule as a `torch.optim.Optimizer` that needs torch only."""
        return optimizer_source(to_program(genotype), advice=advice or None)

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns the published rules that these settings allow."""
        programs = {name: from_rows(rows) for name, rows in DESIGNS.items()}
        return {name: to_genotype(program) for name, program in programs.items() if self._allows(program)}

    def _allows(self, program: Program) -> bool:
        fits = len(program) <= self.longest and fault(program, VOCABULARIES[self.vocabulary]) is None
        return fits and not reason(program)

    def _until_useful(self, draw: Callable[[int], Program]) -> Draw:
        """Draws, given the number of the attempt, until a program passes the probe."""
        redrawn: dict[str, int] = {}
        for attempt in range(self.redraws):
            program = draw(attempt)
            why = reason(program)
            if not why:
                return Draw(genotype=to_genotype(program), redrawn=redrawn)
            redrawn[why] = redrawn.get(why, 0) + 1
        counts = ", ".join(f"{why}: {count}" for why, count in sorted(redrawn.items()))
        raise InvalidSetting("optimizer_program.redraws", self.redraws, f"more draws; all failed ({counts})")
