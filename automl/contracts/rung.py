"""The unit of work: one slice of training, canonical JSON in and out.

Why: the same job runs in process, in supervised worker processes or elsewhere, and is replayed from its record.
The rule: a job says everything (recipe, steps, seed, threads); its result depends on nothing else but the environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from automl.canonical import JSON
from automl.contracts.recipe import Leg, RecipeRef, Split
from automl.contracts.trial import Curve

FailureReason: TypeAlias = Literal["diverged", "timed-out", "out-of-memory", "crashed", "invalid", "infrastructure"]
"""Closed list; `infrastructure` alone is retried and not charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RungJob:
    """One unit of work.

    Attributes:
        kind: "probe" measures freshly built models and trains nothing; "train" trains steps[0]..steps[1].
        refs: the recipes, one per candidate; several = a batch.
        leg: variant, overrides (also in each ref) and replicate.
        steps: (first, last), 0 <= first <= last; a probe has (0, 0).
        measure_every_steps: a measurement is also taken at every multiple; always at `last`.
        splits: which splits are measured; metrics of the first carry bare names, others "split.metric".
        requests: extra measurements wanted at the end ("stability"), or of a probe ("gradients", "onnx", ...).
        seed: root seed; the runner derives children ("train", variant, replicate, "data" | "init" | ...).
        threads: torch threads.
        device: "cpu" or "cuda".
        snapshots: per ref, the content key to continue from; None = from step 0. A missing one is trained again.
        keep: whether a snapshot is written at the end.
        width: candidates that a train job steps as one computation, the same for a whole study, so that results do
            not depend on which candidates share a job; 1 = one after the other.
        replicates: per ref, the replicate that takes the place of the leg's; () = the leg's for all.
    """

    kind: Literal["probe", "train"]
    refs: tuple[RecipeRef, ...]
    leg: Leg
    steps: tuple[int, int] = (0, 0)
    measure_every_steps: int = 1_000_000
    splits: tuple[Split, ...] = ("validation",)
    requests: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    snapshots: tuple[str | None, ...] = ()
    keep: bool = False
    width: int = 1
    replicates: tuple[int, ...] = ()

    def replicate(self, index: int) -> int:
        """Returns the replicate of one of the refs."""
        return self.replicates[index] if self.replicates else self.leg.replicate

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {
            "kind": self.kind,
            "refs": [ref.to_json() for ref in self.refs],
            "leg": self.leg.to_json(),
            "steps": list(self.steps),
            "measure_every_steps": self.measure_every_steps,
            "splits": list(self.splits),
            "requests": list(self.requests),
            "seed": self.seed,
            "threads": self.threads,
            "device": self.device,
            "snapshots": list(self.snapshots),
            "keep": self.keep,
            "width": self.width,
            "replicates": list(self.replicates),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RungJob":
        """Reads `to_json`'s form."""
        first, last = data["steps"]
        return cls(
            kind=data["kind"],
            refs=tuple(RecipeRef.from_json(ref) for ref in data["refs"]),
            leg=Leg.from_json(data["leg"]),
            steps=(first, last),
            measure_every_steps=data["measure_every_steps"],
            splits=tuple(data["splits"]),
            requests=tuple(data["requests"]),
            seed=data["seed"],
            threads=data["threads"],
            device=data["device"],
            snapshots=tuple(data["snapshots"]),
            keep=data["keep"],
            width=data.get("width", 1),
            replicates=tuple(data.get("replicates", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RungResult:
    """What a job gives back, one entry per ref.

    Attributes:
        curves: the slice's measurements; a curve that ends before `last` with a None loss diverged there.
        measurements: name -> JSON: what was requested, and what a trainer hands out.
        snapshots: content keys, None where none was kept.
        diverged: whether the loss or the parameters became non-finite.
        steps: training steps really done (more than the slice when a lost snapshot was trained again).
        seconds: wall time in the worker.
    """

    curves: tuple[Curve, ...]
    measurements: tuple[Mapping[str, JSON], ...]
    snapshots: tuple[str | None, ...]
    diverged: tuple[bool, ...]
    steps: int
    seconds: float

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {
            "curves": [curve.to_json() for curve in self.curves],
            "measurements": [dict(m) for m in self.measurements],
            "snapshots": list(self.snapshots),
            "diverged": list(self.diverged),
            "steps": self.steps,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RungResult":
        """Reads `to_json`'s form."""
        return cls(
            curves=tuple(Curve.from_json(curve) for curve in data["curves"]),
            measurements=tuple(data["measurements"]),
            snapshots=tuple(data["snapshots"]),
            diverged=tuple(data["diverged"]),
            steps=data["steps"],
            seconds=data["seconds"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job gave no result.

    Attributes:
        reason: see `FailureReason`.
        evidence: last words for people: exception type and text, tail of stderr, exit code, limit.
    """

    reason: FailureReason
    evidence: Mapping[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """Returns the canonical form."""
        return {"reason": self.reason, "evidence": dict(self.evidence)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Failure":
        """Reads `to_json`'s form."""
        return cls(reason=data["reason"], evidence=data["evidence"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of one submitted job: a result or a failure, never both.

    Attributes:
        key: as given to `submit`.
        result: None when it failed.
        failure: None when it succeeded.
    """

    key: str
    result: RungResult | None = None
    failure: Failure | None = None


class Executor(Protocol):
    """Runs jobs. Knows nothing of trials; a lost worker costs one job; limits are enforced from outside the worker."""

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        """Queues a job; among waiting jobs the smallest priority runs first. Every key is answered exactly once."""

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        """Returns what has ended, waiting up to `timeout_seconds` for the first; empty on time-out.

        Raises:
            EngineError: workers cannot be started.
        """

    def idle_share(self) -> float:
        """Returns the share of worker time since the start in which a ready worker had no job, in [0, 1]."""

    def close(self) -> None:
        """Ends the workers; what is in flight is lost (and runs again on resume)."""
