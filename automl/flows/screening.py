"""Screening: what is settled before any training.

Why: most proposals need no training to be refused, or repeat an older one. The rule: screens judge in order and stop
at the first drop; a probe job is run only when the screens that need none have kept the genotype, and it runs in a
worker.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from automl.canonical import JSON
from automl.contracts.rung import Failure, RungResult
from automl.contracts.space import Genotype
from automl.contracts.trial import Screen, StudyView, Verdict
from automl.flows.trial_run import PROBE

Measurements = Mapping[str, Mapping[str, JSON]]
Probe = Callable[[Genotype, str, tuple[str, ...]], RungResult | Failure]
"""(genotype, variant, requests) -> the probe job's result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What screening found.

    Attributes:
        verdicts: in order; only the last may drop.
        measurements: variant -> probe measurements; empty if no probe ran.
    """

    verdicts: tuple[Verdict, ...]
    measurements: Measurements


def screen(
    genotype: Genotype,
    fingerprint: str,
    *,
    screens: Sequence[Screen],
    variants: Sequence[str],
    study: StudyView,
    probe: Probe,
) -> Screened:
    """Judges one genotype.

    Args:
        genotype: the proposal.
        fingerprint: of the genotype.
        screens: in any order; those without probes judge first.
        variants: the architectures to probe, in order.
        study: older trials and the baseline.
        probe: runs one probe job.
    """
    verdicts: list[Verdict] = []
    for filter_ in (s for s in screens if not s.probes):
        verdicts.append(filter_.judge(genotype, fingerprint, {}, study))
        if not verdicts[-1].keep:
            return Screened(verdicts=tuple(verdicts), measurements={})
    probing = [s for s in screens if s.probes]
    if not probing:
        return Screened(verdicts=tuple(verdicts), measurements={})
    requests = tuple(sorted({name for s in probing for name in s.probes}))
    measurements: dict[str, Mapping[str, JSON]] = {}
    for variant in variants:
        result = probe(genotype, variant, requests)
        if isinstance(result, Failure):
            verdicts.append(_probe_failed(variant, result))
            return Screened(verdicts=tuple(verdicts), measurements=measurements)
        measurements[variant] = result.measurements[0]
    for filter_ in probing:
        verdicts.append(filter_.judge(genotype, fingerprint, measurements, study))
        if not verdicts[-1].keep:
            break
    return Screened(verdicts=tuple(verdicts), measurements=measurements)


def _probe_failed(variant: str, failure: Failure) -> Verdict:
    measured = {"variant": variant, **failure.evidence}
    return Verdict(filter=PROBE, keep=False, reason=failure.reason, measured=measured)
