"""What an earlier study hands over: derived genotypes of several seeds, or best trials, each function once."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Closed, Objective, Opened, StudyLog
from automl.flows.earlier_study import best_genotypes, derived_genotypes

SCORE = Objective(name="score", direction="maximize", metric="accuracy")


def log_of(trials: Sequence[Mapping[str, Sequence[int]]], values: Sequence[float | None] = ()) -> StudyLog:
    """Returns a study; each trial is leg -> the numbers it derived, one per step."""
    scores = [*values, *[None] * (len(trials) - len(values))]
    return StudyLog(
        name="earlier",
        header={},
        opened=tuple(Opened(number=n, genotype={"x": 100 + n % 3}, fingerprint="") for n in range(len(trials))),
        rungs={},
        closed=tuple(
            Closed(
                number=number,
                outcome="rejected" if score is None else "completed",
                reason="",
                values=(score,),
                derived=tuple(
                    {"leg": leg, "step": 10 * step, "genotype": {"x": x}}
                    for leg, run in legs.items()
                    for step, x in enumerate(run)
                ),
            )
            for number, (legs, score) in enumerate(zip(trials, scores, strict=True))
        ),
        notes={},
    )


def fingerprint(genotype: Mapping[str, Any]) -> str:
    return str(genotype["x"])


def derived(trials: Sequence[Mapping[str, Sequence[int]]], most: int) -> list[Any]:
    return [one["x"] for one in derived_genotypes(log_of(trials), most=most, fingerprint=fingerprint)]


def test_the_last_of_each_training_comes_first() -> None:
    assert derived([{"a": [1, 2, 3]}, {"a": [4, 5, 6]}], 2) == [3, 6]
    assert derived([{"a": [1, 2, 3]}, {"a": [4, 5, 6]}], 1) == [3]


def test_then_earlier_ones_evenly_spaced_and_the_newest_first() -> None:
    runs = [{"a": [0, 1, 2, 3, 4, 5]}, {"a": [10, 11, 12, 13, 14, 15]}]
    assert derived(runs, 4) == [5, 15, 2, 12], "of the five before the last the middle one"
    assert derived(runs, 6) == [5, 15, 3, 13, 1, 11]
    assert derived(runs, 99) == [5, 15, 4, 14, 3, 13, 2, 12, 1, 11, 0, 10]


def test_what_is_derived_again_and_again_counts_once() -> None:
    assert derived([{"a": [1, 1, 2, 2, 2]}, {"a": [2, 3, 2]}], 99) == [2, 1, 3]


def test_a_short_training_leaves_its_room_to_a_long_one() -> None:
    assert derived([{"a": [7]}, {"a": [0, 1, 2, 3, 4]}], 4) == [7, 4, 2, 1]


def test_legs_are_trainings_of_their_own_and_steps_count_not_the_order_of_entries() -> None:
    assert derived([{"b": [1, 2], "a": [3, 4]}], 2) == [4, 2]


def test_nothing_derived_gives_nothing() -> None:
    assert derived([{}, {"a": []}], 5) == []


@given(st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=4), st.integers(1, 30))
def test_never_more_than_asked_never_one_twice_and_all_where_there_is_room(runs: list[list[int]], most: int) -> None:
    found = derived([{"leg": run} for run in runs], most)
    everything = {one for run in runs for one in run}
    assert len(found) == len(set(found)) == min(most, len(everything))
    lasts = list(dict.fromkeys(run[-1] for run in runs if run))
    assert found[: len(lasts)] == lasts[:most]


def test_best_trials_come_in_their_order_each_function_once() -> None:
    log = log_of([{}] * 5, [0.1, 0.5, None, 0.9, 0.7])  # genotypes 100, 101, 102, 100, 101
    found = best_genotypes(log, (SCORE,), most=9, fingerprint=fingerprint)
    assert [one["x"] for one in found] == [100, 101], "trial 3, then 4; 0 and 1 are the same again, 2 was rejected"
    assert len(best_genotypes(log, (SCORE,), most=1, fingerprint=fingerprint)) == 1
