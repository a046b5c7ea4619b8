"""Where a trial comes from: the line of first parents, and what each step changed."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Closed, Genotype, Opened, StudyLog
from automl.errors import InvalidSetting
from automl.flows.ancestry import ancestry, changed_lines, explanation
from automl.searchers.evolution import Evolution
from automl.testing.dry_study import dry_study
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace, toy_values

SPACE = ToySpace()
Row = tuple[Genotype, str, Sequence[int]]


def study(*rows: Row, closed: int | None = None) -> StudyLog:
    """Returns a study whose trial n completed with value n / 10; `closed` of them, the rest is open."""
    opened = tuple(
        Opened(number=number, genotype=genotype, fingerprint="", memo={"operator": operator, "parents": list(parents)})
        for number, (genotype, operator, parents) in enumerate(rows)
    )
    ends = tuple(
        Closed(number=number, outcome="completed", reason="", values=(number / 10,))
        for number in range(len(rows) if closed is None else closed)
    )
    return StudyLog(name="study", header={}, opened=opened, rungs={}, closed=ends, notes={})


LINE = study(
    ({"a": 1, "b": 2}, "seed", ()),
    ({"a": 5, "b": 5}, "random", ()),
    ({"a": 1, "b": 3}, "mutation", (0,)),
    ({"a": 9, "b": 3}, "crossover", (2, 1)),
    closed=3,
)


def test_the_line_follows_first_parents_to_a_seed_oldest_first() -> None:
    line = ancestry(LINE, 3)
    assert [(one.trial, one.operator, one.parents) for one in line] == [
        (0, "seed", ()),
        (2, "mutation", (0,)),
        (3, "crossover", (2, 1)),
    ]
    assert [(one.outcome, one.values) for one in line] == [("completed", (0.0,)), ("completed", (0.2,)), ("open", ())]
    assert [one.trial for one in ancestry(LINE, 1)] == [1]


def test_the_explanation_says_what_each_step_changed() -> None:
    found = explanation(LINE, 3, space=SPACE)
    assert found["listing"] == [["a = 9", ""], ["b = 3", ""]]
    assert [one["changes"] for one in found["ancestors"]] == [[], ["- b = 2", "+ b = 3"], ["- a = 1", "+ a = 9"]]
    assert [one["values"] for one in found["ancestors"]] == [[0.0], [0.2], None]
    assert (found["outcome"], found["values"]) == ("open", None)


def test_a_memo_without_parents_ends_the_line() -> None:
    bare = StudyLog(
        name="study",
        header={},
        opened=(Opened(number=0, genotype={}, fingerprint=""),),
        rungs={},
        closed=(),
        notes={},
    )
    assert [(one.operator, one.parents) for one in ancestry(bare, 0)] == [("unknown", ())]


def test_a_line_ends_although_a_memo_names_a_later_parent() -> None:
    assert [one.trial for one in ancestry(study(({}, "odd", (1,)), ({}, "odd", (0,))), 1)] == [0, 1]


@pytest.mark.parametrize("number", [-1, 4])
def test_a_trial_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(InvalidSetting, match=rf"trial={number} is not allowed: an int in \[0, 3\]"):
        ancestry(LINE, number)


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_the_changes_lead_from_the_one_listing_to_the_other(before: list[str], after: list[str]) -> None:
    lines = changed_lines([(one, "") for one in before], [(one, "") for one in after])
    gone = [line[2:] for line in lines if line.startswith("- ")]
    come = [line[2:] for line in lines if line.startswith("+ ")]
    assert sorted(before + come) == sorted(after + gone)
    assert (lines == ()) == (before == after)


def test_every_trial_of_an_evolution_has_a_line_whose_steps_explain_it() -> None:
    searcher = Evolution(space=SPACE, objectives=TOY_OBJECTIVES[:1], initial=4, population=4, tournament=2)
    trials = dry_study(searcher, space=SPACE, score=lambda g: toy_values(g)[:1], trials=40, depth=2)
    log = StudyLog(
        name="study",
        header={},
        opened=tuple(opened for opened, _ in trials),
        rungs={},
        closed=tuple(closed for _, closed in trials),
        notes={},
    )
    longest = 0
    for number in range(40):
        line = ancestry(log, number)
        numbers = [one.trial for one in line]
        assert numbers == sorted(numbers) and numbers[-1] == number and not line[0].parents
        changes = [one["changes"] for one in explanation(log, number, space=SPACE)["ancestors"]]
        assert changes[0] == [] and all(changes[1:])
        longest = max(longest, len(line))
    assert longest >= 3
