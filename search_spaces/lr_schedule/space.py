"""The space of learning-rate schedules: what is proposed, and how a proposal changes a recipe.

Why: no public system searches schedules, and yet they move a final loss as much as the optimizer does. The rule: a
genotype is a family and its settings, a family is a function of the share of the run that is over, and genotypes that
give the same numbers share a fingerprint, whatever their families.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from automl.authoring import SuggestedSpace
from automl.canonical import JSON, digest
from automl.contracts.recipe import Recipe
from automl.contracts.space import Draw, Genotype, Suggester
from automl.errors import InvalidSetting, UnknownName
from search_spaces.lr_schedule.curve import Curve, Floats, TabulatedSchedule
from search_spaces.lr_schedule.drawing import draw_rule
from search_spaces.lr_schedule.families import FAMILIES, OPEN_LOOP, Rule
from search_spaces.lr_schedule.free_form import points_along
from search_spaces.lr_schedule.questions import answers, ask, lines, questions, read, written
from search_spaces.lr_schedule.source import schedule_source
from search_spaces.lr_schedule.zoo import DESIGNS, knot_designs

LEAST_PEAK, MOST_PEAK = 0.1, 10.0
LEAST_KNOTS, MOST_KNOTS = 2, 32

HORIZON = 4_093
"""Steps on which curves are compared. Cut after six digits with an irrational offset: the round numbers and quotients
of ints that curves are full of then lie away from the cuts, and the last digit does not matter."""

_FREE = "points"


@dataclass(frozen=True, kw_only=True)
class LrScheduleSpace(SuggestedSpace):
    """Learning-rate schedules of published families, free curves, and rules that react.

    Attributes:
        peak: "fixed" leaves the recipe's learning rate alone; "tuned" asks for a factor on it in [0.1, 10].
        families: which are searched. The default are those with a curve; add "hypergradient", "fedhyper" or "plateau".
            With ("knots",) nothing but numbers is asked, as CMA-ES and its kin need.
        knots: drops of the family `knots`, in [2, 32]; rule of thumb 8.
    """

    peak: Literal["fixed", "tuned"] = "fixed"
    families: Sequence[str] = OPEN_LOOP
    knots: int = 8
    slots: frozenset[str] = field(init=False, repr=False, compare=False)

    name = "lr-schedule"
    version = 1

    def __post_init__(self) -> None:
        if self.peak not in ("fixed", "tuned"):
            raise InvalidSetting("lr_schedule.peak", self.peak, "'fixed' or 'tuned'")
        if type(self.knots) is not int or not LEAST_KNOTS <= self.knots <= MOST_KNOTS:
            raise InvalidSetting("lr_schedule.knots", self.knots, f"an int in [{LEAST_KNOTS}, {MOST_KNOTS}]")
        if isinstance(self.families, str) or not self.families or len(set(self.families)) < len(self.families):
            raise InvalidSetting("lr_schedule.families", self.families, 'a list of different names, e.g. ["knots"]')
        for name in self.families:
            if name not in FAMILIES:
                raise UnknownName("schedule family", str(name), FAMILIES)
        object.__setattr__(self, "families", tuple(self.families))
        tuned = {"learning_rate"} if self.peak == "tuned" else set()
        object.__setattr__(self, "slots", frozenset({"schedule", *tuned}))

    def suggest(self, trial: Suggester) -> None:
        """Asks for the peak where it is tuned, the family where there are several, and the settings of the family."""
        if self.peak == "tuned":
            trial.suggest_float("peak", LEAST_PEAK, MOST_PEAK, log=True)
        name = self.families[0]
        if len(self.families) > 1:
            name = trial.suggest_categorical("family", self.families)
        ask(trial, FAMILIES[name], length=self.knots)

    def apply(self, genotype: Genotype, recipe: Recipe) -> Recipe:
        """Returns the recipe with this schedule and, where the peak is tuned, its learning rate times that factor."""
        rule = self.rule(genotype)
        schedule = TabulatedSchedule(curve=rule) if isinstance(rule, Curve) else rule
        if self.peak == "fixed":
            return recipe.replace(schedule=schedule)
        return recipe.replace(schedule=schedule, learning_rate=recipe.learning_rate * _peak(genotype))

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Draw:
        """Re-answers one question; see `SuggestedSpace.mutate`."""
        return SuggestedSpace.mutate(self._holding(genotype), genotype, rng)

    def crossover(self, first: Genotype, second: Genotype, rng: np.random.Generator) -> Draw:
        """Answers each question as either parent did; see `SuggestedSpace.crossover`."""
        return SuggestedSpace.crossover(self._holding(first, second), first, second, rng)

    def decode(self, answers: Mapping[str, Any]) -> Genotype:
        """Checks untrusted answers; those of `from_multipliers` are welcome in every space of schedules."""
        return SuggestedSpace.decode(self._holding(answers), answers)

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns a digest shared by curves that agree to six digits on 4,093 steps, or by equal reactive rules."""
        rule, peak = self.rule(genotype), f"{_peak(genotype):.6g}"
        if not isinstance(rule, Curve):
            return digest([self.name, self.version, peak, rule.family, answers(rule)])
        whole = np.floor(rule.multipliers(HORIZON) * 1e6 + 1 / math.pi).astype("<i8")
        return digest([self.name, self.version, peak, hashlib.blake2b(whole.tobytes(), digest_size=16).hexdigest()])

    def describe(self, genotype: Genotype) -> str:
        """Returns the formula, with the factor on the recipe's learning rate where it is not 1."""
        peak, rule = _peak(genotype), self.rule(genotype)
        return rule.formula() if peak == 1 else f"peak x {written(peak)}: {rule.formula()}"

    def listing(self, genotype: Genotype) -> tuple[tuple[str, str], ...]:
        """Returns the peak where it is tuned, the family, and each of its settings."""
        rule = self.rule(genotype)
        peak = ((f"peak = {written(_peak(genotype))}", "factor on the recipe's learning rate"),)
        return (*(peak if "peak" in genotype else ()), (f"family = {rule.family}", rule.formula()), *lines(rule))

    def reductions(self, genotype: Genotype) -> tuple[Genotype, ...]:
        """Returns the schedule without its warm-up, and without its floor, where it has them."""
        rule, found = self.rule(genotype), []
        for name, question in questions(type(rule)):
            full = f"{rule.family}.{name}"
            if question.absent is not None and genotype[full] != question.absent:
                found.append({**genotype, full: question.absent})
        same = self.fingerprint(genotype)
        return tuple(shorter for shorter in found if self.fingerprint(shorter) != same)

    def draw(self, genotype: Genotype, axes: Any) -> None:
        """Draws the curve over t/T; of a reactive rule, its mathematics."""
        draw_rule(self.rule(genotype), axes, title=self.describe(genotype))

    def source(self, genotype: Genotype, *, advice: Mapping[str, float] = MappingProxyType({})) -> str:
        """Returns a file with the schedule as a function and as a torch scheduler that needs torch only."""
        return schedule_source(self.rule(genotype), peak=_peak(genotype), advice=advice)

    def zoo(self) -> Mapping[str, Genotype]:
        """Returns the published designs whose families are searched; evolution starts from the first ones."""
        designs = {**DESIGNS, **knot_designs(self.knots)}
        return {name: self.from_rule(rule) for name, rule in designs.items() if rule.family in self.families}

    def multipliers(self, genotype: Genotype, steps: int) -> Floats | None:
        """Returns the factor on the peak learning rate at each step, [steps]; None for a rule that reacts."""
        rule = self.rule(genotype)
        return rule.multipliers(steps) if isinstance(rule, Curve) else None

    def from_multipliers(self, values: Sequence[float]) -> Genotype:
        """Returns `points` along a curve, [steps >= 2] in [0, 1], as `multipliers` gives it, one entry per step.

        Raises:
            InvalidSetting: fewer than two values, or one that is no number in [0, 1].
        """
        curve = np.asarray(values, dtype=np.float64)
        if curve.ndim != 1 or len(curve) < 2:
            raise InvalidSetting("values", f"{curve.shape} numbers", "a list of at least two, one per step")
        wrong = curve[~((curve >= 0) & (curve <= 1))]
        if len(wrong):
            raise InvalidSetting("values", float(wrong[0]), "numbers in [0, 1]; divide the curve by its maximum")
        return self.from_rule(points_along(curve))

    def from_rule(self, rule: Rule) -> Genotype:
        """Returns the genotype of a schedule whose family is searched (or `points`), at the recipe's own peak."""
        peak: dict[str, JSON] = {"peak": 1.0} if self.peak == "tuned" else {}
        family: dict[str, JSON] = {} if self.families == (rule.family,) else {"family": rule.family}
        return {**peak, **family, **answers(rule)}

    def rule(self, genotype: Genotype) -> Rule:
        """Returns the schedule that a genotype stands for.

        Raises:
            InvalidSetting: a setting out of its range.
        """
        return read(genotype, FAMILIES[str(genotype.get("family", self.families[0]))])

    def _holding(self, *genotypes: object) -> "LrScheduleSpace":
        """Returns this space, with the family `points` where a genotype comes from `from_multipliers`."""
        free = any(isinstance(one, Mapping) and one.get("family") == _FREE for one in genotypes)
        return replace(self, families=(*self.families, _FREE)) if free and _FREE not in self.families else self


def _peak(genotype: Genotype) -> float:
    return float(genotype.get("peak", 1.0))  # type: ignore[arg-type]
