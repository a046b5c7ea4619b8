"""What an earlier study hands to a new one: the genotypes that its trainings derived, or its best trials.

Why: a differentiable search yields a cell at every look, of every seed, and which of them is worth most is found by
training them; an ordinary study of the same space is a head start too. The rule: different functions only, the most
wanted first, and never more than was asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, groupby, zip_longest
from typing import Any

from automl.contracts.history import StudyLog
from automl.contracts.space import Genotype
from automl.contracts.trial import Objective
from automl.flows.report import ranking

Fingerprint = Callable[[Genotype], str]


def derived_genotypes(log: StudyLog, *, most: int, fingerprint: Fingerprint) -> list[Genotype]:
    """Returns what a study's trainings derived: the last genotype of each, then earlier ones, the newest first.

    The room that the last ones leave is shared evenly among the trainings; each fills its share with genotypes that
    are spread evenly over its run, so that not all of them are of the end. Derivations that repeat are one.

    Args:
        log: of the study; how a trial ended does not matter.
        most: how many, >= 1; trainings in trial order where there are more than that.
        fingerprint: of a genotype, in the space that it belongs to.
    """
    runs = [[entry["genotype"] for entry in run] for run in _runs(log)]
    seen: set[str] = set()
    last = _new([run[-1:] for run in runs], seen, fingerprint)
    earlier = _new([run[-2::-1] for run in runs], seen, fingerprint)
    newest = [one for run in last for one in run][:most]
    shares = _shares([len(run) for run in earlier], room=most - len(newest))
    spread = [_spread(run, share) for run, share in zip(earlier, shares, strict=True)]
    rest = (one for one in chain.from_iterable(zip_longest(*spread)) if one is not None)
    return [*newest, *rest]


def best_genotypes(
    log: StudyLog, objectives: Sequence[Objective], *, most: int, fingerprint: Fingerprint
) -> list[Genotype]:
    """Returns a study's completed trials, best first, one of each function.

    Args:
        log: of the study.
        objectives: of the study.
        most: how many, >= 1.
        fingerprint: of a genotype.
    """
    ranked = [log.opened[number].genotype for number in ranking(log, objectives)]
    return _new([ranked], set(), fingerprint)[0][:most]


def _runs(log: StudyLog) -> list[list[Mapping[str, Any]]]:
    """Returns the derived entries of each training, in trial order, each by step."""
    found: list[list[Mapping[str, Any]]] = []
    for closed in log.closed:
        by_leg = sorted(closed.derived, key=lambda entry: (str(entry["leg"]), int(str(entry["step"]))))
        found += [list(run) for _, run in groupby(by_leg, key=lambda entry: entry["leg"])]
    return found


def _new(runs: Sequence[Sequence[Genotype]], seen: set[str], fingerprint: Fingerprint) -> list[list[Genotype]]:
    """Returns the runs without the functions seen before, which are added to `seen`."""
    found = []
    for run in runs:
        kept = []
        for genotype in run:
            mark = fingerprint(genotype)
            if mark not in seen:
                seen.add(mark)
                kept.append(genotype)
        found.append(kept)
    return found


def _shares(sizes: Sequence[int], *, room: int) -> list[int]:
    """Returns how many each may have: one after the other in turn, until the room or everything is used."""
    shares = [0] * len(sizes)
    while room > 0 and any(share < size for share, size in zip(shares, sizes, strict=True)):
        for place, size in enumerate(sizes):
            if shares[place] < size and room > 0:
                shares[place], room = shares[place] + 1, room - 1
    return shares


def _spread(run: Sequence[Genotype], count: int) -> list[Genotype]:
    """Returns `count` of a run, evenly spaced between its ends: of 5 the 3rd, or the 2nd and the 4th."""
    return [run[(place + 1) * len(run) // (count + 1)] for place in range(count)]
