"""Monitor: well before the quality check a candidate must have learnt anything at all.

Why: most random candidates that can be trained never leave chance, and each of them costs the whole way to the quality
check. What a constant answer reaches is known: chance accuracy, and a cross entropy of -ln(chance). The rule: one
measured point that is better than a constant answer, in accuracy or in loss, is enough, and a late blow-up is forgiven;
so a slow learner survives, and only what has shown nothing is dropped. Source: the early end of the rejection ladder of
Liu et al. 2020 (EvoNorm), section 3; step and thresholds are our own measurements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from automl.canonical import JSON
from automl.contracts.history import Opened, RungRecord
from automl.contracts.recipe import Leg
from automl.contracts.trial import Curve, Objective, Verdict
from automl.errors import InvalidSetting

LOSS = "loss"
"""Metric that holds the mean cross entropy of a classification task; without it the objective alone is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyLearning:
    """Drops a leg that was at chance at every point measured so far, at the first rung that ends at `step` or later.

    Measured on the digits with points at steps 25 and 50, on random norm-act graphs that pass the space's screens: of
    7,500 raw ones it drops 83 distinct functions, where 20 go on and fail the quality check (a stream that was not used
    to choose the thresholds). Of what is good at step 100, over three training seeds, 4 of 449 are lost, all one
    function that barely passes (0.23). Judged at step 30 it was 2 of 197 on one seed, at 20 and 10 it was 7 and 8,
    because slow learners still answer with one class there. Accuracy alone does not do: slow learners may be below 1.3
    times chance, with a loss 0.1 to 0.4 % below that of a constant answer.

    Attributes:
        objectives: of the task; the first that the leg is measured by and whose chance level is known is judged.
        step: where it judges, in training steps, >= 1; rule of thumb half of the way to the quality check.
        times_chance: a metric to maximise shows learning above this multiple of chance, >= 1; rule of thumb 1.3, which
            360 validation examples at chance 0.1 exceed once in thirty. One to minimise must fall below
            `loss_ratio` * chance.
        loss_ratio: the loss shows learning below this multiple of -ln(chance), > 0; rule of thumb 1, lower is stricter.
    """

    objectives: tuple[Objective, ...]
    name: ClassVar[str] = "early-learning"
    step: int = 50
    times_chance: float = 1.3
    loss_ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InvalidSetting("early-learning.step", self.step, "an int >= 1")
        if not self.times_chance >= 1:
            raise InvalidSetting("early-learning.times_chance", self.times_chance, "a number >= 1, e.g. 1.3")
        if not self.loss_ratio > 0:
            raise InvalidSetting("early-learning.loss_ratio", self.loss_ratio, "a number > 0, e.g. 1")

    def wants(self, leg: Leg, rung: tuple[int, int]) -> tuple[str, ...]:
        """Returns nothing: it reads the curve."""
        return ()

    def judge(
        self, trial: Opened, rung: RungRecord, *, leg: Leg, curve: Curve, reference: Sequence[Curve]
    ) -> Verdict | None:
        """Returns a verdict at the rung that reaches `step`, else None."""
        assert rung.result is not None
        points_before = len(curve.steps) - len(rung.result.curves[0].steps)
        if curve.steps[-1] < self.step or any(step >= self.step for step in curve.steps[:points_before]):
            return None
        for objective in self.objectives:
            if objective.chance is not None and objective.variant in (None, leg.variant):
                return self._compare(objective, objective.chance, curve)
        return None

    def _compare(self, objective: Objective, chance: float, curve: Curve) -> Verdict:
        """Compares the best values so far with those of a constant answer."""
        best: dict[str, JSON] = {}
        bars: dict[str, JSON] = {}
        learnt = False
        if objective.direction == "maximize":
            highest = max(_finite(curve, objective.metric), default=None)
            best[objective.metric], bars[objective.metric] = highest, chance * self.times_chance
            learnt = highest is not None and highest > chance * self.times_chance
        for metric, bar in self._falling(objective, chance, curve).items():
            lowest = min(_finite(curve, metric), default=None)
            best[metric], bars[metric] = lowest, bar
            learnt = learnt or (lowest is not None and lowest < bar)
        reason = "" if learnt else f"nothing learnt in {curve.steps[-1]} steps"
        return Verdict(filter=self.name, keep=learnt, reason=reason, measured=best, threshold=bars)

    def _falling(self, objective: Objective, chance: float, curve: Curve) -> dict[str, float]:
        """Returns the metrics that must fall, and below what."""
        if objective.direction == "minimize":
            return {objective.metric: chance * self.loss_ratio}
        if LOSS in curve.metrics and 0 < chance < 1:
            return {LOSS: -math.log(chance) * self.loss_ratio}
        return {}


def _finite(curve: Curve, metric: str) -> list[float]:
    return [value for value in curve.metrics.get(metric, ()) if value is not None]
