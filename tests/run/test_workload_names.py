"""Tasks as workloads: one per architecture, each with its held-out variants."""

from dataclasses import dataclass

import pytest
from stripes_task import Stripes

from automl.contracts import Objective
from automl.errors import InvalidSetting, UnknownName, UsageError
from automl.run.workload_names import workloads_of
from automl.testing.toy_task import ToyTask

ALL = ("width", "batch", "split")


class FixedRate(ToyTask):
    """The toy task without settings that variants could change."""

    def baseline(self, variant: str):  # type: ignore[no-untyped-def]
        return Stripes().baseline("resnet")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvenWidth(Stripes):
    """Refuses widths that are no multiples of 4."""

    def __post_init__(self) -> None:
        Stripes.__post_init__(self)
        if self.width % 4:
            raise InvalidSetting("task.width", self.width, "a multiple of 4")


def test_a_task_is_followed_by_its_variants() -> None:
    found = workloads_of(["digits"], variants=ALL, steps=None)
    rows = [(one.name, one.task, one.held_out_of) for one in found.workloads]
    assert rows == [
        ("digits", "digits", None),
        ("digits width", 'digits?{"width":24}', "digits"),
        ("digits batch", 'digits?{"batch_size":128}', "digits"),
        ("digits split", 'digits?{"split_seed":1}', "digits"),
    ]
    assert {(one.steps, one.learning_rate, one.objective.name) for one in found.workloads} == {(300, 0.1, "accuracy")}
    assert found.left_out == []


def test_settings_of_a_locator_are_kept_by_its_variants() -> None:
    found = workloads_of(['digits?{"steps":50,"width":8}'], variants=("batch",), steps=None)
    assert found.workloads[1].task == 'digits?{"batch_size":128,"steps":50,"width":8}'
    assert [one.steps for one in found.workloads] == [50, 50]


def test_every_architecture_is_a_workload_with_its_own_objective() -> None:
    found = workloads_of(["digits-archs"], variants=("width",), steps=7)
    names = [one.name for one in found.workloads if one.held_out_of is None]
    assert len(names) > 1 and all(name.startswith("digits-archs/") for name in names)
    for one in found.workloads:
        assert one.objective.variant in (None, one.variant) and one.steps == 7
    held_out = [one for one in found.workloads if one.held_out_of is not None]
    assert [one.held_out_of for one in held_out] == names
    assert [one.name for one in held_out] == [f"{name} width" for name in names]


def test_a_tasks_own_tuning_grid_is_not_a_grid_within_the_grid() -> None:
    found = workloads_of(['digits?{"learning_rates":[0.1,0.3]}'], variants=(), steps=None)
    assert len(found.workloads) == 1


def test_a_task_may_be_an_object() -> None:
    found = workloads_of([Stripes()], variants=("split",), steps=None)
    assert [one.name for one in found.workloads] == ["stripes", "stripes split"]
    assert {one.task for one in found.workloads} == set(found.objects)
    assert found.objects[found.workloads[1].task].split_seed == 1  # type: ignore[attr-defined]


def test_a_variant_that_the_task_lacks_or_refuses_is_left_out() -> None:
    found = workloads_of([FixedRate(), EvenWidth(width=4)], variants=("width", "batch"), steps=None)
    assert found.left_out == ["toy width", "toy batch", "stripes width"]
    assert [one.name for one in found.workloads] == ["toy", "stripes", "stripes batch"]
    assert isinstance(found.workloads[0].objective, Objective)


def test_what_cannot_be_compared_on_is_refused() -> None:
    with pytest.raises(UsageError, match="no task to compare on"):
        workloads_of([], variants=(), steps=None)
    with pytest.raises(UsageError, match="Two workloads are called 'digits'"):
        workloads_of(["digits", "digits"], variants=(), steps=None)
    with pytest.raises(UnknownName, match="Unknown task 'digit'. Did you mean 'digits'?"):
        workloads_of(["digit"], variants=(), steps=None)
    with pytest.raises(UnknownName, match="Unknown variant 'depth'"):
        workloads_of(["digits"], variants=("depth",), steps=None)
    with pytest.raises(InvalidSetting, match="steps=0"):
        workloads_of(["digits"], variants=(), steps=0)
