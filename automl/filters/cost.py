"""Screen: parameters and FLOPs against the baseline.

Why: a part that wins by making the model bigger is no better part. The rule: only counts are judged; milliseconds are
recorded beside them, because nothing that judges may read a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from automl.canonical import JSON
from automl.contracts.space import Genotype
from automl.contracts.trial import StudyView, Verdict
from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Rejects what costs more than the baseline allows, on any architecture.

    Attributes:
        max_parameters_ratio: largest accepted ratio of trainable parameters to the baseline's, > 0.
        max_flops_ratio: the same for floating-point operations per example, > 0.
    """

    name: ClassVar[str] = "cost"
    probes: ClassVar[tuple[str, ...]] = ("flops", "parameters")
    max_parameters_ratio: float = 1.5
    max_flops_ratio: float = 2.0

    def __post_init__(self) -> None:
        for setting in ("max_parameters_ratio", "max_flops_ratio"):
            if not getattr(self, setting) > 0:
                raise InvalidSetting(f"cost.{setting}", getattr(self, setting), "a number > 0, e.g. 1.5")

    def judge(
        self, genotype: Genotype, fingerprint: str, measurements: Mapping[str, Mapping[str, JSON]], study: StudyView
    ) -> Verdict:
        """Returns the verdict with the largest ratios over the architectures."""
        limits = {"parameters": self.max_parameters_ratio, "flops": self.max_flops_ratio}
        ratios = {name: _largest_ratio(name, measurements, study.baseline) for name in limits}
        broken = next((name for name in limits if ratios[name] > limits[name]), None)
        reason = f"{broken} are {ratios[broken]:.2f} times the baseline's" if broken else ""
        rounded: JSON = {name: round(ratio, 4) for name, ratio in ratios.items()}
        return Verdict(filter=self.name, keep=broken is None, reason=reason, measured=rounded, threshold=limits)


def _largest_ratio(
    name: str, measurements: Mapping[str, Mapping[str, JSON]], baseline: Mapping[str, Mapping[str, JSON]]
) -> float:
    ratios = [
        _count(measured[name]) / max(1.0, _count(baseline[variant][name])) for variant, measured in measurements.items()
    ]
    return max(ratios, default=0.0)


def _count(value: JSON) -> float:
    assert isinstance(value, int | float), "the runner measures counts as numbers"
    return float(value)
