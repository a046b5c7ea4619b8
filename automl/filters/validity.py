"""Screen: a freshly built model must be able to learn at all.

Why: most random designs are not finite, ignore their input, or cut the gradient. The rule: judged on every
architecture, from one probe batch: outputs, loss and gradients finite; outputs differ between inputs; every
convolution gets a gradient. Source: the rejection ladder practised with EvoNorm (Liu et al. 2020, section 3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from automl.canonical import JSON
from automl.contracts.space import Genotype
from automl.contracts.trial import StudyView, Verdict
from automl.errors import InvalidSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """Rejects what cannot learn.

    Attributes:
        min_input_dependence: smallest accepted difference of the outputs between inputs, relative to their size, >= 0.
            Of 480 random norm-act graphs with enough dependence to be drawn, none of the 75 that learn is below 5e-4
            and 136 of the others are.
    """

    name: ClassVar[str] = "validity"
    probes: ClassVar[tuple[str, ...]] = ("finite", "gradient_reach", "input_dependence")
    min_input_dependence: float = 5e-4

    def __post_init__(self) -> None:
        if not self.min_input_dependence >= 0:
            raise InvalidSetting("validity.min_input_dependence", self.min_input_dependence, "a number >= 0, e.g. 5e-4")

    def judge(
        self, genotype: Genotype, fingerprint: str, measurements: Mapping[str, Mapping[str, JSON]], study: StudyView
    ) -> Verdict:
        """Returns the verdict of the first architecture that fails, or keeps."""
        for variant, measured in measurements.items():
            reason, value, threshold = self._fault(measured)
            if reason:
                shown: JSON = {"variant": variant, "value": value}
                return Verdict(filter=self.name, keep=False, reason=reason, measured=shown, threshold=threshold)
        return Verdict(filter=self.name, keep=True)

    def _fault(self, measured: Mapping[str, Any]) -> tuple[str, JSON, JSON]:
        if not measured["finite"]:
            return "outputs, loss or gradients are not finite", False, True
        dependence = measured["input_dependence"]
        if dependence is None or dependence < self.min_input_dependence:
            return "outputs do not depend on the input", dependence, self.min_input_dependence
        reach = measured["gradient_reach"]
        if reach["reached"] < reach["convs"]:
            return "the gradient does not reach every convolution", reach["reached"], reach["convs"]
        return "", None, None
