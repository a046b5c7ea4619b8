"""Regularised evolution: the oldest member leaves, the winner of a small tournament has a child.

Why: it needs nothing but draws, neighbours and an order of results, so it serves every space, programs and graphs
included. Ageing, rather than dying of a bad score, makes a design prove itself again through its children.

The rule: a proposal that repeats an earlier trial is wasted budget, so it is varied further until it is a new function.
A silent change (dead code moved, say) is kept as the starting point of the next: a neutral walk that costs no trial.

Source: Real, Aggarwal, Huang, Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from automl.canonical import JSON, dumps, loads
from automl.contracts.history import Opened
from automl.contracts.space import Draw, Genotype, SearchSpace
from automl.contracts.trial import Closed, Objective, Values
from automl.errors import InvalidSetting
from automl.numerics.ranking import Floats, utilities

REPEATED = "proposed before"
"""Reason under which draws that repeat an earlier trial are counted in the memo."""


Known: TypeAlias = tuple[frozenset[str], ...]
"""Fingerprints in sets of falling size: one set that is copied for each trial would cost more with every trial."""


class Member(NamedTuple):
    """A completed trial that may have children."""

    number: int
    genotype: Genotype
    values: Values


class Population(NamedTuple):
    """The state: who may have children, what was proposed, which seeds were not; the best, and how long it has stood.

    `stale` counts completed trials since the best was found, or since the last restart.
    """

    members: tuple[Member, ...]
    seen: Known
    seeds: tuple[tuple[str, Genotype], ...]
    best: Member | None = None
    stale: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """Regularised evolution with a Pareto tournament where there are several objectives.

    Completed trials enter the population. Rejected and failed ones never do. Nor do duplicates: they carry their twin's
    values, which are no second measurement, and would keep a lucky result young for ever.

    Attributes:
        space: gives draws, neighbours and crossings.
        objectives: what trials are compared by.
        population: how many of the latest completed trials may have children, >= 2. Rule of thumb: a third of the
            budget, at most 100; larger explores more.
        tournament: contenders per parent, in [1, population]. Rule of thumb: half of the population for budgets under
            200 trials, a quarter for noisy scores and longer searches; 1 is a random walk.
        initial: trials proposed before the first child, >= 1: the space's first seeds, at most half of them, and then
            random ones.
        crossover: chance that a child has two parents, in [0, 1].
        fresh: chance of a random proposal in place of a child, in [0, 1]; keeps the search from drying out.
        redraws: how often a proposal that repeats an earlier trial is varied further, >= 0. Rule of thumb: leave it;
            with 0 most of the gain over random search is lost on the toy space.
        seeds: "zoo" starts from the space's published designs, "none" from scratch; "first" from the first design
            alone, whose mutants stand wherever a random genotype would (all AdamW, as in Chen et al. 2023).
        patience: completed trials without a new best after which the search starts again from the best alone, >= 0;
            0 = never. Rule of thumb: five populations.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    population: int = 24
    tournament: int = 12
    initial: int = 12
    crossover: float = 0.25
    fresh: float = 0.1
    redraws: int = 32
    seeds: Literal["zoo", "first", "none"] = "zoo"
    patience: int = 0

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InvalidSetting("searcher.objectives", self.objectives, "at least one objective")
        if self.population < 2:
            raise InvalidSetting("searcher.population", self.population, "an int >= 2")
        if not 1 <= self.tournament <= self.population:
            raise InvalidSetting("searcher.tournament", self.tournament, f"an int in [1, population={self.population}]")
        if self.initial < 1:
            raise InvalidSetting("searcher.initial", self.initial, "an int >= 1")
        for setting in ("crossover", "fresh"):
            if not 0 <= getattr(self, setting) <= 1:
                raise InvalidSetting(f"searcher.{setting}", getattr(self, setting), "a number in [0, 1]")
        if self.redraws < 0:
            raise InvalidSetting("searcher.redraws", self.redraws, "an int >= 0")
        if self.patience < 0:
            raise InvalidSetting("searcher.patience", self.patience, "an int >= 0")
        if self.seeds not in ("zoo", "first", "none"):
            raise InvalidSetting("searcher.seeds", self.seeds, "'zoo', 'first' or 'none'")
        if self.seeds == "first" and not self.space.zoo():
            raise InvalidSetting("searcher.seeds", "first", f"'none', as {self.space.name!r} has no published design")

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "evolution"

    def init(self) -> Population:
        """Returns a population without members, its seeds not yet proposed."""
        _tournament()  # imported now, while the workers start, and not when they wait for the driver
        wanted = {"zoo": max(1, self.initial // 2), "first": 1, "none": 0}[self.seeds]
        designs = list(self.space.zoo().values())[:wanted]
        return Population((), (), tuple((self.space.fingerprint(design), design) for design in designs))

    def ask(
        self, state: Population, pending: tuple[Genotype, ...], number: int, rng: np.random.Generator
    ) -> tuple[Genotype, Mapping[str, JSON]]:
        """Proposes the next seed, a random genotype or a child; see `Searcher.ask`."""
        known = (*state.seen, frozenset(self.space.fingerprint(genotype) for genotype in pending))
        for fingerprint, design in state.seeds:
            if not _holds(known, fingerprint):
                return design, {"parents": [], "operator": "seed", "redrawn": {}}
        if number < self.initial or not state.members or rng.random() < self.fresh:
            return self._propose("random", (), known, rng)
        first = self._parent(state.members, rng)
        if rng.random() < self.crossover and len(state.members) > 1:
            others = tuple(member for member in state.members if member.number != first.number)
            return self._propose("crossover", (first, self._parent(others, rng)), known, rng)
        return self._propose("mutation", (first,), known, rng)

    def tell(self, state: Population, trial: Opened, end: Closed) -> Population:
        """Lets a completed trial in and the oldest member out; starts again from the best where it has stood long."""
        seen = _with(state.seen, trial.fingerprint)
        seeds = tuple(seed for seed in state.seeds if seed[0] != trial.fingerprint)
        told = state._replace(seen=seen, seeds=seeds)
        if end.outcome != "completed" or all(value is None for value in end.values):
            return told
        stored = loads(dumps(trial.genotype))  # the order of keys of a resumed study, whatever a space makes of it
        member = Member(trial.number, stored, end.values)
        members = (*state.members, member)[-self.population :]
        if state.best is None or self._better(member, state.best):
            return told._replace(members=members, best=member, stale=0)
        if self.patience and state.stale + 1 >= self.patience:
            return told._replace(members=(state.best,), stale=0)
        return told._replace(members=members, stale=state.stale + 1)

    def restore(self, state: Population, trial: Opened) -> Population:
        """Returns the state as it is: open trials are seen in `pending`."""
        return state

    def _better(self, one: Member, other: Member) -> bool:
        """Returns whether `one` dominates: no objective worse, one better."""
        scores = utilities([one.values, other.values], [goal.direction for goal in self.objectives])
        return bool((scores[0] >= scores[1]).all() and (scores[0] > scores[1]).any())

    def _parent(self, members: tuple[Member, ...], rng: np.random.Generator) -> Member:
        drawn = rng.choice(len(members), size=min(self.tournament, len(members)), replace=False)
        contenders = [members[int(index)] for index in drawn]
        scores = utilities([member.values for member in contenders], [goal.direction for goal in self.objectives])
        return contenders[_tournament()(scores, rng)]

    def _propose(
        self, operator: str, parents: tuple[Member, ...], known: Known, rng: np.random.Generator
    ) -> tuple[Genotype, Mapping[str, JSON]]:
        draw = self._draw(tuple(parent.genotype for parent in parents), rng)
        redrawn = Counter(draw.redrawn)
        for _ in range(self.redraws):
            if not _holds(known, self.space.fingerprint(draw.genotype)):
                break
            redrawn[REPEATED] += 1
            draw = self.space.mutate(draw.genotype, rng)
            redrawn.update(draw.redrawn)
        memo: dict[str, JSON] = {"parents": [parent.number for parent in parents], "operator": operator}
        return draw.genotype, {**memo, "redrawn": dict(redrawn)}

    def _draw(self, parents: tuple[Genotype, ...], rng: np.random.Generator) -> Draw:
        match parents:
            case () if self.seeds == "first":
                return self.space.mutate(next(iter(self.space.zoo().values())), rng)
            case ():
                return self.space.sample(rng)
            case (only,):
                return self.space.mutate(only, rng)
            case _:
                return self.space.crossover(parents[0], parents[1], rng)


def _tournament() -> Callable[[Floats, np.random.Generator], int]:
    """Returns the rule of the tournament; EvoTorch, on which it stands, is imported at the first call (2 s)."""
    from automl.searchers.tournament import winner

    return winner


def _holds(known: Known, fingerprint: str) -> bool:
    return any(fingerprint in some for some in known)


def _with(known: Known, fingerprint: str) -> Known:
    """Returns the sets with one more fingerprint; equal sizes are merged, so that n trials make log n sets."""
    added = frozenset((fingerprint,))
    while known and len(known[-1]) <= len(added):
        known, added = known[:-1], known[-1] | added
    return (*known, added)
