"""Backward elimination: takes from a genotype, part by part, what it does not need.

Why: evolution leaves parts behind that do nothing measurable, and a shorter candidate is understood, trusted and run
more easily. The rule: a part goes only if its loss cannot be told from noise, against the last step and against the
start, and is small even so; at the end the whole way is trained again with seeds that have chosen nothing, and only
what holds there is kept. The test split is never read.

Sources: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, section 2.3 (simplification); backward
elimination: Guyon and Elisseeff, JMLR 3, 2003, section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from automl.canonical import JSON
from automl.contracts.rung import Executor
from automl.contracts.space import Genotype
from automl.contracts.trial import Values
from automl.errors import InvalidSetting, UsageError
from automl.flows.ancestry import changed_lines
from automl.flows.paired_training import Difference, Trained, difference_text, paired_differences, train_paired
from automl.flows.plan import Plan
from automl.numerics.ranking import utilities
from automl.seeding import child

TOLERANCE = 0.5
"""Largest mean loss, in standard deviations of the start between seeds. The interval of few seeds is wide enough to
hide one sd; without this bound a way of twenty steps could lose what the search has gained."""

UNTRAINED = "it could not be trained"

CHOOSING, CONFIRMING = "simplify", "simplify-confirm"
"""Purposes of the seeds, see `train_paired`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """One reduction, trained: what it changes, how it compares, and why it may not be taken ("" = it may)."""

    genotype: Genotype
    changes: tuple[str, ...]
    parts: int
    refused: str
    from_start: Mapping[str, Difference] = field(default_factory=dict)
    from_last: Mapping[str, Difference] = field(default_factory=dict)
    gain: float = 0.0


def simplify(
    plan: Plan, genotype: Genotype, *, seeds: int, steps: int | None, rounds: int, executor: Executor
) -> dict[str, JSON]:
    """Removes one part after the other for as long as nothing measurable is lost.

    In every round the genotype and all its reductions are trained with the same seeds. A reduction may be taken if, in
    every objective, the upper end of the 95 % interval of its paired difference is not below 0 and the mean loss is at
    most `TOLERANCE` standard deviations of the start between seeds; both against the last step and, so that small
    losses cannot add up, against the start. The best of them is taken, of equals the shortest. Then every step is
    trained with other seeds, and the last one for which the same holds against the start is the end.

    Args:
        plan: of the study, or with another task.
        genotype: the start.
        seeds: fresh seeds, >= 2; rule of thumb 5.
        steps: training steps; None = the task's own.
        rounds: most parts to remove, >= 1.
        executor: runs the jobs.

    Returns:
        {"task", "seeds", "start", "end" (genotypes), "description", "parts": [before, after], "rounds": [{"tried":
        [{"changes", "kept", "reason", "from_start", "from_last"}], "taken"}], "confirmation": [{"step", "holds",
        "reason", "from_start"}], "trainings", "text"}; `from_...` are objective -> {"mean", "low", "high"}, positive =
        better; "taken" is the index of the reduction that was taken or None.

    Raises:
        UsageError: the start itself could not be trained.
    """
    if rounds < 1:
        raise InvalidSetting("rounds", rounds, "an int >= 1")
    bench = _Bench(plan=plan, seeds=seeds, steps=steps, executor=executor)
    chain: list[Genotype] = [genotype]
    told: list[dict[str, JSON]] = []
    while len(told) < rounds and (reductions := plan.space.reductions(chain[-1])):
        tried = _round(bench, chain, reductions)
        allowed = [place for place, one in enumerate(tried) if not one.refused]
        taken = min(allowed, key=lambda place: (-tried[place].gain, tried[place].parts, place), default=None)
        told.append({"tried": [_told(one, kept=place == taken) for place, one in enumerate(tried)], "taken": taken})
        if taken is None:
            break
        chain.append(tried[taken].genotype)
    confirmation = _confirm(bench, chain)
    end = next((one["step"] for one in reversed(confirmation) if one["holds"]), 0)
    before, after = (len(plan.space.listing(one)) for one in (genotype, chain[end]))
    return {
        "task": plan.task.name,
        "seeds": seeds,
        "start": dict(genotype),
        "end": dict(chain[end]),
        "description": plan.describe(chain[end]),
        "parts": [before, after],
        "rounds": list(told),
        "confirmation": list(confirmation),
        "trainings": bench.trainings,
        "text": _text(told, confirmation, end=end, parts=(before, after), seeds=seeds),
    }


@dataclass(slots=True, kw_only=True)
class _Bench:
    """Where genotypes are trained; the same function is trained once for one purpose.

    Attributes:
        plan: see `simplify`.
        seeds: see `simplify`.
        steps: see `simplify`.
        executor: see `simplify`.
        known: (purpose, fingerprint) -> what it reached.
        trainings: how many runs were made.
    """

    plan: Plan
    seeds: int
    steps: int | None
    executor: Executor
    known: dict[tuple[str, str], Trained] = field(default_factory=dict)
    trainings: int = 0

    def train(self, genotypes: Sequence[Genotype], *, purpose: str) -> list[Trained]:
        """Returns what each reached, in order."""
        keys = [(purpose, self.plan.space.fingerprint(genotype)) for genotype in genotypes]
        new = {key: one for key, one in zip(keys, genotypes, strict=True) if key not in self.known}
        if new:
            reached = train_paired(
                self.plan,
                list(new.values()),
                purpose=purpose,
                seeds=self.seeds,
                steps=self.steps,
                executor=self.executor,
            )
            self.known.update(zip(new, reached, strict=True))
            self.trainings += len(new) * self.seeds * len(self.plan.task.legs("rerank"))
        return [self.known[key] for key in keys]

    def compare(self, mine: Sequence[Values], theirs: Sequence[Values], *path: JSON) -> dict[str, Difference]:
        """Returns the paired differences; `path` names the comparison's own random stream."""
        rng = child(self.plan.seed, CHOOSING, *path)
        return paired_differences(mine, theirs, objectives=self.plan.task.objectives, rng=rng)

    def loss(self, differences: Mapping[str, Difference], start: Sequence[Values]) -> str:
        """Returns the loss that forbids a reduction, in words; "" where there is none."""
        spreads = _utilities(self.plan, start).std(axis=0, ddof=1)
        for (name, one), spread in zip(differences.items(), spreads, strict=True):
            if one["high"] < 0:
                return f"{name} is worse beyond noise"
            if one["mean"] < -TOLERANCE * spread:
                return f"{name} loses more than {TOLERANCE:g} of the standard deviation between seeds"
        return ""


def _round(bench: _Bench, chain: Sequence[Genotype], reductions: Sequence[Genotype]) -> list[_Tried]:
    """Trains the reductions of the last genotype of the chain, each function once, and compares them."""
    space = bench.plan.space
    different: dict[str, Genotype] = {}
    for reduction in reductions:
        different.setdefault(space.fingerprint(reduction), reduction)
    start, last, *reached = bench.train([chain[0], chain[-1], *different.values()], purpose=CHOOSING)
    if start is None or last is None:
        reason = "It could not be trained again with fresh seeds, so there is nothing to compare with."
        raise UsageError(f"{reason} Name another trial.")
    before = space.listing(chain[-1])
    tried = []
    for (fingerprint, genotype), values in zip(different.items(), reached, strict=True):
        after = space.listing(genotype)
        one = _Tried(genotype=genotype, changes=changed_lines(before, after), parts=len(after), refused=UNTRAINED)
        tried.append(one if values is None else _compared(bench, one, values, (start, last), fingerprint))
    return tried


def _compared(
    bench: _Bench, one: _Tried, values: Sequence[Values], rivals: tuple[Sequence[Values], ...], fingerprint: str
) -> _Tried:
    """Returns a reduction with its differences from the start and from the last step."""
    start, last = rivals
    from_start = bench.compare(values, start, fingerprint, "start")
    from_last = bench.compare(values, last, fingerprint, "last")
    refused = bench.loss(from_start, start) or bench.loss(from_last, start)
    gain = _gain(bench.plan, values, last)
    return replace(one, refused=refused, from_start=from_start, from_last=from_last, gain=gain)


def _confirm(bench: _Bench, chain: Sequence[Genotype]) -> list[dict[str, Any]]:
    """Trains the whole way with seeds that have chosen nothing; returns one row per step from the first removal on."""
    if len(chain) == 1:
        return []
    start, *reached = bench.train(chain, purpose=CONFIRMING)
    rows: list[dict[str, Any]] = []
    for step, values in enumerate(reached, start=1):
        if start is None or values is None:
            row: dict[str, Any] = {"reason": UNTRAINED, "from_start": {}}
        else:
            differences = bench.compare(values, start, "confirm", step)
            row = {"reason": bench.loss(differences, start), "from_start": differences}
        rows.append({"step": step, "holds": not row["reason"], **row})
    return rows


def _text(
    told: Sequence[Mapping[str, Any]],
    confirmation: Sequence[Mapping[str, Any]],
    *,
    end: int,
    parts: tuple[int, int],
    seeds: int,
) -> str:
    if not told:
        return "The space knows no part of it that could be left out."
    if not confirmation:
        return f"All {parts[0]} parts stay: none can be left out without a loss."
    taken_back = len(confirmation) - end
    if end == 0:
        return f"All {parts[0]} parts stay: what could be left out on some seeds was a loss on others."
    found = difference_text(confirmation[end - 1]["from_start"])
    back = f" Steps taken back, as they did not hold there: {taken_back}." if taken_back else ""
    return f"{parts[0]} parts became {parts[1]}. Against the start, over {seeds} other seeds: {found}.{back}"


def _told(one: _Tried, *, kept: bool) -> dict[str, JSON]:
    return {
        "changes": list(one.changes),
        "kept": kept,
        "reason": one.refused or ("" if kept else "another one is better"),
        "from_start": dict(one.from_start),
        "from_last": dict(one.from_last),
    }


def _gain(plan: Plan, mine: Sequence[Values], theirs: Sequence[Values]) -> float:
    """Returns the mean over the objectives of the mean difference, each as a share of what it is compared with."""
    own, other = _utilities(plan, mine), _utilities(plan, theirs)
    scale = np.maximum(np.abs(other).mean(axis=0), 1e-12)
    return float(((own - other).mean(axis=0) / scale).mean())


def _utilities(plan: Plan, values: Sequence[Values]) -> Any:
    return utilities(values, [objective.direction for objective in plan.task.objectives])
