"""What older trials a screen or a monitor may look at.

Why: a verdict must not depend on which results happened to arrive first. The rule: screens see every older trial's
fingerprint, and of trials 0..p(k)-1 how they ended; monitors see the curves of trials 0..p(k)-1 only, cut at the rung
they judge.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.canonical import JSON
from automl.contracts.history import Opened, RungRecord
from automl.contracts.trial import Closed, Curve, Finished
from automl.numerics.prefix import Prefix


class Seen:
    """Fingerprints of the trials so far, how the closed ones ended, and the baseline's probe: a `StudyView`."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._finished: list[Finished] = []
        self.baseline: Mapping[str, Mapping[str, JSON]] = {}

    def twin(self, fingerprint: str) -> int | None:
        """Returns the first trial with that fingerprint."""
        return self._first.get(fingerprint)

    def add(self, fingerprint: str, number: int) -> None:
        """Remembers a trial; the first one with a fingerprint stays."""
        self._first.setdefault(fingerprint, number)

    @property
    def finished(self) -> Sequence[Finished]:
        """Every trial that `finish` was told of."""
        return Prefix(self._finished, len(self._finished))

    def finish(self, opened: Opened, closed: Closed) -> None:
        """Remembers how a trial ended; in trial order."""
        self._finished.append(
            Finished(
                measurements=opened.measurements,
                trained=opened.trained,
                outcome=closed.outcome,
                reason=closed.reason,
                values=closed.values,
            )
        )

    def before(self, number: int) -> "SeenBefore":
        """Returns the same with the ends of the trials below `number` only, which must all be closed."""
        return SeenBefore(seen=self, finished=Prefix(self._finished, number))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBefore:
    """What the screens of one trial may know: a `StudyView`.

    Attributes:
        seen: everything so far.
        finished: trials 0..p(k)-1.
    """

    seen: Seen
    finished: Sequence[Finished]

    @property
    def baseline(self) -> Mapping[str, Mapping[str, JSON]]:
        """Variant -> the baseline's probe measurements."""
        return self.seen.baseline

    def twin(self, fingerprint: str) -> int | None:
        """Returns the first trial with that fingerprint."""
        return self.seen.twin(fingerprint)


class ReachedCurves:
    """Curves of closed trials by (leg, rung), in trial order."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._curves: dict[tuple[str, int], list[Curve]] = defaultdict(list)

    def add(self, number: int, records: Sequence[RungRecord]) -> None:
        """Adds a closed trial; trials come in order, its records in any; those of an audit do not count."""
        so_far: dict[str, Curve] = {}
        for record in sorted(records, key=lambda r: (r.leg, r.index)):
            if record.result is None or record.audit:
                continue
            curve = so_far[record.leg] = so_far.get(record.leg, Curve()).then(record.result.curves[0])
            self._numbers[record.leg, record.index].append(number)
            self._curves[record.leg, record.index].append(curve)

    def before(self, number: int, leg: str, index: int) -> Sequence[Curve]:
        """Returns the curves, up to rung `index` of `leg`, of the trials below `number`."""
        known = self._numbers.get((leg, index))
        return Prefix(self._curves[leg, index], bisect_left(known, number)) if known else ()
