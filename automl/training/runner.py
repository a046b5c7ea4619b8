"""Runs rung jobs: the one door through which everything is trained and probed.

Why: the same job gives the same result in process, in a worker process or elsewhere. The rule: a result depends on the
job and on the environment alone; what the runner keeps between jobs (tasks, spaces, data) is a cache.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn import Module

from automl.canonical import JSON
from automl.contracts import (
    DERIVED,
    Curve,
    Dataset,
    Recipe,
    RecipeRef,
    RungJob,
    RungResult,
    SearchSpace,
    Split,
    Task,
    derived_after,
)
from automl.errors import InvalidSetting
from automl.seeding import child_seed
from automl.training.batched import StackedSupervised
from automl.training.batches import Batches
from automl.training.leg_training import Course, Slice, leg_seed, train_slice
from automl.training.probe import ExportProbe, Probed, probe
from automl.training.recipes import build_recipe
from automl.training.snapshots import SnapshotStore
from automl.training.stability import EXAMPLES, LEARNING_RATE, probe_stability


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """One ref's entries of a result."""

    curve: Curve = field(default_factory=Curve)
    measurements: Mapping[str, JSON]
    snapshot: str | None = None
    diverged: bool = False
    steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs jobs one after the other; one per worker.

    Attributes:
        resolve_task: locator -> task; called once per locator.
        resolve_space: locator -> space; called once per locator.
        snapshots: where training states are kept.
        export_probe: answers the request "onnx" of a probe; None = not offered.
        stability_learning_rate: of the gradient-norm ascent, > 0; see `automl.training.stability`.
        clock: returns seconds; read for `seconds` and `milliseconds` only.
    """

    resolve_task: Callable[[str], Task]
    resolve_space: Callable[[str], SearchSpace]
    snapshots: SnapshotStore
    export_probe: ExportProbe | None = None
    stability_learning_rate: float = LEARNING_RATE
    clock: Callable[[], float] = time.perf_counter
    _tasks: dict[str, Task] = field(default_factory=dict, init=False, repr=False)
    _spaces: dict[str, SearchSpace] = field(default_factory=dict, init=False, repr=False)
    _data: dict[tuple[str, Split, str, str], Dataset] = field(default_factory=dict, init=False, repr=False)
    _stacked: dict[tuple[str, str, int, bool], StackedSupervised] = field(
        default_factory=dict, init=False, repr=False
    )

    def run(self, job: RungJob) -> RungResult:
        """Runs a job.

        Raises:
            AutoMLError: the job names something that is unknown, or a genotype that is none.
            Exception: whatever the candidate raises; "can't allocate memory" and CUDA's out-of-memory as torch says it.
        """
        start = self.clock()
        with _environment(job):
            ended = self._probed(job) if job.kind == "probe" else self._trained(job)
        return RungResult(
            curves=tuple(end.curve for end in ended),
            measurements=tuple(end.measurements for end in ended),
            snapshots=tuple(end.snapshot for end in ended),
            diverged=tuple(end.diverged for end in ended),
            steps=sum(end.steps for end in ended),
            seconds=self.clock() - start,
        )

    def model(self, job: RungJob, *, snapshot: str | None, index: int = 0) -> Module:
        """Returns the model as it stands at the end of a train job, in eval mode.

        Args:
            job: the job that trained it.
            snapshot: the key that the job returned; where it is missing, the model is trained again, to the same end.
            index: which of the job's refs.

        Raises:
            InvalidSetting: the job's training diverged, so there is no model.
        """
        kept = replace(job, snapshots=tuple(snapshot if i == index else None for i in range(len(job.refs))))
        content = self.snapshots.get(snapshot)
        with _environment(job):
            if content is not None and content["step"] == job.steps[1]:
                kept = replace(kept, steps=(job.steps[1], job.steps[1]))
            end = self._slices(kept, [index])[0]
        if end.diverged:
            raise InvalidSetting("job", job.refs[index].variant, "a run that did not diverge; train it again")
        return self.recipe(job.refs[index]).trainer.model(end.state).eval()

    def task(self, locator: str) -> Task:
        """Returns the task at `locator`, resolved once."""
        if locator not in self._tasks:
            self._tasks[locator] = self.resolve_task(locator)
        return self._tasks[locator]

    def recipe(self, ref: RecipeRef) -> Recipe:
        """Rebuilds the recipe that `ref` names."""
        return build_recipe(ref, task=self.task(ref.task), resolve_space=self._space)

    def _space(self, locator: str) -> SearchSpace:
        if locator not in self._spaces:
            self._spaces[locator] = self.resolve_space(locator)
        return self._spaces[locator]

    def _dataset(self, ref: RecipeRef, split: Split, device: str) -> Dataset:
        key = (ref.task, split, ref.variant, device)
        if key not in self._data:
            data = self.task(ref.task).data(split, ref.variant)
            self._data[key] = replace(data, inputs=data.inputs.to(device), targets=data.targets.to(device))
        return self._data[key]

    def _course(self, job: RungJob, index: int) -> Course:
        ref = job.refs[index]
        seed = leg_seed(replace(job, leg=replace(job.leg, replicate=job.replicate(index))))
        task, recipe = self.task(ref.task), self.recipe(ref)
        train = self._dataset(ref, "train", job.device)
        batches = Batches(
            inputs=train.inputs,
            targets=train.targets,
            size=recipe.batch_size,
            seed=seed,
            augment=recipe.augment,
            parts=recipe.trainer.parts,
        )

        def measure(model: Module) -> dict[str, float]:
            metrics = {}
            for place, split in enumerate(job.splits):
                for name, value in task.measure(model, self._dataset(ref, split, job.device)).items():
                    metrics[name if place == 0 else f"{split}.{name}"] = value
            return metrics

        return Course(
            recipe=recipe,
            signature=task.signature(ref.variant),
            batches=batches,
            measure=measure,
            seed=seed,
            device=job.device,
        )

    def _slices(self, job: RungJob, indices: Sequence[int]) -> list[Slice]:
        """Trains some of a job's refs along its slice."""
        courses = [self._course(job, index) for index in indices]
        snapshots = [self._usable_snapshot(job, index) for index in indices]
        if job.width > 1:
            return self._stack(job).train(courses, job, snapshots)
        return [
            train_slice(course, job, snapshot=content) for course, content in zip(courses, snapshots, strict=True)
        ]

    def _usable_snapshot(self, job: RungJob, index: int) -> Mapping[str, Any] | None:
        key = job.snapshots[index] if index < len(job.snapshots) else None
        content = self.snapshots.get(key)
        return content if content is not None and content["step"] <= job.steps[0] else None

    def _stack(self, job: RungJob) -> StackedSupervised:
        """Returns what stacks this model, kept for its trace."""
        shared = not job.replicates
        key = (job.refs[0].task, job.refs[0].variant, job.width, shared)
        if key not in self._stacked:
            self._stacked[key] = StackedSupervised(width=job.width, shared=shared)
        return self._stacked[key]

    def _trained(self, job: RungJob) -> list[_Ended]:
        slices = self._slices(job, range(len(job.refs)))
        return [self._ended(job, index, end) for index, end in enumerate(slices)]

    def _ended(self, job: RungJob, index: int, end: Slice) -> _Ended:
        recipe = self.recipe(job.refs[index])
        key = None
        if job.keep and not end.diverged:
            key = self.snapshots.put({"step": end.done, "state": dict(recipe.trainer.snapshot(end.state))})
        measurements: dict[str, JSON] = dict(recipe.trainer.report(end.state, job.requests))
        if DERIVED in measurements:
            measurements[DERIVED] = derived_after(measurements[DERIVED], job.steps[0])
        if "stability" in job.requests:
            measurements["stability"] = self._stability(job, job.refs[index], end)
        return _Ended(
            curve=end.curve, measurements=measurements, snapshot=key, diverged=end.diverged, steps=end.trained
        )

    def _stability(self, job: RungJob, ref: RecipeRef, end: Slice) -> JSON:
        """Returns the ascent from the weights as trained; of a diverged run there is none."""
        if end.diverged:
            return {"gradient_norm": None, "steps": 0}
        recipe, train = self.recipe(ref), self._dataset(ref, "train", job.device)
        batch = (train.inputs[:: _stride(train)][:EXAMPLES], train.targets[:: _stride(train)][:EXAMPLES])
        model, rate = recipe.trainer.model(end.state), self.stability_learning_rate
        return probe_stability(model, recipe.loss, batch=batch, learning_rate=rate).to_json()

    def _probed(self, job: RungJob) -> list[_Ended]:
        return [self._probe(job, index) for index in range(len(job.refs))]

    def _probe(self, job: RungJob, index: int) -> _Ended:
        course = self._course(job, index)
        trainer = course.recipe.trainer
        seed = child_seed(course.seed, "init")
        state = trainer.init(course.recipe, course.signature, seed=seed, device=course.device)
        batch = course.batches.at(0)
        probed = Probed(recipe=course.recipe, state=state, batch=batch, clock=self.clock, seed=course.seed)
        exports = self.export_probe if "onnx" in job.requests else None
        return _Ended(measurements=probe(probed, export_probe=exports, scores=job.requests))


def _stride(data: Dataset) -> int:
    """Spreads a few examples over a split whose order may follow its classes."""
    return max(1, math.floor(len(data.targets) / EXAMPLES))


@contextmanager
def _environment(job: RungJob) -> Iterator[None]:
    """Sets torch's threads and seeds its own generator for one job, and puts back what a candidate may have changed."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    devices = [torch.cuda.current_device()] if job.device != "cpu" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        torch.set_num_threads(job.threads)
        torch.default_generator.manual_seed(child_seed(job.seed, "layers"))
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            if torch.get_default_device().type != "cpu":
                torch.set_default_device(None)
