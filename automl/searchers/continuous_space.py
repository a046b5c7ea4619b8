"""A search space seen as a box of numbers: what searchers that move a normal distribution need.

Why: `suggest` says what is asked, not whether it is always the same. Here it is asked with many answers; a space that
always asks the same numbers has dimensions, any other is refused with the question that stands in the way.

The rule: a point is unbounded, one coordinate per number, and 0 is the middle. A coordinate u stands at the share
(F(u) - F(-3)) / (F(3) - F(-3)) of its range, F the normal distribution function, cut off at 0 and 1. So the map is
increasing, both bounds are reached (at |u| >= 3, hit by 0.13 % of a standard normal each), and the standard normal
distribution is the uniform one over the box: the first generation is a random search. Numbers asked with `log` are
uniform in the logarithm; ints and stepped floats are cells of equal width.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from automl.authoring.answers import MAX_ANSWERS
from automl.canonical import JSON
from automl.contracts.space import SearchSpace
from automl.errors import CannotEncode, InvalidSetting
from automl.numerics.ranking import Floats
from automl.seeding import child

BORDER = 3.0
"""Coordinate at which a bound is reached."""

PROBES = 16
"""Random answers that a space is asked with, besides all lowest, all highest and all middle ones."""

ABLE = ("evolution", "random", "tpe")
"""Searchers that also serve spaces with choices and conditions."""

_BELOW = math.erfc(BORDER / math.sqrt(2)) / 2
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One number that a space asks for.

    Attributes:
        name: of the question.
        low: smallest answer.
        high: largest answer, above `low`.
        step: distance between answers; None = any float.
        log: whether it is uniform in the logarithm.
        whole: whether answers are ints.
    """

    name: str
    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    def answer(self, share: float) -> float | int:
        """Returns the answer at a share in [0, 1] of the range; increasing, low at 0, high (or the last step) at 1."""
        if self.step is not None and not self.log:
            cell = min(int(share * self._cells), self._cells - 1)
            return int(self.low + cell * self.step) if self.whole else min(self.low + cell * self.step, self.high)
        if share in (0.0, 1.0):
            exact = self.high if share else self.low
            return int(exact) if self.whole else float(exact)
        first, last = self._ends
        value = first + share * (last - first)
        value = math.exp(value) if self.log else value
        inside = min(max(round(value) if self.whole else value, self.low), self.high)
        return int(inside) if self.whole else float(inside)

    def share(self, answer: float) -> float:
        """Returns a share in [0, 1] at which `answer` stands: the middle of its cell where there are cells."""
        if self.step is not None and not self.log:
            return (round((answer - self.low) / self.step) + 0.5) / self._cells
        first, last = self._ends
        value = math.log(answer) if self.log else answer
        return min(max((value - first) / (last - first), 0.0), 1.0)

    @property
    def _cells(self) -> int:
        assert self.step is not None
        return int((self.high - self.low) / self.step + 1e-9) + 1

    @property
    def _ends(self) -> tuple[float, float]:
        """The range that is searched: in logarithms, and half an int wider where it is rounded."""
        edge = 0.5 if self.whole else 0.0
        low, high = self.low - edge, self.high + edge
        return (math.log(low), math.log(high)) if self.log else (low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The dimensions of a space, and the answers that never vary.

    Attributes:
        dimensions: at least one, in the order of asking.
        fixed: name -> the only answer.
    """

    dimensions: tuple[Dimension, ...]
    fixed: Mapping[str, JSON]

    def answers(self, point: Floats) -> dict[str, JSON]:
        """Returns the answers at a point, [dimensions], any finite numbers."""
        rows = zip(self.dimensions, point, strict=True)
        return {**self.fixed, **{dimension.name: dimension.answer(_share(float(u))) for dimension, u in rows}}

    def point(self, answers: Mapping[str, Any]) -> Floats:
        """Returns the point of given answers, [dimensions], each in [-3, 3]."""
        return np.array([_coordinate(one.share(answers[one.name])) for one in self.dimensions])


def box_of(space: SearchSpace, *, searcher: str) -> Box:
    """Returns the space as a box of numbers.

    Args:
        space: asked `suggest` 19 times.
        searcher: who needs it, for the message.

    Raises:
        CannotEncode: a choice among several, a question that is asked after some answers only or with other bounds,
            or nothing that varies.
    """
    if not space.suggestible:
        raise CannotEncode(space.name, searcher, "its genotypes are no answers to named questions", ABLE[:2])
    sources = [_Probe(lambda share=share: share) for share in (0.0, 1.0, 0.5)]  # type: ignore[misc]
    sources += [_Probe(child(0, "questions", index).random) for index in range(PROBES)]
    for source in sources:
        space.suggest(source)
        reason = _obstacle(sources[0].asked, source.asked)
        if reason:
            raise CannotEncode(space.name, searcher, reason, ABLE)
    asked = sources[0].asked
    dimensions = tuple(one for one in asked.values() if isinstance(one, Dimension))
    if not dimensions:
        raise CannotEncode(space.name, searcher, "it asks for no number that varies", ABLE)
    fixed = {name: one[0] for name, one in asked.items() if not isinstance(one, Dimension)}
    return Box(dimensions=dimensions, fixed=fixed)


class _Probe:
    """Answers at shares of the range, and notes each question: a dimension, or the tuple of its choices."""

    def __init__(self, share: Callable[[], float]) -> None:
        self._share = share
        self.asked: dict[str, Dimension | tuple[Any, ...]] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        if not choices:
            raise InvalidSetting(name, [], "at least one choice")
        self._note(name, tuple(choices))
        return choices[min(int(self._share() * len(choices)), len(choices) - 1)]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        if low > high or step < 1 or (log and low < 1):
            raise InvalidSetting(name, (low, high, step), "low <= high, step >= 1, and low >= 1 if log")
        if high - low < step:
            return int(self._note(name, (low,))[0])
        dimension = Dimension(name=name, low=low, high=high, step=step, log=log, whole=True)
        self._note(name, dimension)
        return int(dimension.answer(self._share()))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if not (math.isfinite(low) and math.isfinite(high) and low <= high and (low > 0 or not log)):
            raise InvalidSetting(name, (low, high), "finite low <= high, and low > 0 if log")
        if low == high or (step and high - low < step):
            return float(self._note(name, (float(low),))[0])
        dimension = Dimension(name=name, low=low, high=high, step=step or None, log=log)
        self._note(name, dimension)
        return dimension.answer(self._share())

    def _note(self, name: str, question: Any) -> Any:
        if len(self.asked) >= MAX_ANSWERS:
            raise InvalidSetting("suggest", f"{len(self.asked)} questions", f"at most {MAX_ANSWERS} in one genotype")
        self.asked[name] = question
        return question


def _obstacle(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Returns why questions asked with two sets of answers are not the dimensions of one box; "" where they are."""
    for name in {**first, **other}:
        if name not in first or name not in other:
            return f"question {name!r} is asked after some answers only; ask it always and ignore it where it is idle"
        one = first[name]
        if not isinstance(one, Dimension) and len(one) > 1:
            return f"question {name!r} is a choice among {len(one)}, and a normal distribution needs numbers"
        if one != other[name]:
            return f"question {name!r} has other bounds after other answers; ask for a share of the range"
    return ""


def _share(coordinate: float) -> float:
    above = math.erfc(-coordinate / math.sqrt(2)) / 2
    return min(max((above - _BELOW) / (1 - 2 * _BELOW), 0.0), 1.0)


def _coordinate(share: float) -> float:
    return min(max(_NORMAL.inv_cdf(_BELOW + share * (1 - 2 * _BELOW)), -BORDER), BORDER)
