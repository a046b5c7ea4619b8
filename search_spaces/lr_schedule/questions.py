"""The settings of a schedule family as questions: what is asked, what is legal, what it means.

Why: the range that is searched, the check of a value and the line that a person reads are the same fact, so it stands
once, in the field that holds the value. The rule: the answer to field `floor` of family `cosine` is `cosine.floor`; the
entries of a series are `knots.drop0`, `knots.drop1` and so on.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar, assert_never

from automl.canonical import JSON
from automl.contracts.space import Genotype, Suggester
from automl.errors import InvalidSetting

SHORTEST, LONGEST = 2, 64
"""Entries of a series."""


class Asked(Protocol):
    """A frozen dataclass whose fields are questions."""

    family: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


Family = TypeVar("Family", bound=Asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for one field.

    Attributes:
        kind: a float, an int, one of `options`, or a tuple of floats.
        meaning: what it is, with its unit.
        low: least legal value.
        high: greatest legal value.
        log: whether it is drawn in the logarithm.
        options: what a choice chooses from.
        absent: the value that means "not there", None where there is none.
        length: entries of a series; None = the space says how many.
    """

    kind: Literal["number", "whole", "choice", "series"]
    meaning: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    options: tuple[str, ...] = ()
    absent: float | None = None
    length: int | None = None

    @property
    def allowed(self) -> str:
        """The legal values in words."""
        interval = f"in [{self.low:g}, {self.high:g}]"
        match self.kind:
            case "number":
                return f"a number {interval} ({self.meaning})"
            case "whole":
                return f"an int {interval} ({self.meaning})"
            case "choice":
                return f"one of {', '.join(map(repr, self.options))} ({self.meaning})"
            case "series":
                count = self.length or f"{SHORTEST} to {LONGEST}"
                return f"{count} numbers {interval} ({self.meaning})"
            case other:
                assert_never(other)

    def legal(self, value: Any) -> bool:
        """Returns whether `value` may stand in the field."""
        match self.kind:
            case "number":
                return self._within(value)
            case "whole":
                return type(value) is int and self._within(value)
            case "choice":
                return value in self.options
            case "series":
                if not isinstance(value, tuple) or not all(map(self._within, value)):
                    return False
                return SHORTEST <= len(value) <= LONGEST if self.length is None else len(value) == self.length
            case other:
                assert_never(other)

    def _within(self, value: Any) -> bool:
        return type(value) in (int, float) and math.isfinite(value) and self.low <= value <= self.high


def number(
    meaning: str, *, low: float, high: float, default: float, log: bool = False, absent: float | None = None
) -> Any:
    """Returns the dataclass field of a float in [low, high]."""
    return _field(Question(kind="number", meaning=meaning, low=low, high=high, log=log, absent=absent), default)


def whole(meaning: str, *, low: int, high: int, default: int) -> Any:
    """Returns the dataclass field of an int in [low, high]."""
    return _field(Question(kind="whole", meaning=meaning, low=low, high=high), default)


def choice(meaning: str, *, options: tuple[str, ...]) -> Any:
    """Returns the dataclass field of one of `options`; the first is the default."""
    return _field(Question(kind="choice", meaning=meaning, options=options), options[0])


def series(
    meaning: str, *, low: float, high: float, default: Sequence[float], log: bool = False, length: int | None = None
) -> Any:
    """Returns the dataclass field of a tuple of floats; `length` None = as many as the space says."""
    question = Question(kind="series", meaning=meaning, low=low, high=high, log=log, length=length)
    return _field(question, tuple(default))


@functools.cache
def questions(family: type[Asked]) -> tuple[tuple[str, Question], ...]:
    """Returns (field, question) in the order in which they are asked."""
    return tuple((one.name, one.metadata["question"]) for one in fields(family))


def ask(trial: Suggester, family: type[Asked], *, length: int) -> None:
    """Asks for every field of a family; a series without a length of its own has `length` entries."""
    for name, question in questions(family):
        full, low, high = f"{family.family}.{name}", question.low, question.high
        match question.kind:
            case "number":
                trial.suggest_float(full, low, high, log=question.log)
            case "whole":
                trial.suggest_int(full, int(low), int(high))
            case "choice":
                trial.suggest_categorical(full, question.options)
            case "series":
                for index in range(question.length or length):
                    trial.suggest_float(f"{full}{index}", low, high, log=question.log)
            case other:
                assert_never(other)


def read(genotype: Genotype, family: type[Family]) -> Family:
    """Returns the member of a family that the answers describe."""
    values: dict[str, Any] = {}
    for name, question in questions(family):
        full = f"{family.family}.{name}"
        if question.kind == "series":
            count = next(index for index in range(len(genotype) + 1) if f"{full}{index}" not in genotype)
            values[name] = tuple(genotype[f"{full}{index}"] for index in range(count))
        else:
            values[name] = genotype[full]
    return family(**values)


def answers(member: Asked) -> dict[str, JSON]:
    """Returns the answers that `read` makes this member of."""
    given: dict[str, JSON] = {}
    for name, question in questions(type(member)):
        value, full = getattr(member, name), f"{member.family}.{name}"
        given.update({f"{full}{index}": one for index, one in enumerate(value)} if question.kind == "series" else {})
        given.update({} if question.kind == "series" else {full: value})
    return given


def check(member: Asked) -> None:
    """Refuses a member with a field out of its range.

    Raises:
        InvalidSetting: names the field, what it holds and what it may hold.
    """
    for name, question in questions(type(member)):
        value = getattr(member, name)
        if not question.legal(value):
            raise InvalidSetting(f"{member.family}.{name}", value, question.allowed)


def lines(member: Asked) -> tuple[tuple[str, str], ...]:
    """Returns (name = value, meaning) of every field, for people."""
    given: Mapping[str, Any] = {name: getattr(member, name) for name, _ in questions(type(member))}
    return tuple((f"{name} = {written(given[name])}", question.meaning) for name, question in questions(type(member)))


def written(value: Any) -> str:
    """Returns a setting as people read it: four digits."""
    if isinstance(value, tuple):
        return ", ".join(map(written, value))
    return value if isinstance(value, str) else f"{value:.4g}"


def _field(question: Question, default: Any) -> Any:
    return field(default=default, metadata={"question": question})
