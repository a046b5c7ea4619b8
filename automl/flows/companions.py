"""Who runs beside the finalists of a second look: random candidates of the same space, and named human designs.

Why: published searches often end near what a random candidate of their space reaches with the same recipe, so a winner
over the baseline says little about the search itself. The rule: companions are drawn from the study's seed before
anything of them is trained, they have the recipe, the seeds and the budget of the finalists, and nobody is ever chosen
from them; so their test numbers may be read, once, and no companion that fails is replaced. Leaving failed ones out
makes the random candidates look better, never the finalists. Source: Yang, Esperança and Carlucci, "NAS evaluation is
frustratingly hard", ICLR 2020; Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search",
UAI 2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from automl.canonical import JSON
from automl.contracts.recipe import Split
from automl.contracts.space import Genotype
from automl.contracts.trial import Values
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.flows.plan import Plan
from automl.flows.retraining import Lost, Retrained
from automl.numerics.intervals import crossed_interval, difference_interval, rate_interval
from automl.numerics.ranking import utilities
from automl.seeding import child

ENOUGH = 8
"""Random candidates below which the report warns: of 7, even a finalist that beats all may be worse than 4 in 10."""

DRAWS = 200
"""Draws for one random companion; a space that gives nothing new in so many is about exhausted."""

@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """One genotype that is trained beside the finalists.

    Attributes:
        kind: "random" or "design".
        name: `random 3` of random ones, else as in the space's zoo.
        genotype: what is trained.
        fingerprint: of the genotype.
    """

    kind: Literal["random", "design"]
    name: str
    genotype: Genotype
    fingerprint: str

    @property
    def key(self) -> str:
        """Its name as an entrant of `retrain`."""
        return f"{self.kind}:{self.name}"


def companions_of(
    plan: Plan, finalists: Mapping[int, Genotype], *, random: int, designs: Sequence[str]
) -> tuple[Companion, ...]:
    """Returns the designs by name, then random candidates: other functions than the finalists and than each other.

    Candidate i comes from a generator of its own, so asking for more keeps those there were. A small space may have
    fewer than were asked for.

    Args:
        plan: of the study.
        finalists: trial number -> genotype.
        random: how many, >= 2, or 0 = none; rule of thumb 8 or more.
        designs: names of the space's zoo.

    Raises:
        InvalidSetting: `random` out of range.
        UnknownName: no such design.
        UsageError: the space holds no other function than the finalists.
    """
    if type(random) is not int or random < 0 or random == 1:
        allowed = f"an int >= 2, better {ENOUGH} or more, or 0 for none; one candidate says nothing about the space"
        raise InvalidSetting("random", random, allowed)
    zoo, space = plan.space.zoo(), plan.space
    named = []
    for name in dict.fromkeys(designs):
        if name not in zoo:
            raise UnknownName(f"design of {space.name}", name, zoo)
        fingerprint = space.fingerprint(zoo[name])
        named.append(Companion(kind="design", name=name, genotype=zoo[name], fingerprint=fingerprint))
    seen = {space.fingerprint(genotype) for genotype in finalists.values()}
    drawn = []
    for index in range(random):
        found = _new(plan, seen, child(plan.seed, "rerank", "random", index))
        if found is not None:
            seen.add(found[1])
            drawn.append(Companion(kind="random", name=f"random {index}", genotype=found[0], fingerprint=found[1]))
    if random and not drawn:
        reason = f"{DRAWS} random draws of {space.name} gave nothing but the finalists"
        raise UsageError(f"random={random}: {reason}, so there is nobody to compare them with. Leave it out.")
    return (*named, *drawn)


def _new(plan: Plan, seen: set[str], rng: np.random.Generator) -> tuple[Genotype, str] | None:
    """Returns a random genotype whose fingerprint is not among `seen`, with it; None where there is hardly any."""
    for _ in range(DRAWS):
        genotype = plan.space.sample(rng).genotype
        fingerprint = plan.space.fingerprint(genotype)
        if fingerprint not in seen:
            return genotype, fingerprint
    return None


def companions_report(
    plan: Plan,
    reached: Sequence[tuple[Companion, Retrained | Lost]],
    *,
    finalists: Mapping[int, Retrained],
    chosen: int | None,
) -> dict[str, JSON]:
    """Compares the finalists with their companions: all of them on the gate split, the chosen one on test.

    Against the random candidates the difference is to their mean, and its interval tells of the space and of the
    seeds at once (`crossed_interval`); against a design it is paired by seed. The share of random candidates that are
    beaten compares means over the seeds; its interval (Clopper-Pearson) tells of the choice of candidates alone.

    Args:
        plan: with the task that was trained on.
        reached: who was trained beside them, and what came of it.
        finalists: trial number -> what it reached; those that failed are not in it.
        chosen: the finalist that the gate split has chosen; None where there is none.

    Returns:
        {"random": [row], "designs": [row], "failed": [{"name", "reason", "description"}], "finalists":
        [{"trial", comparison}], "chosen" ({"trial", comparison} or None), "text"}. A row has "name", "genotype",
        "description", "fingerprint", "gate_values" and "test_values"; a comparison "random" (objective -> "mean",
        "low", "high"; positive = the finalist is better), "beaten" (objective -> "beaten", "of", "share", "low",
        "high") and "designs" (name -> as "random"); "random" and "beaten" are None below two random candidates.
    """
    alive = [(one, got) for one, got in reached if isinstance(got, Retrained)]
    lost = [(one, got) for one, got in reached if isinstance(got, Lost)]
    on_gate = [
        {"trial": number, **_comparison(plan, "gate", number, mine, alive)} for number, mine in finalists.items()
    ]
    on_test = (
        {"trial": chosen, **_comparison(plan, "test", chosen, finalists[chosen], alive)} if chosen is not None else None
    )
    report: dict[str, Any] = {
        "random": [_row(plan, one, got) for one, got in alive if one.kind == "random"],
        "designs": [_row(plan, one, got) for one, got in alive if one.kind == "design"],
        "failed": [
            {"name": one.name, "reason": got.reason, "description": plan.describe(one.genotype)} for one, got in lost
        ],
        "finalists": on_gate,
        "chosen": on_test,
    }
    return {**report, "text": _text(report, drawn=any(one.kind == "random" for one, _ in reached))}


def _row(plan: Plan, companion: Companion, got: Retrained) -> dict[str, JSON]:
    return {
        "name": companion.name,
        "genotype": dict(companion.genotype),
        "description": plan.describe(companion.genotype),
        "fingerprint": companion.fingerprint,
        "gate_values": [list(values) for values in got.gate],
        "test_values": [list(values) for values in got.test],
    }


def _comparison(
    plan: Plan, split: Split, number: int, mine: Retrained, alive: Sequence[tuple[Companion, Retrained]]
) -> dict[str, Any]:
    """Returns "random", "beaten" and "designs" of one finalist on one split."""
    scores = _scores(plan, _of(mine, split))
    at_random = [scores - _scores(plan, _of(got, split)) for one, got in alive if one.kind == "random"]
    found: dict[str, Any] = {"random": None, "beaten": None, "designs": {}}
    goals = [objective.name for objective in plan.task.objectives]
    if len(at_random) > 1:
        over = np.stack(at_random)  # [companions, seeds, objectives]
        rngs = [child(plan.seed, "rerank", "companions", split, number, index) for index in range(len(goals))]
        found["random"] = {
            name: _crossed(over[:, :, index], rng)
            for index, (name, rng) in enumerate(zip(goals, rngs, strict=True))
        }
        found["beaten"] = {name: _beaten(over[:, :, index]) for index, name in enumerate(goals)}
    for one, got in alive:
        if one.kind == "design":
            over = scores - _scores(plan, _of(got, split))
            rng = child(plan.seed, "rerank", "designs", split, number, one.name)
            found["designs"][one.name] = {name: _paired(over[:, index], rng) for index, name in enumerate(goals)}
    return found


def _of(one: Retrained, split: Split) -> tuple[Values, ...]:
    return one.gate if split == "gate" else one.test


def _scores(plan: Plan, values: tuple[Values, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Returns [seeds, objectives], higher is better."""
    return utilities(values, [objective.direction for objective in plan.task.objectives])


def _crossed(over: Any, rng: np.random.Generator) -> dict[str, float]:
    low, high = crossed_interval(over, rng=rng)
    return {"mean": float(over.mean()), "low": low, "high": high}


def _paired(over: Any, rng: np.random.Generator) -> dict[str, float]:
    low, high = difference_interval(over.tolist(), rng=rng)
    return {"mean": float(over.mean()), "low": low, "high": high}


def _beaten(over: Any) -> dict[str, float]:
    """Returns how many companions lie below the finalist in the mean over the seeds; [companions, seeds]."""
    count, of = int((over.mean(axis=1) > 0).sum()), len(over)
    low, high = rate_interval(count, of)
    return {"beaten": count, "of": of, "share": count / of, "low": low, "high": high}


def _text(report: Mapping[str, Any], *, drawn: bool) -> str:
    lines = []
    one, alive = report["chosen"], len(report["random"])
    if drawn:
        lines.append(_random_line(one, alive=alive))
    designs = {} if one is None else one["designs"]
    lines += [
        f"Trial {one['trial']} against the design {name}: test {_amounts(differences)}, paired by seed."
        for name, differences in designs.items()
    ]
    if report["failed"]:
        names = ", ".join(f"{lost['name']} ({lost['reason']})" for lost in report["failed"])
        lines.append(f"{len(report['failed'])} could not be trained and are left out: {names}.")
    if drawn and alive < ENOUGH:
        lines.append(f"Fewer than {ENOUGH} random candidates say little.")
    return "\n".join(lines)


def _random_line(one: Mapping[str, Any] | None, *, alive: int) -> str:
    if one is None:
        return f"{alive} random candidates were trained, but no finalist to compare with."
    if one["random"] is None:
        return f"Trial {one['trial']} cannot be compared with random candidates: {alive} could be trained."
    rates = ", ".join(
        f"{rate['beaten']} of them in {name} ({rate['low']:.0%} to {rate['high']:.0%} of the space)"
        for name, rate in one["beaten"].items()
    )
    return (
        f"Trial {one['trial']} against the mean of {alive} random candidates of the same space, trained alike: "
        f"test {_amounts(one['random'])}, over candidates and seeds; it beats {rates}."
    )


def _amounts(differences: Mapping[str, Mapping[str, float]]) -> str:
    return ", ".join(
        f"{name} {d['mean']:+.4f} (95 % interval {d['low']:+.4f} to {d['high']:+.4f})"
        for name, d in differences.items()
    )
