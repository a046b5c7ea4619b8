"""Trains one candidate along one slice of one leg, and measures it on the way.

Why: slices are where filters look; (0, 10) then (10, 100) must give exactly what (0, 100) gives. The rule: seeds are
("train", variant, replicate, ...), never the trial, and everything random is addressed by step.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import Module

from automl.contracts import Curve, Recipe, RungJob, Signature
from automl.seeding import child_seed
from automl.training.batches import Batches
from automl.training.recording import Recorder, all_finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What one candidate is trained on.

    Attributes:
        recipe: of the candidate.
        signature: shapes of one example.
        batches: of the train split.
        measure: model -> metrics on all the splits wanted.
        seed: of the leg; the same for every candidate.
        device: "cpu" or "cuda".
    """

    recipe: Recipe
    signature: Signature
    batches: Batches
    measure: Callable[[Module], Mapping[str, float]]
    seed: int
    device: str


@dataclass(slots=True, kw_only=True)
class Slice:
    """How a slice ended.

    Attributes:
        state: of the trainer.
        curve: measurements within the slice.
        diverged: whether the loss or a parameter stopped being finite.
        done: steps of the leg done so far.
        trained: steps trained for this slice.
    """

    state: Any
    curve: Curve
    diverged: bool
    done: int
    trained: int


def leg_seed(job: RungJob) -> int:
    """Returns the seed that all candidates of a leg share."""
    return child_seed(job.seed, "train", job.leg.variant, job.leg.replicate)


def train_slice(course: Course, job: RungJob, *, snapshot: Mapping[str, Any] | None) -> Slice:
    """Trains to `job.steps[1]`, from `snapshot` or from step 0; measures only after `job.steps[0]`.

    Args:
        course: what is trained, and on what.
        job: steps, and how often is measured.
        snapshot: {"step": n, "state": ...} with n <= job.steps[0], or None.
    """
    (first, last), trainer = job.steps, course.recipe.trainer
    state = trainer.init(course.recipe, course.signature, seed=child_seed(course.seed, "init"), device=course.device)
    start = 0
    if snapshot is not None:
        state, start = trainer.restore(state, snapshot["state"]), snapshot["step"]
    recorder = Recorder(measure=course.measure)
    step, diverged = start, False
    trainer.model(state).train()
    while step < last and not diverged:
        _seed_layers(course, step)
        loss = trainer.step(state, course.batches.at(step), step=step)
        step += 1
        diverged = not math.isfinite(loss)
        if step <= first and not diverged:
            continue
        recorder.losses.append(loss)
        if diverged or step == last or step % job.measure_every_steps == 0:
            model = trainer.model(state)
            diverged = diverged or not all_finite(model.parameters())
            recorder.take(model, step, usable=not diverged, readings=trainer.readings(state))
    return Slice(state=state, curve=recorder.curve(), diverged=diverged, done=step, trained=step - start)


def _seed_layers(course: Course, step: int) -> None:
    """Seeds torch's own generator, which layers such as dropout draw from; the runner puts it back after the job."""
    seed = child_seed(course.seed, "layers", step)
    torch.default_generator.manual_seed(seed)
    if course.device != "cpu":
        torch.cuda.manual_seed_all(seed)
