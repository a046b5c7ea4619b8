"""Screen: a candidate whose zero-cost score is low is not trained, as long as the score is known to tell.

Why: a proxy costs milliseconds and is often no better than counting parameters (White et al. 2022, "A Deeper Look at
Zero-Cost Proxies for Lightweight NAS"); trusted blindly it throws away what it does not understand. The rule: it may
reject only while the bootstrap interval of its rank correlation with the trained objectives, over the completed trials
that the candidate was proposed from, lies above zero; else it stands aside and says so in its verdict. A correlation
that is reliably negative switches it off too: a proxy that ranks against its own claim is not understood, and following
either sign would double the chance to follow noise. It is off unless asked for (`filter.zero-cost.enabled=true`).

The interval is looked at anew for every trial: of 300 simulated studies with a worthless proxy, one in ten trusted it
at some point between trials 16 and 64, and 1.6 % of all looks did. What it cannot know is a rejected trial's value: the
correlation is that of the survivors, whose scores are closer together, which makes it smaller and the screen more
careful; `--audit` trains a share of the rejected and reports how many were wrongly so. Failed trials have no value and
do not count. Its keep share is one of all candidates that it has seen, its own rejections included, so that the bar
does not climb with every rejection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from automl.canonical import JSON
from automl.contracts.space import Genotype
from automl.contracts.trial import Finished, Objective, StudyView, Verdict
from automl.errors import InvalidSetting, UnknownName
from automl.numerics.proxy_worth import PROXIES, ProxyName, ProxyWorth, proxy_worth, score_row, share_below
from automl.seeding import child


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroCost:
    """Rejects a candidate whose score is below the (1 - keep) quantile of the scores seen so far.

    Attributes:
        objectives: of the task; the proxy is compared with the mean of their ranks.
        proxy: what is judged: synflow, grad_norm, snip, grasp, jacob_cov, naswot, parameters or flops.
        beside: further proxies to measure, between commas; `status` compares them, none of them is judged.
        keep: share of the candidates that go on to training, in (0, 1); rule of thumb 0.5 or more.
        learn: completed trials with a score before it may reject, >= 4; rule of thumb 16.
        confidence: of the interval of the rank correlation, in (0, 1).
    """

    objectives: tuple[Objective, ...]
    name: ClassVar[str] = "zero-cost"
    proxy: ProxyName = "synflow"
    beside: Sequence[ProxyName] = ()
    keep: float = 0.5
    learn: int = 16
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for proxy in (self.proxy, *self.beside):
            if proxy not in PROXIES:
                raise UnknownName("proxy", proxy, PROXIES)
        for setting in ("keep", "confidence"):
            if not 0 < getattr(self, setting) < 1:
                raise InvalidSetting(f"zero-cost.{setting}", getattr(self, setting), "a number in (0, 1)")
        if self.learn < 4:
            raise InvalidSetting("zero-cost.learn", self.learn, "an int >= 4; rule of thumb 16")

    @property
    def probes(self) -> tuple[str, ...]:
        """The scores to measure."""
        return tuple(dict.fromkeys((self.proxy, *self.beside)))

    def judge(
        self, genotype: Genotype, fingerprint: str, measurements: Mapping[str, Mapping[str, JSON]], study: StudyView
    ) -> Verdict:
        """Returns the verdict; where it stands aside, `reason` says why."""
        mine = score_row(self.proxy, measurements)
        scored = [trial for trial in study.finished if trial.trained or trial.reason == self.name]
        below = share_below(mine, [score_row(self.proxy, trial.measurements) for trial in scored])
        worth = self._worth([trial for trial in scored if trial.outcome == "completed"])
        aside = self._aside(worth, below)
        keep = bool(aside) or below is None or below >= 1 - self.keep
        reason = aside if keep else f"its {self.proxy} is above that of {below:.0%} of the candidates only"
        measured: JSON = {
            "score": dict(zip(measurements, mine, strict=True)),
            "share_below": below,
            "correlation": worth.correlation,
            "interval": [worth.low, worth.high],
            "trials": worth.trials,
        }
        return Verdict(filter=self.name, keep=keep, reason=reason, measured=measured, threshold=1 - self.keep)

    def _worth(self, completed: Sequence[Finished]) -> ProxyWorth:
        return proxy_worth(
            [score_row(self.proxy, trial.measurements) for trial in completed],
            [trial.values for trial in completed],
            directions=[objective.direction for objective in self.objectives],
            rng=child(0, self.name),
            level=self.confidence,
        )

    def _aside(self, worth: ProxyWorth, below: float | None) -> str:
        """Returns why it does not judge, "" where it does."""
        if worth.trials < self.learn:
            return f"learning: {worth.trials} of {self.learn} completed trials"
        if worth.correlation is None or worth.low is None or worth.high is None:
            return f"switched off: {self.proxy} or the objective is the same for all trials"
        if not worth.reliable:
            finding = "is below zero" if worth.high < 0 else "includes zero"
            interval = f"{worth.low:+.2f} to {worth.high:+.2f}"
            return f"switched off: rank correlation {worth.correlation:+.2f} ({interval}) {finding}"
        return f"{self.proxy} is undefined" if below is None else ""
