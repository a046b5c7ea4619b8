"""Optuna's samplers as folds: TPE, Gaussian process, NSGA-II and III, quasi-random sequences.

Why wrapped: an Optuna sampler lives on a study that it also writes to. Here that study is a scratch one in memory. Each
ask gets a fresh sampler seeded for its trial, and what the sampler wrote during the ask is the memo stored with the
trial; so a resumed study proposes what the uninterrupted one would have.

The rule: the state is the scratch study itself, changed in place; fold it forward once and make a new one with `init`.

Conditional spaces work with all of them, but not equally well. TPE models every name, jointly those that every trial
asks. GP, NSGA and QMC model only the names that every completed trial asked (QMC: those of the first one) and draw the
others uniformly at random; where most names are conditional, prefer TPE or evolution.
"""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, QMCSampler, TPESampler

from automl.canonical import JSON, finite
from automl.contracts.history import Opened
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Closed, Objective
from automl.errors import CannotEncode, InvalidSetting, UsageError
from automl.numerics.ranking import pareto_order, utilities
from automl.searchers.optuna_scratch import Asked, ScratchStudy, asked_again, quiet_optuna

ABLE = ("evolution", "random")
"""Searchers that need no named distributions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptunaSearcher(abc.ABC):
    """What Optuna's samplers share: each subclass names itself and makes its sampler.

    Completed trials, and duplicates with their twin's values, are told as they are. Rejected and failed ones are told
    as pruned without values: TPE ranks those worst, while a trial told as failed would be invisible and proposed again.

    Attributes:
        space: must be suggestible.
        objectives: what trials are ranked by.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InvalidSetting("searcher.objectives", self.objectives, "at least one objective")
        if not self.space.suggestible:
            raise CannotEncode(self.space.name, self.name, "its genotypes are no answers to named questions", ABLE)

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name on the command line."""

    @abc.abstractmethod
    def sampler(self, seed: int) -> BaseSampler:
        """Returns a fresh sampler with this searcher's settings."""

    @property
    def most_trials(self) -> int | None:
        """The longest study that it can drive, in trials; None = any."""
        return None

    @property
    def most_closed(self) -> int | None:
        """How many closed trials the scratch study may hold; None = any."""
        return None

    def init(self) -> ScratchStudy:
        """Returns an empty scratch study."""
        return ScratchStudy([objective.direction for objective in self.objectives])

    def ask(
        self, state: ScratchStudy, pending: tuple[Genotype, ...], number: int, rng: np.random.Generator
    ) -> tuple[Genotype, Mapping[str, JSON]]:
        """Proposes trial `number`, which is open in the scratch study from now on; see `Searcher.ask`.

        Raises:
            UsageError: the sampler is too slow for this many trials.
        """
        if self.most_trials is not None and number >= self.most_trials:
            raise UsageError(
                f"Searcher {self.name!r} was asked for trial {number}; it takes at most {self.most_trials} trials, as"
                f" its time per proposal grows with their cube. Use --trials {self.most_trials} or fewer, or"
                " --searcher tpe or evolution."
            )
        with quiet_optuna():
            asked = state.ask(number, self.sampler(int(rng.integers(2**31))), self.space.suggest)
        genotype = self.space.decode(asked.answers)
        written: dict[str, JSON] = {"trial": asked.trial_attributes, "study": asked.study_attributes}
        if dict(self.space.encode(genotype)) != dict(asked.answers):
            written["answers"] = asked.answers
        return genotype, {"parents": [], "operator": self.name, "redrawn": {}, "optuna": written}

    def tell(self, state: ScratchStudy, trial: Opened, end: Closed) -> ScratchStudy:
        """Closes the trial in the scratch study, and rebuilds that where it has grown too long."""
        values = [finite(value) for value in end.values] if end.outcome in ("completed", "duplicate") else [None]
        numbers = [value for value in values if value is not None]
        with quiet_optuna():
            state.close(trial.number, numbers if len(numbers) == len(values) else None)
            if self.most_closed is None or len(state.closed) < self.most_closed:
                return state
            return state.rebuilt(self._worth_keeping(state))

    def restore(self, state: ScratchStudy, trial: Opened) -> ScratchStudy:
        """Puts a recorded trial back as open, with what its sampler wrote; see `Searcher.restore`."""
        written = trial.memo.get("optuna")
        known = written or {"trial": {}, "study": {}}
        answers = known.get("answers", self.space.encode(trial.genotype))
        with quiet_optuna():
            ordered, distributions = asked_again(self.space.suggest, answers)
            asked = Asked(answers=ordered, trial_attributes=known["trial"], study_attributes=known["study"])
            state.reopen(trial.number, asked, distributions)
            if written is None:
                state.adopt(trial.number, self.sampler(0))
        return state

    def _worth_keeping(self, state: ScratchStudy) -> list[int]:
        """Returns the numbers of the best of the older trials and of all the latest, in order."""
        older, latest = state.closed[:-LATEST], state.closed[-LATEST:]
        nothing = (None,) * len(self.objectives)
        rows = [state.trial(number).values or nothing for number in older]
        ranked = pareto_order(utilities(rows, [goal.direction for goal in self.objectives]))
        return [*sorted(older[position] for position in ranked[:BEST]), *latest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tpe(OptunaSearcher):
    """Tree-structured Parzen estimator (Watanabe, arXiv:2304.11127): multivariate for one objective.

    For speed the scratch study holds at most 1,000 closed trials: as soon as there are so many it is rebuilt from the
    latest 500 and the best 250 of the older ones.

    Attributes:
        startup: random trials before the model is used, >= 1. Rule of thumb: 10, or a fifth of a small budget.
        candidates: points compared per proposal, >= 1; more are greedier.
    """

    startup: int = 10
    candidates: int = 24

    @property
    def most_closed(self) -> int | None:
        """How many closed trials the scratch study may hold."""
        return MOST

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "tpe"

    def sampler(self, seed: int) -> BaseSampler:
        """Returns Optuna's TPE."""
        return TPESampler(seed=seed, n_startup_trials=self.startup, n_ei_candidates=self.candidates)

    def __post_init__(self) -> None:
        OptunaSearcher.__post_init__(self)
        _at_least("startup", self.startup, 1)
        _at_least("candidates", self.candidates, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianProcess(OptunaSearcher):
    """Gaussian process with expected improvement: the most careful use of few, expensive trials of numeric spaces.

    Attributes:
        startup: random trials before the model is used, >= 1. Rule of thumb: 10.
    """

    startup: int = 10

    @property
    def most_trials(self) -> int | None:
        """The longest study that it can drive, in trials."""
        return MOST_GP

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "gp"

    def sampler(self, seed: int) -> BaseSampler:
        """Returns Optuna's GP sampler."""
        return GPSampler(seed=seed, n_startup_trials=self.startup)

    def __post_init__(self) -> None:
        OptunaSearcher.__post_init__(self)
        _at_least("startup", self.startup, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generations(OptunaSearcher):
    """What the NSGA samplers share.

    Attributes:
        population: completed trials per generation, >= 4. Rule of thumb: a quarter of the budget, at most 50; the first
            generation is random.
    """

    population: int = 16

    def __post_init__(self) -> None:
        OptunaSearcher.__post_init__(self)
        _at_least("population", self.population, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nsga2(Generations):
    """NSGA-II (Deb et al., IEEE TEVC 2002): generations, for two or three objectives."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "nsga2"

    def sampler(self, seed: int) -> BaseSampler:
        """Returns Optuna's NSGA-II."""
        return NSGAIISampler(seed=seed, population_size=self.population)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nsga3(Generations):
    """NSGA-III (Deb and Jain, IEEE TEVC 2014): generations over reference points, for three objectives or more."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "nsga3"

    def sampler(self, seed: int) -> BaseSampler:
        """Returns Optuna's NSGA-III."""
        return NSGAIIISampler(seed=seed, population_size=self.population)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuasiRandom(OptunaSearcher):
    """A quasi-random sequence: random search that leaves no holes; for numeric spaces with few names.

    The sequence itself is the same for every seed (it is not scrambled); the seed decides what is drawn independently.

    Attributes:
        sequence: "sobol", best when the budget is a power of two, or "halton".
    """

    sequence: Literal["sobol", "halton"] = "sobol"

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "qmc"

    def sampler(self, seed: int) -> BaseSampler:
        """Returns Optuna's QMC sampler."""
        return QMCSampler(seed=seed, qmc_type=self.sequence)

    def __post_init__(self) -> None:
        OptunaSearcher.__post_init__(self)
        if self.sequence not in ("sobol", "halton"):
            raise InvalidSetting("searcher.sequence", self.sequence, "'sobol' or 'halton'")


MOST, BEST, LATEST = 1_000, 250, 500
MOST_GP = 500


def _at_least(setting: str, given: int, least: int) -> None:
    if given < least:
        raise InvalidSetting(f"searcher.{setting}", given, f"an int >= {least}")
