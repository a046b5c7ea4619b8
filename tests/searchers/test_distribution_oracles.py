"""Our updates against EvoTorch 0.6.1's own, generation by generation, on the same populations."""

import math
from typing import Any

import evotorch.algorithms as oracles
import numpy as np
import pytest
import torch
from evotorch import Problem
from evotorch.algorithms.functional import cem, cem_tell, pgpe, pgpe_ask, pgpe_tell
from evotorch.decorators import vectorized

from automl.contracts.trial import Objective
from automl.numerics.ranking import order
from automl.searchers.cma_es import CmaEs, rates_of
from automl.searchers.evotorch_gaussian import Cem, Pgpe
from automl.searchers.natural_evolution import Snes, rank_utilities
from automl.testing.toy_space import ToySpace

GENERATIONS = 5
LOSS = (Objective(name="loss", direction="minimize", metric="loss"),)


class Line(ToySpace):
    """A space of one number; `learn` is given whole populations, so its width does not matter."""

    def suggest(self, trial: Any) -> None:
        trial.suggest_float("x", 0.0, 1.0)


def made(searcher: Any, **settings: Any) -> Any:
    return searcher(space=Line(), objectives=LOSS, **settings)


@vectorized
def loss(points: torch.Tensor) -> torch.Tensor:
    scales = 10.0 ** torch.linspace(0, 2, points.shape[1], dtype=points.dtype)
    return (scales * (points - 0.5) ** 2).sum(dim=1) + points.prod(dim=1)


def problem(dimensions: int) -> Problem:
    return Problem(
        "min", loss, solution_length=dimensions, initial_bounds=(-1, 1), dtype=torch.float64, seed=dimensions
    )


def ranked(points: torch.Tensor) -> list[int]:
    return order(loss(points).tolist(), "minimize")


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")  # EvoTorch's constructor, of its own weights
@pytest.mark.parametrize(("dimensions", "population"), [(2, 8), (5, 10), (12, 12), (5, 40)])
def test_cma_es_is_that_of_evotorch(dimensions: int, population: int) -> None:
    """EvoTorch takes the logarithms of its weights in single precision: hence 1e-6. It refuses a single dimension."""
    zeros = [0.0] * dimensions
    oracle = oracles.CMAES(
        problem(dimensions), stdev_init=1.0, popsize=population, center_init=zeros, limit_C_decomposition=False
    )
    ours, state = made(CmaEs), made(CmaEs).first(dimensions)
    for _ in range(GENERATIONS):
        oracle.step()
        points = oracle.population.values.clone()
        state = ours.learn(state, points.numpy(), ranked(points))
        assert np.allclose(state.mean, oracle.m, rtol=1e-6, atol=1e-7)
        assert state.scale == pytest.approx(float(oracle.sigma), rel=1e-6)
        assert np.allclose(state.shape, oracle.C, rtol=1e-5, atol=1e-6)
        assert np.allclose(state.factor @ state.factor.T, state.shape)
        assert np.allclose(state.step_path, oracle.p_sigma, rtol=1e-5, atol=1e-6)
        assert np.allclose(state.shape_path, oracle.p_c, rtol=1e-5, atol=1e-6)


def test_rates_are_those_of_the_tutorial_by_hand() -> None:
    """n = 2, P = 8: ln 4.5 - ln 1..4 = 1.50408, .81093, .40547, .11778; mass = 2.83826^2 / 3.09815 = 2.60018."""
    rates = rates_of(2, 8)
    assert rates.weights[:4] == pytest.approx([0.529930, 0.285714, 0.142857, 0.041499], abs=1e-5)
    assert rates.mass == pytest.approx(2.60018, abs=1e-5)
    assert rates.step == pytest.approx(4.60018 / 7.60018, abs=1e-5)
    assert rates.one == pytest.approx(2 / (3.3**2 + 2.60018), abs=1e-6)
    assert rates.damping == pytest.approx(1 + rates.step)


@pytest.mark.parametrize(("dimensions", "population"), [(1, 8), (5, 10), (12, 12)])
def test_snes_is_that_of_evotorch(dimensions: int, population: int) -> None:
    """EvoTorch updates at the start of the next step, from the population it has."""
    oracle = oracles.SNES(problem(dimensions), stdev_init=1.0, popsize=population, center_init=[0.0] * dimensions)
    ours, state = made(Snes), made(Snes).first(dimensions)
    oracle.step()
    for _ in range(GENERATIONS):
        points = oracle.population.values.clone()
        oracle.step()
        state = ours.learn(state, points.numpy(), ranked(points))
        assert np.allclose(state.mean, oracle.status["center"], rtol=1e-9)
        assert np.allclose(state.deviation, oracle.status["stdev"], rtol=1e-9)


def test_utilities_of_ranks_by_hand() -> None:
    """P = 4: ln 3 - ln 1, 2, 3, 4 = 1.09861, .40547, 0, 0; over 1.50408, less a quarter."""
    assert rank_utilities(4) == pytest.approx([0.480423, 0.019577, -0.25, -0.25], abs=1e-6)


def test_cem_is_that_of_evotorch_told_the_scores_themselves() -> None:
    ours = made(Cem, population=12)
    state = ours.first(4)
    oracle = cem(
        center_init=torch.zeros(4, dtype=torch.float64),
        stdev_init=1.0,
        parenthood_ratio=0.5,
        objective_sense="min",
        stdev_max_change=0.2,
    )
    for generation in range(GENERATIONS):
        noise = torch.from_numpy(np.random.default_rng(generation).standard_normal((12, 4)))
        points = oracle.center + oracle.stdev * noise
        oracle = cem_tell(oracle, points, loss(points))
        state = ours.learn(state, points.numpy(), ranked(points))
        assert torch.equal(state.center, oracle.center) and torch.equal(state.stdev, oracle.stdev)


def test_cem_takes_mean_and_deviation_of_the_best_by_hand() -> None:
    """The best four of eight are 0, 1, 2, 3: mean 1.5, deviation sqrt(5 / 3) = 1.291, held to a change of 0.2."""
    ours = made(Cem, population=8)
    points = np.array([[0.0], [1.0], [2.0], [3.0], [7.0], [8.0], [9.0], [10.0]])
    learnt = ours.learn(ours.first(1), points, list(range(8)))
    assert (float(learnt.center), float(learnt.stdev)) == pytest.approx((1.5, 1.2))
    free = made(Cem, population=8, change=1.0)
    assert float(free.learn(free.first(1), points, list(range(8))).stdev) == pytest.approx(math.sqrt(5 / 3))


def test_pgpe_is_that_of_evotorch_told_the_scores_themselves() -> None:
    ours = made(Pgpe, population=12)
    state = ours.first(4)
    oracle = pgpe(
        center_init=torch.zeros(4, dtype=torch.float64),
        stdev_init=1.0,
        center_learning_rate=ours.center_rate,
        stdev_learning_rate=ours.deviation_rate,
        objective_sense="min",
    )
    for generation in range(GENERATIONS):
        with torch.random.fork_rng():
            torch.manual_seed(generation)
            points = pgpe_ask(oracle, popsize=12)
        oracle = pgpe_tell(oracle, points, loss(points))
        state = ours.learn(state, points.numpy(), ranked(points))
        assert torch.allclose(state.optimizer_state.center, oracle.optimizer_state.center, rtol=1e-12, atol=0)
        assert torch.allclose(state.stdev, oracle.stdev, rtol=1e-12, atol=0)


def test_pgpe_stays_where_no_direction_is_better_than_another() -> None:
    """All pairs on the mean itself: the gradient is zero, and ClipUp would divide by its length."""
    ours = made(Pgpe, population=8)
    learnt = ours.learn(ours.first(2), np.zeros((8, 2)), list(range(8)))
    assert learnt.optimizer_state.center.tolist() == [0.0, 0.0]
