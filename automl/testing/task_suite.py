"""What every task must keep; inherit it in a test file.

Why: candidates share data and seeds only if a task is a function of its settings; a split that leaks makes every
result of a study worthless. The rule: a subclass gives `task`, freshly made at each call.
"""

import math
from itertools import pairwise
from typing import Any

from automl.contracts.recipe import Leg, Split, Task
from automl.contracts.trial import Curve

SPLITS: tuple[Split, ...] = ("train", "validation", "gate", "test")


class TaskSuite:
    """Conformance suite of `Task`."""

    def task(self) -> Task:
        """Returns the task under test, a new instance at each call."""
        raise TypeError(f"{type(self).__name__} must define task(self)")

    def test_objectives_have_unique_names(self) -> None:
        """Values are reported by name."""
        names = [objective.name for objective in self.task().objectives]
        assert names and len(set(names)) == len(names)

    def test_legs_have_unique_keys_and_known_variants(self) -> None:
        """Records are stored by leg; each leg's variant has a signature and a baseline."""
        task = self.task()
        legs = task.legs("search")
        assert legs and len({leg.key for leg in legs}) == len(legs)
        for leg in (*legs, *task.legs("rerank")):
            assert task.signature(leg.variant).inputs
            assert task.baseline(leg.variant).steps >= 1

    def test_rungs_are_consecutive_slices_that_end_at_the_horizon(self) -> None:
        """Every step is trained once, and the schedule's horizon is reached."""
        task = self.task()
        for leg in task.legs("search"):
            rungs = task.rungs(leg)
            assert rungs[0][0] == 0 and rungs[-1][1] == task.baseline(leg.variant).steps
            assert all(first < last for first, last in rungs)
            assert all(earlier[1] == later[0] for earlier, later in pairwise(rungs))

    def test_data_is_a_function_of_the_settings(self) -> None:
        """Two instances, as in two workers, have the same data to the last bit."""
        first, second = self.task(), self.task()
        for split in SPLITS:
            for leg in first.legs("search"):
                one, other = first.data(split, leg.variant), second.data(split, leg.variant)
                assert one.digest == other.digest
                assert bool((one.inputs == other.inputs).all()) and bool((one.targets == other.targets).all())

    def test_splits_are_disjoint_and_none_is_empty(self) -> None:
        """No example is in two splits; examples that repeat in the data itself are allowed within one split."""
        task = self.task()
        variant = task.legs("search")[0].variant
        rows = {split: _rows(task.data(split, variant).inputs) for split in SPLITS}
        assert all(rows.values())
        for index, split in enumerate(SPLITS):
            for other in SPLITS[index + 1 :]:
                assert not rows[split] & rows[other], f"{split} and {other} share examples"

    def test_examples_have_the_shape_of_the_signature(self) -> None:
        """What the model is built for is what it gets."""
        task = self.task()
        for leg in task.legs("search"):
            data = task.data("validation", leg.variant)
            assert tuple(data.inputs.shape[1:]) == task.signature(leg.variant).inputs
            assert len(data.inputs) == len(data.targets)

    def test_values_follow_the_finished_legs(self) -> None:
        """One number per objective when all legs finished, None where one is missing."""
        task = self.task()
        curves = {leg: _curve(task, 0.25) for leg in task.legs("search")}
        values = task.values(curves)
        assert len(values) == len(task.objectives)
        assert all(value is not None and math.isfinite(value) for value in values)
        nothing: dict[Leg, Curve] = {}
        assert task.values(nothing) == (None,) * len(task.objectives)


def _rows(inputs: Any) -> set[bytes]:
    return {row.numpy().tobytes() for row in inputs}


def _curve(task: Task, value: float) -> Curve:
    return Curve(steps=(1,), metrics={objective.metric: (value,) for objective in task.objectives})
