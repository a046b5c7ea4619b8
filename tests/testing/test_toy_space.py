"""The toy space: conformance, and the facts that other tests rely on."""

import numpy as np
import pytest

from automl.contracts.space import SearchSpace
from automl.testing.space_suite import SpaceSuite
from automl.testing.toy_space import TARGET, ToySchedule, ToySpace, toy_values


class TestToySpace(SpaceSuite):
    def space(self) -> SearchSpace:
        return ToySpace()


# ((1 + 1) * (1 + 1) + 1) - x * x, with a dead node
SOLUTION = {
    "op2": "negate", "a2": 0,
    "op3": "add", "a3": 1, "b3": 1,
    "op4": "square", "a4": 3,
    "op5": "add", "a5": 4, "b5": 1,
    "op6": "multiply", "a6": 0, "b6": 0,
    "op7": "subtract", "a7": 5, "b7": 6,
}  # fmt: skip


def test_the_target_is_reached_by_an_expression_of_five_nodes() -> None:
    assert toy_values(ToySpace().decode(SOLUTION)) == (1.0, 5.0)


def test_a_shared_part_counts_once() -> None:
    twice = {**SOLUTION, "op2": "add", "a2": 1, "b2": 1, "a6": 2, "b6": 3}
    assert toy_values(twice)[1] == 5.0


def test_scores_of_the_zoo_by_hand() -> None:
    # half: f = x/2 on x = -1, -3/4, ..., 1; error = mean |x/2 - target|
    error = sum(abs(step / 8 - 0.5 - goal) for step, goal in zip(range(9), TARGET, strict=True)) / 9
    assert toy_values(ToySpace().zoo()["half"]) == (1 / (1 + error), 1.0)
    assert toy_values(ToySpace().zoo()["ramp"])[1] == 2.0


def test_commuted_and_dead_nodes_share_a_fingerprint() -> None:
    space = ToySpace()
    commuted = {**SOLUTION, "a5": 1, "b5": 4}
    assert space.fingerprint(commuted) == space.fingerprint(SOLUTION)
    first, second = space.zoo()["half"], {**space.zoo()["half"], "op2": "square"}
    assert space.fingerprint(first) == space.fingerprint(second)
    assert space.fingerprint(SOLUTION) != space.fingerprint({**SOLUTION, "a7": 6, "b7": 5})


def test_formula() -> None:
    assert ToySpace().describe(ToySpace().zoo()["ramp"]) == "maximum(x, negate(x))"


def test_equal_functions_of_equal_fingerprints_score_alike() -> None:
    rng, found = np.random.default_rng(0), {}
    for _ in range(3000):
        genotype = ToySpace().sample(rng).genotype
        values = found.setdefault(ToySpace().fingerprint(genotype), toy_values(genotype))
        assert values == toy_values(genotype)
    assert len(found) < 3000


def test_as_a_schedule_it_is_never_negative() -> None:
    schedule = ToySchedule(genotype=ToySpace().zoo()["half"])
    assert schedule.multiplier(schedule.init(10), 5, {}) == (0.25, 10)
    negative = ToySchedule(genotype={**ToySpace().zoo()["half"], "op7": "negate"})
    assert negative.multiplier(10, 5, {}) == (0.0, 10)


@pytest.mark.parametrize("name", ["half", "square", "ramp"])
def test_zoo_is_worse_than_the_solution(name: str) -> None:
    assert toy_values(ToySpace().zoo()[name])[0] < 1.0
