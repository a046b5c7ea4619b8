"""A study without training: the rule of proposing, driven by an analytic score.

Why: a searcher's promises (same history, same proposal; interruptions change nothing) can be checked in milliseconds.
The rule is the engine's own: trial k is proposed from the closed trials 0..p-1, where p is the smallest number with
fewer than `depth` trained trials in p..k-1; a repeated function is a duplicate and is not trained.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from automl.canonical import dumps, loads
from automl.contracts.history import Opened, Searcher
from automl.contracts.space import Genotype, SearchSpace
from automl.contracts.trial import Closed, Values, Verdict
from automl.seeding import child

Score: TypeAlias = Callable[[Genotype], Values]
Trial: TypeAlias = tuple[Opened, Closed]


def dry_study(
    searcher: Searcher[Any],
    *,
    space: SearchSpace,
    score: Score,
    trials: int,
    depth: int = 4,
    seed: int = 0,
    recorded: Sequence[Opened] = (),
) -> list[Trial]:
    """Runs a study and returns its trials.

    Args:
        searcher: proposes.
        space: takes fingerprints.
        score: one value per objective; a trial without any value counts as rejected.
        trials: how many to run.
        depth: trained trials that may be open.
        seed: root of every generator.
        recorded: the first trials of an earlier life; they are restored in place of asking.
    """
    state = searcher.init()
    done: list[Trial] = []
    told = 0
    for number in range(trials):
        while sum(opened.trained for opened, _ in done[told:]) >= depth:
            state = searcher.tell(state, *done[told])
            told += 1
        if number < len(recorded):
            opened = recorded[number]
            state = searcher.restore(state, opened)
        else:
            pending = tuple(trial.genotype for trial, _ in done[told:])
            genotype, memo = searcher.ask(state, pending, number, child(seed, "ask", number))
            opened = _opened(number, genotype, loads(dumps(memo)), done=done, fingerprint=space.fingerprint(genotype))
        done.append((opened, _closed(opened, done, score)))
    return done


def as_recorded(opened: Opened) -> Opened:
    """Returns the trial as it comes back from a disk: through canonical JSON, so keys are in another order."""
    return Opened(
        number=opened.number,
        genotype=loads(dumps(opened.genotype)),
        fingerprint=opened.fingerprint,
        memo=loads(dumps(opened.memo)),
        verdicts=opened.verdicts,
    )


def _opened(
    number: int, genotype: Genotype, memo: dict[str, Any], *, done: Sequence[Trial], fingerprint: str
) -> Opened:
    twin = next((trial.number for trial, _ in done if trial.fingerprint == fingerprint), None)
    reason = "" if twin is None else f"of {twin}"
    verdict = Verdict(filter="duplicates", keep=twin is None, reason=reason, duplicate_of=twin)
    return Opened(number=number, genotype=genotype, fingerprint=fingerprint, memo=memo, verdicts=(verdict,))


def _closed(opened: Opened, done: Sequence[Trial], score: Score) -> Closed:
    twin = opened.verdicts[0].duplicate_of
    if twin is not None:
        return Closed(number=opened.number, outcome="duplicate", reason=f"of {twin}", values=done[twin][1].values)
    values = score(opened.genotype)
    known = any(value is not None for value in values)
    return Closed(
        number=opened.number,
        outcome="completed" if known else "rejected",
        reason="" if known else "quality",
        values=values,
    )
