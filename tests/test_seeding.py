"""Child generators: the same address gives the same stream, everywhere; another address gives another."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from automl.seeding import child, child_seed

seeds = st.integers(min_value=-(2**63), max_value=2**64)
paths = st.lists(st.text(max_size=5) | st.integers(0, 1000), max_size=4)


@given(seeds, paths)
def test_seed_is_in_range_and_repeats(seed: int, path: list[str | int]) -> None:
    assert 0 <= child_seed(seed, *path) < 2**63
    assert child_seed(seed, *path) == child_seed(seed, *path)


@given(seeds, paths, paths)
def test_other_paths_have_other_seeds(seed: int, first: list[str | int], second: list[str | int]) -> None:
    assert (child_seed(seed, *first) == child_seed(seed, *second)) == (first == second)


def test_a_number_and_its_text_are_different_addresses() -> None:
    assert child_seed(0, "ask", 1) != child_seed(0, "ask", "1")
    assert child_seed(0, "a", "b") != child_seed(0, "ab")


def test_seeds_are_pinned() -> None:
    """Half of `b2sum -l 64` of the text `[0,"ask",17]`; a changed value makes every stored study unresumable."""
    assert child_seed(0, "ask", 17) == 626373125610110337
    assert child(0, "ask", 17).integers(1_000_000) == 422_150


def test_generators_of_one_address_do_not_share_state() -> None:
    first, second = child(3, "x"), child(3, "x")
    first.random(5)
    assert second.random() == child(3, "x").random()


def test_another_process_draws_the_same() -> None:
    code = "from automl.seeding import child; print(child(7, 'train', 'resnet', 0).random())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == child(7, "train", "resnet", 0).random()
