"""Search by a law of loss curves: fit it to the trials so far, propose the schedule that it promises most of.

Why: a law compares twenty thousand schedules in the time in which one is trained a few steps. The rule: what a law
promises is believed only within what it has seen (`Experience`), and every promise is trained, told back and refitted;
the memo keeps what was promised, so that `law_health` can say what promises are worth.

Curves are drawn as 33 values joined by straight lines, in blocks: 2 microseconds each with their prediction, where a
genotype that the space draws takes a hundred. Source: Tissue, Wang, Wang (arXiv 2408.11029); guards as of its reviews.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from automl.canonical import JSON
from automl.contracts.history import Opened
from automl.contracts.space import Genotype, ScheduleSpace, SearchSpace
from automl.contracts.trial import Closed
from automl.errors import CannotEncode, InvalidSetting, UsageError
from automl.numerics.annealing_law import AnnealingLaw, Floats, fit_annealing_law
from automl.numerics.schedule_experience import Experience, decay_of, experience_of, law_rates, recorded_curve
from automl.searchers.schedule_curves import KNOTS, best_curves, stretched

ABLE = ("evolution", "random")
METRIC = "loss"
FIRST = ("constant", "cosine")
"""What the law is fitted to at first: no annealing at all, and a whole one."""
REPEATED = "proposed before"
TRIES = 32
FINE = 1_000
"""Steps in which a curve is handed to a space that does not know it by name."""


class Told(NamedTuple):
    """One completed trial: its genotype and its validation losses by leg, (steps, losses)."""

    genotype: Genotype
    curves: Mapping[str, tuple[tuple[int, ...], tuple[float | None, ...]]]


class Memory(NamedTuple):
    """The state: fingerprints of all closed trials, and the completed ones in order."""

    seen: frozenset[str] = frozenset()
    told: tuple[Told, ...] = ()


class Fitted(NamedTuple):
    """A law, what it was fitted on, on which leg, and the genotypes from best to worst last loss."""

    law: AnnealingLaw
    experience: Experience
    leg: str
    ranked: tuple[Genotype, ...]


Proposal: TypeAlias = tuple[Genotype, Mapping[str, JSON]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LawSearch:
    """Proposes constant and cosine, then what the fitted law promises most of, with a share of exploration.

    Attributes:
        space: a `ScheduleSpace` that leaves the peak learning rate alone: a law compares schedules of one peak.
        candidates: curves compared per proposal, >= 100. Rule of thumb 20,000; more find the law's own faults.
        drawn: genotypes of the space among them, drawn or varied from the best, >= 0. Rule of thumb 128; they cost
            a hundred times as much as curves.
        fresh: chance that a proposal is drawn from the space without asking the law, in [0, 1]. Rule of thumb 0.25.
        apart: a curve that is nearer to an earlier one (root mean square over the run) counts as a repeat, in [0, 1).
    """

    space: SearchSpace
    candidates: int = 20_000
    drawn: int = 128
    fresh: float = 0.25
    apart: float = 0.02

    def __post_init__(self) -> None:
        if not isinstance(self.space, ScheduleSpace):
            raise CannotEncode(self.space.name, self.name, "its genotypes are no learning-rate schedules", ABLE)
        if "learning_rate" in self.space.slots:
            reason = "it varies the peak learning rate too, and a law compares schedules of one peak"
            raise CannotEncode(self.space.name, self.name, reason, ABLE)
        if self.candidates < 100:
            raise InvalidSetting("searcher.candidates", self.candidates, "an int >= 100")
        if self.drawn < 0:
            raise InvalidSetting("searcher.drawn", self.drawn, "an int >= 0")
        if not 0 <= self.fresh <= 1:
            raise InvalidSetting("searcher.fresh", self.fresh, "a number in [0, 1]")
        if not 0 <= self.apart < 1:
            raise InvalidSetting("searcher.apart", self.apart, "a number in [0, 1)")

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "annealing-law"

    def init(self) -> Memory:
        """Returns the empty state."""
        return Memory()

    def ask(
        self, state: Memory, pending: tuple[Genotype, ...], number: int, rng: np.random.Generator
    ) -> Proposal:
        """Proposes a first schedule, a draw of the space, or the law's best; see `Searcher.ask`."""
        known = state.seen | {self.space.fingerprint(genotype) for genotype in pending}
        for genotype in self._first():
            if self.space.fingerprint(genotype) not in known:
                return genotype, {"parents": [], "operator": "seed", "redrawn": {}}
        fitted = None if rng.random() < self.fresh else self._fit(state)
        if fitted is None:
            return self._explored(known, rng)
        others = (*(one.genotype for one in state.told), *pending)
        return self._promised(fitted, others, known, rng) or self._explored(known, rng)

    def tell(self, state: Memory, trial: Opened, end: Closed) -> Memory:
        """Remembers a closed trial; only completed ones are fitted.

        Raises:
            UsageError: the task measures no validation loss.
        """
        seen = state.seen | {trial.fingerprint}
        if end.outcome != "completed" or not end.curves:
            return state._replace(seen=seen)
        measured = {name for curve in end.curves.values() for name in curve.metrics}
        if METRIC not in measured:
            known = ", ".join(sorted(measured))
            reason = f"Searcher {self.name!r} fits validation losses, and the task measures {known} only"
            raise UsageError(f"{reason}. Take a task whose `measure` returns {METRIC!r}, or another searcher.")
        known_curves = ((leg, curve) for leg, curve in end.curves.items() if METRIC in curve.metrics)
        curves = {leg: (curve.steps, curve.metrics[METRIC]) for leg, curve in known_curves}
        return Memory(seen=seen, told=(*state.told, Told(trial.genotype, curves)))

    def restore(self, state: Memory, trial: Opened) -> Memory:
        """Returns the state as it is: open trials are seen in `pending`."""
        return state

    def _first(self) -> Iterator[Genotype]:
        """Yields constant and cosine, from the zoo where they are there."""
        zoo, x = self.space.zoo(), np.arange(FINE) / FINE
        for name, values in zip(FIRST, (np.ones(FINE), (1 + np.cos(np.pi * x)) / 2), strict=True):
            yield zoo[name] if name in zoo else self._schedules.from_multipliers(values.tolist())

    @property
    def _schedules(self) -> ScheduleSpace:
        assert isinstance(self.space, ScheduleSpace), "checked when the searcher was made"
        return self.space

    def _explored(self, known: frozenset[str], rng: np.random.Generator) -> Proposal:
        repeats = 0
        draw = self.space.sample(rng)
        while self.space.fingerprint(draw.genotype) in known and repeats < TRIES:
            repeats += 1
            draw = self.space.mutate(draw.genotype, rng)
        redrawn = {**draw.redrawn, **({REPEATED: repeats} if repeats else {})}
        return draw.genotype, {"parents": [], "operator": "random", "redrawn": redrawn}

    def _fit(self, state: Memory) -> Fitted | None:
        """Returns the law of the completed trials, None while there are fewer than two that it can be fitted to."""
        legs = [leg for one in state.told for leg in one.curves]
        if not legs:
            return None
        leg = min(set(legs), key=lambda name: (-legs.count(name), name))
        steps = max(one.curves[leg][0][-1] for one in state.told if leg in one.curves)
        schedules, curves, ends = [], [], list[tuple[float, int, Genotype]]()
        for one in state.told:
            multipliers = self._schedules.multipliers(one.genotype, steps)
            if leg not in one.curves or multipliers is None:
                continue
            try:
                curve = recorded_curve(multipliers, steps=one.curves[leg][0], losses=one.curves[leg][1])
            except InvalidSetting:  # too few points, or a schedule that is 0 throughout: nothing to fit to
                continue
            schedules.append(multipliers)
            curves.append(curve)
            ends.append((float(curve.losses[-1]), len(ends), one.genotype))
        if len(curves) < len(FIRST):
            return None
        ranked = tuple(genotype for *_, genotype in sorted(ends, key=lambda end: end[:2]))
        experience = experience_of(schedules, peak=1.0)
        with np.errstate(over="ignore"):  # far from any solution the optimiser tries laws without a positive loss
            law = fit_annealing_law(curves, decay=decay_of(steps))
        return Fitted(law=law, experience=experience, leg=leg, ranked=ranked)

    def _promised(
        self, fitted: Fitted, others: tuple[Genotype, ...], known: frozenset[str], rng: np.random.Generator
    ) -> Proposal | None:
        """Returns the best new schedule that the law may be asked about, None where all were proposed before."""
        steps, repeats = fitted.experience.steps, 0
        earlier = [curve for one in others if (curve := self._schedules.multipliers(one, steps)) is not None]
        for genotype in self._short_list(fitted, rng):
            curve = self._schedules.multipliers(genotype, steps)
            if curve is None or fitted.experience.refusal(curve):
                continue
            if self.space.fingerprint(genotype) in known or self._near(curve, earlier):
                repeats += 1
                continue
            predicted = float(fitted.law.final(law_rates(curve)[None])[0])
            if predicted > 0 and np.isfinite(predicted):
                law: dict[str, JSON] = {"predicted": predicted, "leg": fitted.leg}
                redrawn = {REPEATED: repeats} if repeats else {}
                return genotype, {"parents": [], "operator": "law", "redrawn": redrawn, "law": law}
        return None

    def _near(self, curve: Floats, earlier: list[Floats]) -> bool:
        return any(float(np.sqrt(np.mean((curve - one) ** 2))) < self.apart for one in earlier)

    def _short_list(self, fitted: Fitted, rng: np.random.Generator) -> Iterator[Genotype]:
        """Yields candidates, those of which the law promises most first, well spread."""
        steps = fitted.experience.steps
        drawn = [self._draw(fitted, rng) for _ in range(self.drawn)]
        usable = [
            (genotype, curve)
            for genotype in drawn
            if (curve := self._schedules.multipliers(genotype, steps)) is not None
            and not fitted.experience.refusal(curve)
        ]
        listed: list[tuple[float, Genotype | Floats]] = []
        if usable:
            losses = fitted.law.final(np.stack([law_rates(curve) for _, curve in usable]))
            listed += [(float(loss), genotype) for loss, (genotype, _) in zip(losses, usable, strict=True)]
        listed += best_curves(fitted.law, self._bases(fitted), count=self.candidates, steps=steps, rng=rng)
        for _, one in sorted(listed, key=lambda entry: entry[0]):
            if not isinstance(one, np.ndarray):
                yield one
            else:
                yield self._schedules.from_multipliers(stretched(one, points=steps).tolist())

    def _draw(self, fitted: Fitted, rng: np.random.Generator) -> Genotype:
        if rng.random() < 0.5:
            return self.space.sample(rng).genotype
        best = fitted.ranked[: max(1, len(fitted.ranked) // 4)]
        return self.space.mutate(best[int(rng.integers(len(best)))], rng).genotype

    def _bases(self, fitted: Fitted) -> list[Floats]:
        """Returns the curves that others are perturbed from: those of the better half of the trials."""
        curves = [self._schedules.multipliers(one, fitted.experience.steps) for one in fitted.ranked]
        usable = [curve for curve in curves if curve is not None and not fitted.experience.refusal(curve)]
        return [stretched(curve, points=KNOTS) for curve in usable[: max(1, len(usable) // 2)]]
