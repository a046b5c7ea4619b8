"""How a trial came about: the line of its first parents, and what each step changed.

Why: a candidate of twenty parts is believed when one sees which three of them were found, and what they brought. The
rule: read from the log alone; the parts are those of the space's `listing`, compared line by line.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from automl.contracts.history import StudyLog
from automl.contracts.space import SearchSpace
from automl.contracts.trial import Values
from automl.errors import InvalidSetting

Listing: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """One trial of the line.

    Attributes:
        trial: its number.
        operator: how it was proposed from its parents ("seed", "random", "mutation", "crossover", "given", ...).
        parents: trial numbers; the first one is the ancestor before it.
        outcome: see `Outcome`; "open" while it has not ended.
        values: one per objective, () while it has not ended.
    """

    trial: int
    operator: str
    parents: tuple[int, ...]
    outcome: str
    values: Values


def ancestry(log: StudyLog, number: int) -> tuple[Ancestor, ...]:
    """Returns the chain of first parents that ends in a trial, oldest first, the trial itself last.

    Raises:
        InvalidSetting: there is no such trial.
    """
    if not 0 <= number < len(log.opened):
        known = f"an int in [0, {len(log.opened) - 1}]" if log.opened else "none, as the study has no trial yet"
        raise InvalidSetting("trial", number, known)
    line = [_ancestor(log, number)]
    while (parents := line[-1].parents) and 0 <= parents[0] < line[-1].trial:
        line.append(_ancestor(log, parents[0]))
    return tuple(reversed(line))


def changed_lines(before: Listing, after: Listing) -> tuple[str, ...]:
    """Returns the parts that went as `- part` and those that came as `+ part`, in order; what stayed is left out."""
    old, new = [part for part, _ in before], [part for part, _ in after]
    lines: list[str] = []
    matched = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, first, last, first_new, last_new in matched.get_opcodes():
        if tag != "equal":
            lines += [f"- {part}" for part in old[first:last]] + [f"+ {part}" for part in new[first_new:last_new]]
    return tuple(lines)


def explanation(log: StudyLog, number: int, *, space: SearchSpace) -> dict[str, Any]:
    """Returns a trial part by part, and its ancestors with what each changed.

    Args:
        log: of the study.
        number: of the trial.
        space: of the study.

    Returns:
        {"trial", "outcome", "values", "description", "listing": [[part, what it does]], "ancestors": [{"trial",
        "operator", "parents", "outcome", "values", "changes"}]}; values is None while a trial is open.

    Raises:
        InvalidSetting: there is no such trial.
    """
    line = ancestry(log, number)
    listings = [space.listing(log.opened[one.trial].genotype) for one in line]
    changes = [(), *(changed_lines(one, other) for one, other in pairwise(listings))]
    ancestors = [
        {
            "trial": one.trial,
            "operator": one.operator,
            "parents": list(one.parents),
            "outcome": one.outcome,
            "values": list(one.values) or None,
            "changes": list(changed),
        }
        for one, changed in zip(line, changes, strict=True)
    ]
    return {
        "trial": number,
        "outcome": line[-1].outcome,
        "values": list(line[-1].values) or None,
        "description": log.opened[number].description,
        "listing": [list(part) for part in listings[-1]],
        "ancestors": ancestors,
    }


def _ancestor(log: StudyLog, number: int) -> Ancestor:
    memo = log.opened[number].memo
    closed = log.closed[number] if number < len(log.closed) else None
    return Ancestor(
        trial=number,
        operator=str(memo.get("operator", "unknown")),
        parents=tuple(int(parent) for parent in memo.get("parents", ())),
        outcome=closed.outcome if closed else "open",
        values=closed.values if closed else (),
    )
