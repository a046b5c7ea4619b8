"""Sources of answers to `suggest`: recorded ones, and random ones that keep what they are given.

Why: sampling, decoding, mutation and crossover are the same procedure asked by different sources, so they cannot drift
apart. The rule: an answer is legal if the question, as asked now, could have drawn it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from automl.errors import InvalidGenotype, InvalidSetting

MAX_ANSWERS = 10_000
"""More questions than this in one genotype is an error of the space or an attack."""

LOCAL_STEP = 0.1
"""Standard deviation of a local numeric move, as a share of the range."""


class RecordedAnswers:
    """Replays given answers strictly.

    Attributes:
        used: the answers asked so far, in order.
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        if not isinstance(answers, Mapping):
            raise InvalidGenotype("$", answers, "an object that maps names to answers")
        if len(answers) > MAX_ANSWERS:
            raise InvalidGenotype("$", f"an object with {len(answers)} entries", f"at most {MAX_ANSWERS}")
        self._answers = answers
        self.used: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Returns the recorded choice."""
        value = self._read(name)
        return self._keep(name, value, f"one of {list(choices)[:30]}", legal_choice(value, choices))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Returns the recorded int."""
        value = self._read(name)
        steps = f" in steps of {step}" if step != 1 else ""
        return int(self._keep(name, value, f"an int in [{low}, {high}]{steps}", legal_int(value, low, high, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Returns the recorded float."""
        value = self._read(name)
        steps = f" in steps of {step}" if step else ""
        legal = legal_float(value, low, high, step)
        return float(self._keep(name, float(value) if legal else value, f"a number in [{low}, {high}]{steps}", legal))

    def finish(self) -> dict[str, Any]:
        """Returns the answers used.

        Raises:
            InvalidGenotype: an answer was given to a question that was never asked.
        """
        extra = [name for name in self._answers if name not in self.used]
        if extra:
            raise InvalidGenotype("$", f"an object with {extra[0]!r}", f"only {list(self.used)[:40]}")
        return self.used

    def _read(self, name: str) -> Any:
        if name not in self._answers:
            raise InvalidGenotype(name, "missing", "an answer to this question")
        return self._answers[name]

    def _keep(self, name: str, value: Any, allowed: str, legal: bool) -> Any:
        if not legal:
            raise InvalidGenotype(name, value, allowed)
        self.used[name] = value
        return value


class RandomAnswers:
    """Answers with what it was told to keep where that is legal, and draws the rest.

    Attributes:
        used: the answers given so far, in order.
        rng: the only source of randomness.
        near: name -> value to move from: a numeric answer is redrawn near it half of the time.
    """

    def __init__(
        self, rng: np.random.Generator, *, keep: Mapping[str, Any] | None = None, near: Mapping[str, Any] | None = None
    ) -> None:
        self.rng = rng
        self.near = near or {}
        self._keep = keep or {}
        self.used: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Returns the kept choice, or a uniform one that differs from `near` where there is another."""
        if not choices:
            raise InvalidSetting(name, [], "at least one choice")
        kept = self._keep.get(name, _ABSENT)
        if not legal_choice(kept, choices):
            others = [c for c in choices if name not in self.near or not _same(c, self.near[name])]
            pool = others or list(choices)
            kept = pool[int(self.rng.integers(len(pool)))]
        return self._use(name, kept)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Returns the kept int, or one drawn uniformly (in the logarithm if `log`)."""
        kept: Any = self._keep.get(name)
        if not legal_int(kept, low, high, step):
            count = (high - low) // step + 1
            if count < 1 or step < 1 or (log and low < 1):
                raise InvalidSetting(name, (low, high, step), "low <= high, step >= 1, and low >= 1 if log")
            start: Any = self.near.get(name)
            if log:
                value = round(self._number(name, low, high, log=True))
            elif legal_int(start, low, high, step) and count <= 1 / LOCAL_STEP:
                other = int(self.rng.integers(max(1, count - 1)))
                position = (start - low) // step
                value = low + step * (other + (other >= position and count > 1))
            else:
                value = low + step * round((self._number(name, low, high, log=False) - low) / step)
            kept = min(max(value, low), low + step * (count - 1))
        return int(self._use(name, kept))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Returns the kept float, or one drawn uniformly (in the logarithm if `log`)."""
        kept: Any = self._keep.get(name)
        if not legal_float(kept, low, high, step):
            if not (math.isfinite(low) and math.isfinite(high) and low <= high and (low > 0 or not log)):
                raise InvalidSetting(name, (low, high), "finite low <= high, and low > 0 if log")
            value = self._number(name, low, high, log=log)
            if step:
                value = low + step * round((value - low) / step)
                value = value if value <= high else value - step
            kept = min(max(value, low), high)
        return float(self._use(name, float(kept)))

    def _number(self, name: str, low: float, high: float, *, log: bool) -> float:
        bottom, top = (math.log(low), math.log(high)) if log else (low, high)
        start: Any = self.near.get(name)
        if legal_float(start, low, high, None) and self.rng.random() < 0.5:
            centre = math.log(start) if log else start
            drawn = min(max(self.rng.normal(centre, LOCAL_STEP * (top - bottom)), bottom), top)
        else:
            drawn = self.rng.uniform(bottom, top)
        return math.exp(drawn) if log else float(drawn)

    def _use(self, name: str, value: Any) -> Any:
        if len(self.used) >= MAX_ANSWERS:
            raise InvalidSetting("suggest", f"{len(self.used)} questions", f"at most {MAX_ANSWERS} in one genotype")
        self.used[name] = value
        return value


_ABSENT = object()


def _same(first: Any, second: Any) -> bool:
    return type(first) is type(second) and bool(first == second)


def legal_choice(value: Any, choices: Sequence[Any]) -> bool:
    """Returns whether `value` is one of `choices`, of the same type (True is not 1)."""
    return any(_same(value, choice) for choice in choices)


def legal_int(value: Any, low: int, high: int, step: int) -> TypeGuard[int]:
    """Returns whether `value` is an int of the grid low, low + step, ..., high; a bool is none."""
    return type(value) is int and low <= value <= high and (value - low) % step == 0


def legal_float(value: Any, low: float, high: float, step: float | None) -> TypeGuard[float]:
    """Returns whether `value` is a finite number of [low, high], and of the grid of `step` up to rounding."""
    if type(value) not in (int, float) or not low <= value <= high:
        return False
    return step is None or abs((value - low) / step - round((value - low) / step)) < 1e-6
