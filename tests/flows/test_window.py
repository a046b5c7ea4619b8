"""p(k): which older trials a trial is proposed from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Closed, Genotype, Opened
from automl.errors import InvalidSetting
from automl.filters.duplicates import Duplicates
from automl.flows.plan import Budget, Plan
from automl.flows.search import Search
from automl.flows.window import Window
from automl.testing.memory_history import MemoryHistory
from automl.testing.simulated import SimulatedExecutor, run_toy, toy_seconds
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask


def smallest_p(trained: list[bool], depth: int) -> int:
    """The definition, word by word: the smallest p with fewer than `depth` trained trials among p..k-1."""
    return next(p for p in range(len(trained) + 1) if sum(trained[p:]) < depth)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9))
def test_low_is_the_smallest_p_with_fewer_than_depth_trained_trials_behind_it(trained: list[bool], depth: int) -> None:
    window = Window(depth)
    for count, flag in enumerate(trained):
        assert window.low() == smallest_p(trained[:count], depth)
        window.add(trained=flag)
    assert window.low() == smallest_p(trained, depth)


def test_settled_trials_do_not_use_up_the_depth() -> None:
    window = Window(2)
    for trained in (True, False, False, True):
        window.add(trained=trained)
    assert window.low() == 1


def test_depth_one_is_strictly_sequential() -> None:
    window = Window(1)
    window.add(trained=True)
    window.add(trained=True)
    assert window.low() == 2


def test_depth_below_one_is_refused_with_the_rule_of_thumb() -> None:
    with pytest.raises(InvalidSetting, match="4 x workers"):
        Window(0)


@given(st.lists(st.booleans(), max_size=60), st.integers(2, 9), st.integers(1, 9))
def test_with_blocks_low_is_the_start_of_the_block_whatever_was_trained(
    trained: list[bool], block: int, depth: int
) -> None:
    window = Window(depth, block=block)
    for number, flag in enumerate(trained):
        assert window.low() == number // block * block
        window.add(trained=flag)


def test_a_block_of_one_is_no_block() -> None:
    window = Window(2, block=1)
    for _ in range(4):
        window.add(trained=True)
    assert window.low() == 3


def test_a_block_below_one_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="population"):
        Window(4, block=0)
    with pytest.raises(InvalidSetting, match="population"):
        study(block=0, workers=1)


@dataclass(frozen=True)
class Counting:
    """Proposes at random; its state is the number of trials it was told, noted with each ask."""

    name: str = "counting"
    asked: list[tuple[int, int]] = field(default_factory=list)

    def init(self) -> int:
        return 0

    def ask(self, state: int, pending: tuple[Genotype, ...], number: int, rng: np.random.Generator) -> Any:
        self.asked.append((number, state))
        return ToySpace().sample(rng).genotype, {"parents": [], "operator": "random", "redrawn": {}}

    def tell(self, state: int, trial: Opened, end: Closed) -> int:
        return state + 1

    def restore(self, state: int, trial: Opened) -> int:
        return state


def study(*, block: int, workers: int, trials: int = 23) -> list[tuple[int, int]]:
    searcher = Counting()
    plan = Plan(
        space=ToySpace(),
        space_locator="toy",
        task=ToyTask(),
        task_locator="toy",
        searcher=searcher,
        screens=(Duplicates(),),
        depth=4,
        block=block,
    )
    executor = SimulatedExecutor(run_toy, workers=workers, duration=toy_seconds)
    history = MemoryHistory()
    Search(plan, budget=Budget(trials=trials), history=history, executor=executor, now_ms=lambda: 0).run()
    return searcher.asked


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_the_search_proposes_a_block_from_all_trials_before_it_for_any_number_of_workers(workers: int) -> None:
    assert study(block=10, workers=workers) == [(number, number // 10 * 10) for number in range(23)]
