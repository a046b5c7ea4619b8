"""Monitor: the worst case near the weights must stay bounded.

Why: some layers learn in the first hundred steps and explode later. The test walks the weights uphill on the norm of
the gradient and rejects a candidate whose norm passes 1e8 within 100 steps; it is complementary to quality.
Source: Liu et al. 2020 (EvoNorm), section 3, "stability".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from automl.contracts.history import Opened, RungRecord
from automl.contracts.recipe import Leg
from automl.contracts.trial import Curve, Verdict
from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """Drops a leg whose gradient norm exceeds `max_gradient_norm` during the ascent.

    Attributes:
        step: the ascent starts from the weights after the rung that first reaches this step, >= 1.
        max_gradient_norm: the paper's 1e8.
    """

    name: ClassVar[str] = "stability"
    step: int = 100
    max_gradient_norm: float = 1e8

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InvalidSetting("stability.step", self.step, "an int >= 1")
        if not self.max_gradient_norm > 0:
            raise InvalidSetting("stability.max_gradient_norm", self.max_gradient_norm, "a number > 0, e.g. 1e8")

    def wants(self, leg: Leg, rung: tuple[int, int]) -> tuple[str, ...]:
        """Asks for the ascent at the end of the rung that reaches `step`."""
        return ("stability",) if rung[0] < self.step <= rung[1] else ()

    def judge(
        self, trial: Opened, rung: RungRecord, *, leg: Leg, curve: Curve, reference: Sequence[Curve]
    ) -> Verdict | None:
        """Returns a verdict at the rung that measured the ascent, else None."""
        assert rung.result is not None
        ascent = rung.result.measurements[0].get("stability")
        if not isinstance(ascent, Mapping):
            return None
        norm = ascent["gradient_norm"]
        keep = isinstance(norm, int | float) and norm <= self.max_gradient_norm
        reason = "" if keep else "the gradient norm explodes near the weights"
        return Verdict(
            filter=self.name, keep=keep, reason=reason, measured=dict(ascent), threshold=self.max_gradient_norm
        )
