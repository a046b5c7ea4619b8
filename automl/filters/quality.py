"""Monitor: after a short training a candidate must have learnt something.

Why: EvoNorm trains each layer for 100 steps and discards it below twice chance accuracy, on any of its architectures;
that alone made the search up to a hundred times cheaper. Source: Liu et al. 2020, section 3 ("rejection protocols").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from automl.contracts.history import Opened, RungRecord
from automl.contracts.recipe import Leg
from automl.contracts.trial import Curve, Objective, Verdict
from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Drops a leg below `times_chance` times chance at the first measured point from `step` on.

    Attributes:
        objectives: of the task; one whose chance level is unknown is not judged.
        step: where it judges, in training steps, >= 1; the paper's 100.
        times_chance: for a metric to maximise, the accepted multiple of chance, > 0; the paper's 2.
        loss_ratio: a metric to minimise must have fallen below this share of chance, > 0. At 0.9, a plain SGD with a
            tenth of its best learning rate just fails on text (0.92), and a tuned one passes easily (0.86).
    """

    objectives: tuple[Objective, ...]
    name: ClassVar[str] = "quality"
    step: int = 100
    times_chance: float = 2.0
    loss_ratio: float = 0.9

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InvalidSetting("quality.step", self.step, "an int >= 1")
        if not self.times_chance > 0:
            raise InvalidSetting("quality.times_chance", self.times_chance, "a number > 0, e.g. 2")
        if not self.loss_ratio > 0:
            raise InvalidSetting("quality.loss_ratio", self.loss_ratio, "a number > 0, e.g. 0.9")

    def wants(self, leg: Leg, rung: tuple[int, int]) -> tuple[str, ...]:
        """Returns nothing: it reads the curve."""
        return ()

    def judge(
        self, trial: Opened, rung: RungRecord, *, leg: Leg, curve: Curve, reference: Sequence[Curve]
    ) -> Verdict | None:
        """Returns a verdict at the rung that reaches `step`, else None."""
        assert rung.result is not None
        earlier = curve.steps[: -len(rung.result.curves[0].steps)]
        if curve.steps[-1] < self.step or (earlier and earlier[-1] >= self.step):
            return None
        for objective in self.objectives:
            if objective.chance is not None and objective.variant in (None, leg.variant):
                return self._compare(objective, curve.last(objective.metric))
        return None

    def _compare(self, objective: Objective, measured: float | None) -> Verdict:
        assert objective.chance is not None
        if objective.direction == "maximize":
            threshold = objective.chance * self.times_chance
            keep = measured is not None and measured >= threshold
            wanted = f"{self.times_chance:g} times chance"
        else:
            threshold = objective.chance * self.loss_ratio
            keep = measured is not None and measured <= threshold
            wanted = f"{self.loss_ratio:g} of what a constant answer has"
        reason = "" if keep else f"{objective.metric} is no better than {wanted}"
        return Verdict(filter=self.name, keep=keep, reason=reason, measured=measured, threshold=threshold)

