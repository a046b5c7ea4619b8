import torch
from hypothesis import given
from hypothesis import strategies as st

from automl.training.batches import Batches
from automl.training.tasks.augmentation import unchanged


def reader(examples: int, size: int, *, seed: int = 0) -> Batches:
    numbers = torch.arange(examples)
    return Batches(inputs=numbers.float(), targets=numbers, size=size, seed=seed, augment=unchanged)


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
