"""What older trials a screen or a monitor may look at.

Why: a verdict must not depend on which results happened to arrive first. The rule: screens see every older trial's
fingerprint; monitors see the curves of trials 0..p(k)-1 only, cut at the rung they judge.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence

from automl.canonical import JSON
from automl.contracts.history import RungRecord
from automl.contracts.trial import Curve
from automl.numerics.prefix import Prefix


class Seen:
    """Fingerprints of the trials so far, and the baseline's probe: a `StudyView`."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self.baseline: Mapping[str, Mapping[str, JSON]] = {}

    def twin(self, fingerprint: str) -> int | None:
        """Returns the first trial with that fingerprint."""
        return self._first.get(fingerprint)

    def add(self, fingerprint: str, number: int) -> None:
        """Remembers a trial; the first one with a fingerprint stays."""
        self._first.setdefault(fingerprint, number)


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
