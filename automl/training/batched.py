"""Trains several candidates of one model structure as one computation, and measures each on the way.

Why: a search over schedules or update rules trains the same small network again and again; side by side it costs a
fraction. The rule: a stack always has the same width, and short groups are filled up with copies of their first
member, so that a candidate's numbers do not depend, bit for bit, on its place, its company or an interruption.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from automl.contracts import Batch, RungJob
from automl.seeding import child_seed
from automl.training.leg_training import Course, Slice
from automl.training.recording import Recorder, all_finite
from automl.training.stacked_gradients import StackedGradients, trace_gradients
from automl.training.stacking import Stack
from automl.training.supervised import SupervisedState

Content = Mapping[str, Any]
"""Of a snapshot: {"step": n, "state": ...}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedSupervised:
    """Trains candidates of one model, whose trainer is `Supervised`, in stacks of one width.

    A snapshot is that of `Supervised`, so that a model is rebuilt from it in the ordinary way.

    Attributes:
        width: candidates in a stack, >= 2.
        shared: whether all candidates see the same batches; else each has its own (replicates with other seeds).
    """

    width: int
    shared: bool
    _traced: dict[tuple[tuple[int, ...], str], StackedGradients] = field(default_factory=dict, init=False, repr=False)

    def train(self, courses: Sequence[Course], job: RungJob, snapshots: Sequence[Content | None]) -> list[Slice]:
        """Trains each candidate to `job.steps[1]`, from its snapshot or from step 0.

        Args:
            courses: one per candidate.
            job: steps, and how often is measured.
            snapshots: one per candidate; those that are given stand at or before `job.steps[0]`.

        Raises:
            InvalidSetting: the candidates cannot be stacked, or not together.
        """
        starts = [content["step"] if content is not None else 0 for content in snapshots]
        ends: dict[int, Slice] = {}
        for start in sorted(set(starts)):
            waiting = [index for index, begun in enumerate(starts) if begun == start]
            for first in range(0, len(waiting), self.width):
                members = waiting[first : first + self.width]
                filled = members + [members[0]] * (self.width - len(members))
                states = [self._state(courses[index], snapshots[index]) for index in filled]
                run = self._run([courses[index] for index in filled], states, members=len(members), job=job)
                ends.update(zip(members, run.to(start, job.steps[1]), strict=True))
        return [ends[index] for index in range(len(courses))]

    def _state(self, course: Course, content: Content | None) -> SupervisedState:
        trainer = course.recipe.trainer
        state: SupervisedState = trainer.init(
            course.recipe, course.signature, seed=child_seed(course.seed, "init"), device=course.device
        )
        return state if content is None else trainer.restore(state, content["state"])

    def _run(
        self, courses: Sequence[Course], states: Sequence[SupervisedState], *, members: int, job: RungJob
    ) -> "_Run":
        recorders = [Recorder(measure=course.measure) for course in courses[:members]]
        stack = Stack(states, self._gradients(courses[0], states[0]))
        return _Run(
            courses=courses, states=states, recorders=recorders, stack=stack, shared=self.shared, job=job
        )

    def _gradients(self, course: Course, state: SupervisedState) -> StackedGradients:
        """Returns the trace for a shape of batches, made once."""
        batch = course.batches.at(0)
        key = (tuple(batch[0].shape), course.device)
        if key not in self._traced:
            self._traced[key] = trace_gradients(
                course.recipe, state.model, width=self.width, batch=batch, shared=self.shared
            )
        return self._traced[key]


@dataclass(slots=True, kw_only=True)
class _Run:
    """One stack on its way; rows behind the recorders are filling."""

    courses: Sequence[Course]
    states: Sequence[SupervisedState]
    recorders: Sequence[Recorder]
    stack: Stack
    shared: bool
    job: RungJob

    def to(self, start: int, last: int) -> list[Slice]:
        """Trains from `start` to `last` and returns how each member ended; one that diverges ends there, alone."""
        alive = [True] * len(self.recorders)
        ends = [last] * len(self.recorders)
        filling = [False] * (len(self.states) - len(self.recorders))
        for state in self.states:
            state.model.eval()  # the models are only measured: their gradients were traced in training mode
        for step in range(start, last):
            losses = self.stack.step(self._batch(step), step=step, alive=alive + filling)
            for row in self._ended(losses, step + 1, alive):
                alive[row], ends[row] = False, step + 1
                self.stack.retire(row)
            if not any(alive):
                break
        if last > start:
            self.stack.settle()
        for state in self.states:
            state.model.train()
        return [
            Slice(state=state, curve=recorder.curve(), diverged=not living, done=end, trained=end - start)
            for state, recorder, living, end in zip(self.states, self.recorders, alive, ends, strict=False)
        ]

    def _ended(self, losses: Sequence[float], step: int, alive: Sequence[bool]) -> list[int]:
        """Writes down the losses, measures where it is due and returns the rows that diverged."""
        first, last = self.job.steps
        late, diverged = step > first, []
        due = late and (step == last or step % self.job.measure_every_steps == 0)
        for row, (recorder, loss, living) in enumerate(zip(self.recorders, losses, alive, strict=False)):
            if not living:
                continue
            usable = math.isfinite(loss)
            if late or not usable:
                recorder.losses.append(loss)
            if due or not usable:
                state = self.states[row]
                usable = usable and all_finite(state.buffers.values())
                recorder.take(state.model, step, usable=usable)
                if not usable:
                    diverged.append(row)
        return diverged

    def _batch(self, step: int) -> Batch:
        if self.shared:
            return self.courses[0].batches.at(step)
        batches = [course.batches.at(step) for course in self.courses]
        return torch.stack([inputs for inputs, _ in batches]), torch.stack([targets for _, targets in batches])
