"""Screen: a probe layer of the candidate must export to ONNX.

Why: a winner that cannot be shipped is a surprise at the end that costs the whole search. The rule: the probe job
exports in a worker (about 10 ms); the verdict only reads what it found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from automl.canonical import JSON
from automl.contracts.space import Genotype
from automl.contracts.trial import StudyView, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Exportability:
    """Rejects what ONNX cannot express."""

    name: ClassVar[str] = "exportability"
    probes: ClassVar[tuple[str, ...]] = ("onnx",)

    def judge(
        self, genotype: Genotype, fingerprint: str, measurements: Mapping[str, Mapping[str, JSON]], study: StudyView
    ) -> Verdict:
        """Returns the verdict of the first architecture whose probe failed, or keeps."""
        for variant, measured in measurements.items():
            if not measured["exportable"]:
                shown: JSON = {"variant": variant, "error": measured["export_error"]}
                return Verdict(filter=self.name, keep=False, reason="does not export to ONNX", measured=shown)
        return Verdict(filter=self.name, keep=True)
