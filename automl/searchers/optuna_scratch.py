"""The scratch study in memory that Optuna's samplers read and write.

Why apart: what is stored and put back is the same for every sampler. The rule: public methods of Optuna's storage only,
and the order of trials in the study is their order of opening.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl.canonical import JSON
from automl.contracts.space import Suggester
from automl.numerics.ranking import Direction

STUDY_NAME = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one ask left behind.

    Attributes:
        answers: name -> answer, in the order of asking.
        trial_attributes: what the sampler wrote on the trial.
        study_attributes: what it wrote on the study.
    """

    answers: Mapping[str, Any]
    trial_attributes: Mapping[str, JSON]
    study_attributes: Mapping[str, JSON]


class ScratchStudy:
    """An Optuna study in memory, addressed by our trial numbers.

    Optuna's own numbers differ from ours once the study was rebuilt from fewer trials.
    """

    def __init__(self, directions: Sequence[Direction]) -> None:
        self._directions = tuple(directions)
        self._storage = InMemoryStorage()
        with quiet_optuna():
            self._study = optuna.create_study(
                storage=self._storage, study_name=STUDY_NAME, directions=list(self._directions)
            )
        self._study_id = self._storage.get_study_id_from_name(STUDY_NAME)
        self._ids: dict[int, int] = {}
        self._closed: list[int] = []

    @property
    def closed(self) -> tuple[int, ...]:
        """Numbers of the closed trials that it holds, in order of closing."""
        return tuple(self._closed)

    def trial(self, number: int) -> FrozenTrial:
        """Returns a trial that it holds, as it stands."""
        return self._storage.get_trial(self._ids[number])

    def ask(self, number: int, sampler: BaseSampler, suggest: Callable[[Suggester], object]) -> Asked:
        """Opens trial `number` with answers from `sampler`."""
        before = self._storage.get_study_system_attrs(self._study_id)
        self._study.sampler = sampler
        trial = self._study.ask()
        suggest(trial)
        self._ids[number] = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
        after = self._storage.get_study_system_attrs(self._study_id)
        return Asked(
            answers=dict(trial.params),
            trial_attributes=dict(self.trial(number).system_attrs),
            study_attributes={name: value for name, value in after.items() if before.get(name) != value},
        )

    def reopen(self, number: int, asked: Asked, distributions: Mapping[str, BaseDistribution]) -> None:
        """Opens trial `number` as it was asked before."""
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(asked.answers),
            distributions=dict(distributions),
            system_attrs=dict(asked.trial_attributes),
        )
        self._add(number, template)
        for name, value in asked.study_attributes.items():
            self._storage.set_study_system_attr(self._study_id, name, value)

    def adopt(self, number: int, sampler: BaseSampler) -> None:
        """Takes in an open trial that no sampler proposed; without a generation a genetic one would never see it."""
        if isinstance(sampler, BaseGASampler):
            sampler.get_trial_generation(self._study, self.trial(number))

    def close(self, number: int, values: Sequence[float] | None) -> None:
        """Ends an open trial: with values, or as pruned without any."""
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        self._storage.set_trial_state_values(self._ids[number], state, values)
        self._closed.append(number)

    def rebuilt(self, closed: Sequence[int]) -> "ScratchStudy":
        """Returns a new study of the open trials and of these closed ones (numbers, in order)."""
        fresh = ScratchStudy(self._directions)
        dropped = set(self._closed) - set(closed)
        for number in self._ids:
            if number not in dropped:
                fresh._add(number, self.trial(number))
        fresh._closed = list(closed)
        return fresh

    def _add(self, number: int, template: FrozenTrial) -> None:
        self._ids[number] = self._storage.create_new_trial(self._study_id, template_trial=template)


class _Questions:
    """Answers as recorded, and notes each question as Optuna would have."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.used: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._note(name, CategoricalDistribution(choices))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._note(name, IntDistribution(low, high, log=log, step=step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._note(name, FloatDistribution(low, high, log=log, step=step)))

    def _note(self, name: str, distribution: BaseDistribution) -> Any:
        self.distributions[name] = distribution
        self.used[name] = self._answers[name]
        return self._answers[name]


def asked_again(
    suggest: Callable[[Suggester], object], answers: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Returns the answers in the order of asking, and the distribution that each was drawn from."""
    questions = _Questions(answers)
    suggest(questions)
    return questions.used, questions.distributions


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keeps Optuna's log lines and its warnings about experimental samplers out of our output."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
