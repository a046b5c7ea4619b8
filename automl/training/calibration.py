"""Decides, once per study, how many candidates are trained as one computation.

Why: stacking makes a small fully connected network several times as fast and a convolutional one slower, so it is
measured on the task's own baseline. The rule: the width is stored in the study's header and never measured again; only
what provably leaves every candidate's numbers alone is stacked.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch

from automl.contracts import Recipe, Task
from automl.errors import InvalidSetting
from automl.training.batches import Batches
from automl.training.stacked_gradients import StackedGradients, require_steady, trace_gradients
from automl.training.stacking import Stack
from automl.training.supervised import Supervised, SupervisedState

STACKABLE_SLOTS = frozenset({"schedule", "update_rule", "learning_rate", "weight_decay"})
"""Fields of a recipe that may differ within a stack."""

WIDTHS = (8, 16, 32)
"""Of stacks in searches, as far as the depth reaches: of 64 candidates on a small fully connected network 8 rows train
4.1 times as many a second as one, 16 rows 4.9, 32 rows 5.2, and 64 rows, which leave the cache, 4.7."""
WORTH = 2.0
"""Least speed-up for which a study is stacked: below it, groups that are not full cost what is won, and the decision
would hang on the noise of the clock (a small convolutional network measures 0.9 to 1.4)."""

NEARLY = 0.9
"""The narrowest stack that reaches this share of the best speed-up is taken: fewer rows are filling."""

HOPELESS = 1.2
"""Wider stacks are tried from here on only."""

ROUNDS, STEPS = 5, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was decided.

    Attributes:
        width: candidates in a stack; 1 = one after the other.
        speed_up: candidates per second over those of ordinary training, as measured; 1 where nothing was.
        reason: why, in a few words.
    """

    width: int
    speed_up: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One architecture of the task, ready to be trained."""

    task: Task
    variant: str

    def recipe(self) -> Recipe:
        """Returns the baseline.

        Raises:
            InvalidSetting: it brings a trainer of its own.
        """
        recipe = self.task.baseline(self.variant)
        if type(recipe.trainer) is not Supervised:
            raise InvalidSetting("executor.batch", type(recipe.trainer).__name__, "1 for a trainer of its own")
        return recipe

    def batches(self) -> Batches:
        recipe, data = self.recipe(), self.task.data("train", self.variant)
        return Batches(
            inputs=data.inputs, targets=data.targets, size=recipe.batch_size, seed=0, augment=recipe.augment
        )

    def state(self, *, rate: float = 1.0) -> SupervisedState:
        recipe = self.recipe()
        recipe = recipe.replace(learning_rate=recipe.learning_rate * rate)
        return Supervised().init(recipe, self.task.signature(self.variant), seed=0, device="cpu")

    def trace(self, width: int) -> StackedGradients:
        return trace_gradients(self.recipe(), self.state().model, width=width, batch=self.batches().at(0), shared=True)


def calibrate(
    task: Task,
    *,
    memory_bytes: int,
    widths: Sequence[int] = WIDTHS,
    threads: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Calibration:
    """Trains the task's baseline for a few steps, alone and stacked, on the CPU.

    Args:
        task: of the study; every architecture of its search legs must be one that can be stacked.
        memory_bytes: of a worker; a stack may take half of it.
        widths: to be tried, increasing.
        threads: of torch, of one worker.
        clock: returns seconds.
    """
    try:
        with _torch_threads(threads):
            chosen = _chosen(_speed_ups(_places(task), memory_bytes, widths, clock))
        if chosen.width > 1:
            require_stackable(task, threads=threads)
    except InvalidSetting as error:
        return Calibration(width=1, speed_up=1.0, reason=str(error)[:300])
    return chosen


def require_stackable(task: Task, *, threads: int = 1) -> None:
    """Checks that each model can be stacked, and that its place in a stack does not matter.

    Raises:
        InvalidSetting: it cannot, or it does.
    """
    with _torch_threads(threads):
        for place in _places(task):
            _require_stackable(place)


def measured_speed_up(task: Task, width: int, *, threads: int = 1) -> float:
    """Returns how many times as fast one width is.

    Raises:
        InvalidSetting: a model that cannot be stacked.
    """
    with _torch_threads(threads):
        return _speed_ups(_places(task), sys.maxsize, [width], time.perf_counter)[width]


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    """Sets torch's threads, on whose number the last digits may depend, and puts them back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _places(task: Task) -> list[_Place]:
    return [_Place(task=task, variant=variant) for variant in dict.fromkeys(leg.variant for leg in task.legs("search"))]


def _speed_ups(
    places: Sequence[_Place], memory_bytes: int, widths: Sequence[int], clock: Callable[[], float]
) -> dict[int, float]:
    """Returns width -> speed-up, as far as memory reaches and as long as there is something to gain."""
    found: dict[int, float] = {}
    for width in widths:
        traces = [place.trace(width) for place in places]
        if max(trace.largest_bytes for trace in traces) > memory_bytes / 2:
            break
        found[width] = _speed_up(places, traces, width, clock)
        if found[width] < HOPELESS:
            break
    return found


def _chosen(found: Mapping[int, float]) -> Calibration:
    best = max(found.values(), default=1.0)
    if best < WORTH:
        return Calibration(width=1, speed_up=best, reason=f"{best:.2f} times as fast, worth it from {WORTH} on")
    width = min(width for width, speed_up in found.items() if speed_up >= NEARLY * best)
    return Calibration(width=width, speed_up=found[width], reason="measured")


def _require_stackable(place: _Place) -> None:
    """Checks that a model can be stacked and that places in a stack do not matter, with different rates in each.

    Raises:
        InvalidSetting: it cannot, or they do.
    """
    recipe, state, batches = place.recipe(), place.state(), place.batches()
    width = WIDTHS[0]
    gradients = require_steady(recipe, state.model, width=width, batch=batches.at(0))
    rates = [1 + index / width for index in range(width)]
    orders = [list(range(width)), list(reversed(range(width))), [0] * (width - 1) + [width - 1]]
    ends = [_trained(place, gradients, [rates[row] for row in order]) for order in orders]
    for order, end in zip(orders, ends, strict=True):
        for row, index in enumerate(order):
            if any(not torch.equal(end[row][name], ends[0][index][name]) for name in end[row]):
                raise InvalidSetting("executor.batch", "a model whose numbers depend on its place", "1 for this model")


def _trained(place: _Place, gradients: StackedGradients, rates: Sequence[float]) -> list[dict[str, torch.Tensor]]:
    states, batches = [place.state(rate=rate) for rate in rates], place.batches()
    stack = Stack(states, gradients)
    for step in range(STEPS):
        stack.step(batches.at(step), step=step, alive=[True] * len(states))
    return [dict(state.buffers) for state in states]


def _speed_up(
    places: Sequence[_Place], traces: Sequence[StackedGradients], width: int, clock: Callable[[], float]
) -> float:
    """Returns the time of ordinary steps over that of stacked ones per candidate, both the best of several rounds."""
    alone = together = 0.0
    for place, gradients in zip(places, traces, strict=True):
        batches, trainer, state = place.batches(), Supervised(), place.state()
        stack, alive = Stack([place.state() for _ in range(width)], gradients), [True] * width
        one = partial(_step_alone, trainer, state, batches)
        every = partial(_step_together, stack, alive, batches)
        rounds = [(_seconds(one, clock), _seconds(every, clock)) for _ in range(ROUNDS)]
        alone += min(seconds for seconds, _ in rounds) * width
        together += min(seconds for _, seconds in rounds)
    return alone / together


def _step_alone(trainer: Supervised, state: SupervisedState, batches: Batches, step: int) -> None:
    trainer.step(state, batches.at(step), step=step)


def _step_together(stack: Stack, alive: Sequence[bool], batches: Batches, step: int) -> None:
    stack.step(batches.at(step), step=step, alive=alive)


def _seconds(step: Callable[[int], None], clock: Callable[[], float]) -> float:
    begun = clock()
    for number in range(STEPS):
        step(number)
    return clock() - begun
