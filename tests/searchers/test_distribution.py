"""Distribution searchers: generations, draws, ranks, limits and refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from boxes import ALL, Cube, block_study, made, place, sphere

from automl.assemble.plan import plan_of
from automl.canonical import dumps
from automl.contracts.history import Opened
from automl.contracts.space import Genotype, Suggester
from automl.contracts.trial import Closed
from automl.errors import CannotEncode, InvalidSetting
from automl.flows.window import Window
from automl.searchers.cma_es import CmaEs
from automl.searchers.continuous_space import BORDER
from automl.searchers.distribution import NARROWEST, WIDEST, DistributionSearcher, population_for
from automl.searchers.evotorch_gaussian import Cem, Pgpe
from automl.searchers.warm_start import WarmStart
from automl.seeding import child
from automl.testing.dry_study import Trial, as_recorded
from automl.testing.toy_space import ToySpace
from automl.testing.toy_task import ToyTask


@pytest.mark.parametrize(("dimensions", "size"), [(1, 8), (3, 8), (4, 10), (10, 12), (100, 18)])
def test_the_population_is_four_plus_three_logarithms_made_even(dimensions: int, size: int) -> None:
    """4 + 3 ln 3 = 7.3, ln 4: 8.2, ln 10: 10.9, ln 100: 17.8."""
    assert population_for(dimensions) == size
    assert made(CmaEs, Cube(dimensions, 0)).generation == size


@pytest.mark.parametrize("searcher", ALL)
def test_a_generation_is_drawn_from_one_distribution(searcher: type[DistributionSearcher[Any]]) -> None:
    states: list[Any] = []
    one = made(searcher, population=8)
    block_study(one, space=one.space, score=lambda genotype: (sphere(genotype),), trials=25, states=states)
    kinds = [id(state.distribution) for state in states]
    assert [len(set(kinds[first : first + 8])) for first in (0, 8, 16)] == [1, 1, 1]
    assert len(set(kinds)) == 4
    assert max(len(state.drawn) for state in states) == 8, "what was learnt from is forgotten"


@pytest.mark.parametrize("searcher", ALL)
def test_a_point_depends_on_the_generator_of_its_trial_alone(searcher: type[DistributionSearcher[Any]]) -> None:
    """Asked alone, in another order or by another process: the first generation is the same."""
    one = made(searcher)
    together, state = one.init(), one.init()
    asked = {number: one.ask(together, (), number, child(3, "ask", number))[0] for number in range(8)}
    evens_first = [0, 2, 4, 6, 1, 3, 5, 7]
    assert {number: one.ask(state, (), number, child(3, "ask", number))[0] for number in evens_first} == asked


def test_pgpe_mirrors_every_second_point_at_the_mean() -> None:
    one = made(Pgpe, population=8)
    states: list[Any] = []
    done = block_study(one, space=one.space, score=lambda g: (sphere(g),), trials=32, states=states)
    for number in range(0, 32, 2):
        mean = states[number].distribution.optimizer_state.center.numpy()
        first, second = (np.array(done[number + k][0].memo["point"]) for k in (0, 1))
        inside = np.abs(2 * mean - first) < BORDER
        assert np.allclose((first + second)[inside] / 2, mean[inside])


@pytest.mark.parametrize("searcher", ALL)
@pytest.mark.parametrize("broken", [None, float("nan"), float("inf")])
def test_a_trial_without_a_number_ranks_below_all(
    searcher: type[DistributionSearcher[Any]], broken: float | None
) -> None:
    """The distribution moves as if it had been the worst, whatever stands for a missing number."""
    one = made(searcher)
    assert told(one, broken) == told(one, 1e9)


def told(searcher: Any, worst: float | None, outcome: str = "completed") -> str:
    state = searcher.init()
    asked = [searcher.ask(state, (), number, child(0, number)) for number in range(searcher.generation)]
    for number, (genotype, memo) in enumerate(asked):
        values = (worst,) if number == 3 else (sphere(genotype),)
        opened = Opened(number=number, genotype=genotype, fingerprint="", memo=memo)
        kind = outcome if number == 3 else "completed"
        state = searcher.tell(state, opened, Closed(number=number, outcome=kind, reason="", values=values))
    return repr(state.distribution)


def test_rejected_and_failed_trials_rank_below_all_and_duplicates_as_their_twin() -> None:
    one = made(CmaEs)
    assert told(one, 0.0, "rejected") == told(one, 0.0, "failed") == told(one, 1e9)
    assert told(one, 0.0, "duplicate") == told(one, 0.0) != told(one, 1e9)


@pytest.mark.parametrize("searcher", ALL)
def test_a_generation_without_any_number_teaches_nothing(searcher: type[DistributionSearcher[Any]]) -> None:
    one = made(searcher)
    states: list[Any] = []
    block_study(one, space=one.space, score=lambda genotype: (None,), trials=40, states=states)
    assert {repr(state.distribution) for state in states} == {repr(one.init().distribution)}


@pytest.mark.parametrize("searcher", ALL)
@pytest.mark.parametrize("kind", ["flat", "noise", "one number", "steep"])
def test_a_long_study_stays_in_the_box_and_within_the_limits_of_its_width(
    searcher: type[DistributionSearcher[Any]], kind: str
) -> None:
    """150 generations where nothing, or one number only, decides; the steep one has a condition number of 1e8."""
    scores: dict[str, Callable[[Genotype], float]] = {
        "flat": lambda genotype: 0.0,
        "noise": lambda genotype: float(child(5, dumps(dict(genotype))).random()),
        "one number": lambda genotype: place(genotype)[0],
        "steep": lambda genotype: float((10.0 ** np.array([0, 8]) * place(genotype) ** 2).sum()),
    }
    one = made(searcher, Cube(2, 0))
    states: list[Any] = []
    block_study(one, space=one.space, score=lambda g: (scores[kind](g),), trials=1200, states=states)
    mean, widths = shape_of(states[-1].distribution)
    assert np.abs(mean).max() <= BORDER
    assert widths.min() >= NARROWEST * 0.999 and widths.max() <= WIDEST * 1.001


def shape_of(distribution: Any) -> tuple[np.ndarray, np.ndarray]:
    if hasattr(distribution, "shape"):
        return distribution.mean, distribution.scale * np.sqrt(np.linalg.eigvalsh(distribution.shape))
    if hasattr(distribution, "deviation"):
        return distribution
    mean = distribution.center if hasattr(distribution, "center") else distribution.optimizer_state.center
    return mean.numpy(), distribution.stdev.numpy()


@pytest.mark.parametrize("searcher", ALL)
def test_given_genotypes_are_learnt_from_also_in_the_middle_of_the_box(
    searcher: type[DistributionSearcher[Any]],
) -> None:
    """A point on the mean itself has no direction; a bound has one of length 3."""
    middle, end = {"x0": 0.0, "x1": 0.0}, {"x0": 1.0, "x1": -1.0}
    space = Cube(2, 0)
    warm = WarmStart(space=space, searcher=made(searcher, space), genotypes=(middle, middle, end))
    states: list[Any] = []
    block = Window(4, block=warm.searcher.generation)
    state, done = warm.init(), list[Trial]()
    for number in range(9):
        while len(states) < block.low():
            state = warm.tell(state, *done[len(states)])
            states.append(state)
        genotype, memo = warm.ask(state, (), number, child(0, number))
        opened = Opened(number=number, genotype=genotype, fingerprint="", memo=memo)
        done.append((opened, Closed(number=number, outcome="completed", reason="", values=(sphere(genotype),))))
        block.add(trained=True)
    mean, widths = shape_of(state.distribution)
    assert np.isfinite(mean).all() and np.isfinite(widths).all() and (mean != 0).any()


@pytest.mark.parametrize("searcher", ALL)
@pytest.mark.parametrize("population", [2, 9, -8])
def test_odd_and_small_populations_are_refused(searcher: type[DistributionSearcher[Any]], population: int) -> None:
    with pytest.raises(InvalidSetting, match="searcher.population"):
        made(searcher, population=population)


@pytest.mark.parametrize(
    ("searcher", "setting", "value"),
    [
        (Cem, "elite", 0.1),
        (Cem, "elite", 1.0),
        (Cem, "change", 0.0),
        (Pgpe, "center_rate", 0.0),
        (Pgpe, "deviation_rate", float("nan")),
    ],
)
def test_settings_out_of_range_are_refused(
    searcher: type[DistributionSearcher[Any]], setting: str, value: float
) -> None:
    with pytest.raises(InvalidSetting, match=f"searcher.{setting}"):
        made(searcher, **{setting: value})


@pytest.mark.parametrize("searcher", ALL)
def test_a_space_of_choices_is_refused_and_nothing_to_rank_by_too(searcher: type[DistributionSearcher[Any]]) -> None:
    with pytest.raises(CannotEncode, match="'op2' is a choice among 8"):
        made(searcher, ToySpace())
    with pytest.raises(InvalidSetting, match="at least one objective"):
        searcher(space=Cube(), objectives=())


class Trap(Cube):
    """Asks one more question in a corner, as if probing had not found it."""

    armed = False

    def suggest(self, trial: Suggester) -> None:
        if trial.suggest_float("x0", -1.0, 1.0) > 0.9 and self.armed:
            trial.suggest_float("more", 0.0, 1.0)


def test_a_question_that_comes_up_later_is_named() -> None:
    space = Trap()
    one = made(CmaEs, space)
    state = one.init()
    state.distribution = state.distribution._replace(mean=np.array([2.0]), scale=1e-3)
    space.armed = True
    with pytest.raises(CannotEncode, match="something else .*: more is"):
        one.ask(state, (), 0, child(0, 0))


@pytest.mark.parametrize("name", ["cmaes", "snes", "cem", "pgpe"])
@pytest.mark.parametrize("given", [0, 3])
def test_a_plan_has_the_generation_of_its_searcher_as_block(name: str, given: int) -> None:
    space = Cube(4, 0)
    header = {
        "space": {"locator": "object:space"},
        "task": {"locator": "object:task"},
        "searcher": {
            "name": name,
            "settings": {},
            "warm_start": [space.sample(child(0, index)).genotype for index in range(given)],
        },
        "filters": {},
        "seed": 0,
        "depth": 4,
        "limits": {"threads": 1},
        "device": "cpu",
        "audit": 0.0,
    }
    plan = plan_of(header, {"object:space": space, "object:task": ToyTask()})
    assert (plan.searcher.name, plan.block) == (name, 10)
    header["searcher"]["name"] = "random"  # type: ignore[index]
    assert plan_of(header, {"object:space": space, "object:task": ToyTask()}).block == 1


def test_resuming_reads_points_from_the_memo_not_from_the_rounded_answers() -> None:
    one = made(CmaEs, Cube(0, 2))
    done = block_study(one, space=one.space, score=lambda g: (sphere(g),), trials=4)
    state = one.restore(one.init(), as_recorded(done[0][0]))
    assert state.drawn[0].tolist() == done[0][0].memo["point"]
