"""Monitors that stop a differentiable search before its cell collapses.

Why: searched for too long, DARTS ends in cells of skip connections that do worse than those of earlier epochs. Sources:
Liang et al. 2019 (DARTS+, arXiv 1909.06035), criterion 1, as recalled; Zela et al. 2020 (R-DARTS, ICLR), section 4.3,
"early stopping". The rule: a guard reads what was recorded, nothing else; what was derived before the stop stays with
the trial, and the verdict says at which step the cell stands that should be taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from automl.contracts import DERIVED, Curve, Leg, Monitor, Opened, RungRecord, Verdict
from automl.errors import InvalidSetting
from search_spaces.darts.hessian import EIGENVALUE
from search_spaces.darts.search_readings import SKIPS


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipCollapse:
    """Stops at the first derived normal cell with too many skip connections.

    Attributes:
        limit: so many are too many, >= 1; DARTS+ 2.
        earliest: share of the run before which nothing is judged, in [0, 1]: the first cells are noise, and one in
            three random cells has two skip connections. Rule of thumb 0.2, ten of fifty epochs.
    """

    name: ClassVar[str] = "skip-collapse"
    limit: int = 2
    earliest: float = 0.2

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InvalidSetting("skip-collapse.limit", self.limit, "an int >= 1")
        _require_share("skip-collapse.earliest", self.earliest)

    def wants(self, leg: Leg, rung: tuple[int, int]) -> tuple[str, ...]:
        """Returns nothing: derived cells are handed out unasked."""
        return ()

    def judge(
        self, trial: Opened, rung: RungRecord, *, leg: Leg, curve: Curve, reference: Sequence[Curve]
    ) -> Verdict | None:
        """Returns a verdict where a cell that may be judged was derived, else None.

        "stands_at_step" of a stop is the derivation before, None where that was in an earlier rung.
        """
        assert rung.result is not None
        found = rung.result.measurements[0].get(DERIVED)
        entries = [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []
        latest: Verdict | None = None
        for before, entry in zip([None, *entries], entries, strict=False):
            skips, step, share = entry.get(SKIPS), entry.get("step"), entry.get("share")
            if not isinstance(skips, int | float) or not isinstance(share, int | float) or share < self.earliest:
                continue
            keep = skips < self.limit
            stands = before["step"] if before is not None else None
            measured = {SKIPS: skips, "step": step} | ({} if keep else {"stands_at_step": stands})
            reason = "" if keep else f"the normal cell has {skips:g} skip connections at step {step}"
            latest = Verdict(filter=self.name, keep=keep, reason=reason, measured=measured, threshold=self.limit)
            if not keep:
                break
        return latest


@dataclass(frozen=True, slots=True, kw_only=True)
class HessianCollapse:
    """Stops when the dominant eigenvalue of the architecture's Hessian has grown too fast.

    The mean of the last `window` evaluations is compared with that of `back` evaluations ago.

    Attributes:
        window: evaluations in a mean, >= 1; R-DARTS 5.
        back: evaluations between the two means, >= 1; R-DARTS 4.
        factor: accepted ratio, > 0; R-DARTS 1.3.
        earliest: evaluations before the first that is judged, >= back; R-DARTS 10 epochs.
    """

    name: ClassVar[str] = "hessian-collapse"
    window: int = 5
    back: int = 4
    factor: float = 1.3
    earliest: int = 10

    def __post_init__(self) -> None:
        for setting, least in (("window", 1), ("back", 1), ("earliest", self.back)):
            if getattr(self, setting) < least:
                raise InvalidSetting(f"hessian-collapse.{setting}", getattr(self, setting), f"an int >= {least}")
        if not self.factor > 0:
            raise InvalidSetting("hessian-collapse.factor", self.factor, "a number > 0, e.g. 1.3")

    def wants(self, leg: Leg, rung: tuple[int, int]) -> tuple[str, ...]:
        """Returns nothing: the eigenvalue is a reading of the trainer."""
        return ()

    def judge(
        self, trial: Opened, rung: RungRecord, *, leg: Leg, curve: Curve, reference: Sequence[Curve]
    ) -> Verdict | None:
        """Returns a verdict where the rung holds an evaluation that may be judged, else None.

        "stands_at_step" of a stop is the evaluation with which the last one was compared.
        """
        assert rung.result is not None
        values = curve.metrics.get(EIGENVALUE, ())
        first = max(self.earliest, len(values) - len(rung.result.curves[0].steps))
        latest: Verdict | None = None
        for place in range(first, len(values)):
            now, then = self._mean(values, place), self._mean(values, place - self.back)
            if now is None or then is None or not then > 0:
                continue
            keep = now / then <= self.factor
            measured = {"ratio": now / then, "step": curve.steps[place]}
            measured |= {} if keep else {"stands_at_step": curve.steps[place - self.back]}
            reason = "" if keep else f"the eigenvalue has grown {now / then:.2f} times within {self.back} evaluations"
            latest = Verdict(filter=self.name, keep=keep, reason=reason, measured=measured, threshold=self.factor)
            if not keep:
                break
        return latest

    def _mean(self, values: Sequence[float | None], place: int) -> float | None:
        """Returns the mean of the known values of the window that ends at `place`."""
        known = [value for value in values[max(0, place - self.window + 1) : place + 1] if value is not None]
        return sum(known) / len(known) if known else None


def guards_of(name: str, *, skips_allowed: int) -> tuple[Monitor, ...]:
    """Returns the monitors behind a setting: "none", "dartsplus", "skips" or "eigenvalue".

    Args:
        name: of the guard.
        skips_allowed: of "skips", >= 0.
    """
    match name:
        case "none":
            return ()
        case "dartsplus":
            return (SkipCollapse(limit=2),)
        case "skips":
            return (SkipCollapse(limit=skips_allowed + 1),)
        case "eigenvalue":
            return (HessianCollapse(),)
    raise InvalidSetting("guard", name, "none, dartsplus, skips or eigenvalue")


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidSetting(name, value, "a number in [0, 1]")
