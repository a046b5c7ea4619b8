"""Screen: a genotype that is the same function as an older trial replays that trial's result.

Why: training the same function twice teaches nothing; seeds do not depend on the trial number, so the twin's result is
what this one would reach. Source: functional equivalence checking, Real et al. 2020 (AutoML-Zero), Chen et al. 2023
(Lion).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from automl.canonical import JSON
from automl.contracts.space import Genotype
from automl.contracts.trial import StudyView, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Settles a trial whose fingerprint an older trial has, open or closed."""

    name: ClassVar[str] = "duplicates"
    probes: ClassVar[tuple[str, ...]] = ()

    def judge(
        self, genotype: Genotype, fingerprint: str, measurements: Mapping[str, Mapping[str, JSON]], study: StudyView
    ) -> Verdict:
        """Returns the verdict; its `duplicate_of` is the first trial with the fingerprint."""
        twin = study.twin(fingerprint)
        if twin is None:
            return Verdict(filter=self.name, keep=True)
        return Verdict(
            filter=self.name, keep=False, reason=f"the same function as trial {twin}", measured=twin, duplicate_of=twin
        )
