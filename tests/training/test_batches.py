import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.training.batches import Batches
from automl.training.tasks.augmentation import unchanged


def reader(examples: int, size: int, *, seed: int = 0, parts: int = 1) -> Batches:
    numbers = torch.arange(examples)
    return Batches(inputs=numbers.float(), targets=numbers, size=size, seed=seed, augment=unchanged, parts=parts)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 3))
def test_one_epoch_shows_no_example_twice(examples: int, size: int, epoch: int) -> None:
    per_epoch = examples // min(size, examples)
    batches = reader(examples, size)
    seen = [n for i in range(per_epoch) for n in batches.at(epoch * per_epoch + i)[1].tolist()]
    assert len(seen) == len(set(seen)) == per_epoch * min(size, examples)


def test_batch_of_a_step_does_not_depend_on_the_steps_before() -> None:
    forward = reader(20, 4)
    walked = [forward.at(step)[1].tolist() for step in range(12)]
    assert reader(20, 4).at(11)[1].tolist() == walked[11]
    assert walked[:5] != walked[5:10]
    assert reader(20, 4, seed=1).at(0)[1].tolist() != walked[0]


@given(st.integers(2, 60), st.integers(1, 12), st.integers(2, 4), st.integers(0, 30), st.integers(0, 30))
def test_parts_of_the_split_never_share_an_example(
    examples: int, size: int, parts: int, step: int, other: int
) -> None:
    examples = max(examples, parts)
    batches = reader(examples, size, parts=parts)
    rows = min(size, examples // parts)
    first, second = batches.at(step)[1], batches.at(other)[1]
    assert len(first) == len(second) == parts * rows
    for part in range(parts):
        mine = set(first[part * rows : (part + 1) * rows].tolist())
        others = set(second.tolist()) - set(second[part * rows : (part + 1) * rows].tolist())
        assert not mine & others


def test_an_epoch_of_parts_shows_each_example_once_and_is_read_from_any_step() -> None:
    forward = reader(24, 3, parts=2)
    walked = [forward.at(step)[1].tolist() for step in range(8)]
    assert sorted(number for batch in walked[:4] for number in batch) == list(range(24))
    assert walked[:4] != walked[4:]
    assert reader(24, 3, parts=2).at(7)[1].tolist() == walked[7]


def test_more_parts_than_examples_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="number of examples"):
        reader(2, 1, parts=3)


def test_one_part_reads_the_batches_of_before() -> None:
    batches = reader(6, 2)
    assert [batches.at(step)[1].tolist() for step in range(4)] == [[5, 3], [2, 4], [0, 1], [2, 5]]
