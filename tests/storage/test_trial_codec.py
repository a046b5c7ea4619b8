"""Records to JSON and back, for every value they may hold; and the files that older releases wrote."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.canonical import dumps, loads
from automl.contracts.history import Opened, RungRecord
from automl.contracts.rung import Failure, RungResult
from automl.contracts.trial import OUTCOMES, Closed, Curve, Verdict
from automl.errors import StorageError
from automl.storage.trial_codec import (
    closed_from_json,
    closed_to_json,
    opened_from_json,
    opened_to_json,
    rung_from_json,
    rung_key,
    rung_to_json,
)
from automl.testing.history_suite import completed, opened, rung

GOLDEN = Path(__file__).parent.parent / "golden"

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
plain = st.none() | st.booleans() | numbers | st.text(max_size=8)
json_values = st.recursive(
    plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v), max_leaves=6
)
json_objects = st.dictionaries(st.text(max_size=5), json_values, max_size=3)
counts = st.integers(0, 2**40)
verdicts = st.builds(
    Verdict,
    filter=st.text(max_size=8),
    keep=st.booleans(),
    reason=st.text(max_size=8),
    measured=json_values,
    threshold=json_values,
    leg=st.none() | st.text(max_size=5),
    steps=counts,
    seconds=st.floats(0, 1e6),
    duplicate_of=st.none() | counts,
)
openings = st.builds(
    Opened,
    number=counts,
    genotype=json_objects,
    fingerprint=st.text(max_size=16),
    memo=json_objects,
    verdicts=st.lists(verdicts, max_size=2).map(tuple),
    measurements=st.dictionaries(st.text(max_size=5), json_objects, max_size=2),
    opened_at_ms=counts,
)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    steps = sorted(draw(st.sets(st.integers(0, 10_000), max_size=4)))
    column = st.lists(st.none() | st.floats(-1e9, 1e9), min_size=len(steps), max_size=len(steps)).map(tuple)
    return Curve(steps=tuple(steps), metrics=draw(st.dictionaries(st.text(max_size=5), column, max_size=2)))


results = st.builds(
    RungResult,
    curves=st.lists(curves(), min_size=1, max_size=2).map(tuple),
    measurements=st.lists(json_objects, max_size=2).map(tuple),
    snapshots=st.lists(st.none() | st.text(max_size=8), max_size=2).map(tuple),
    diverged=st.lists(st.booleans(), max_size=2).map(tuple),
    steps=counts,
    seconds=st.floats(0, 1e6),
)
failures = st.builds(
    Failure, reason=st.sampled_from(["diverged", "timed-out", "crashed", "infrastructure"]), evidence=json_objects
)
records = st.builds(RungRecord, leg=st.text(max_size=5), index=st.integers(0, 9), result=results) | st.builds(
    RungRecord, leg=st.text(max_size=5), index=st.integers(0, 9), failure=failures
)


def through_disk(value: Any) -> Any:
    return loads(dumps(value))


@given(openings)
@settings(max_examples=50, deadline=None)
def test_opened_survives_the_disk(trial: Opened) -> None:
    assert opened_from_json(through_disk(opened_to_json(trial))) == trial


@given(records)
@settings(max_examples=50, deadline=None)
def test_rung_survives_the_disk(record: RungRecord) -> None:
    assert rung_from_json(through_disk(rung_to_json(record))) == record


@given(
    st.lists(curves(), max_size=3),
    st.sampled_from(OUTCOMES),
    st.lists(st.none() | st.floats(-1e9, 1e9), max_size=3),
    st.none() | json_objects,
)
@settings(max_examples=50, deadline=None)
def test_closed_survives_the_disk_with_the_curves_of_its_rungs(
    slices: list[Curve], outcome: Any, values: list[float | None], extra: dict[str, Any] | None
) -> None:
    joined = Curve()
    recorded = []
    for index, part in enumerate(slices):
        found = {"derived": [{"step": index, "genotype": {"cell": index}, "score": 0.5}]} if index != 1 else {}
        result = RungResult(
            curves=(part,), measurements=(found,), snapshots=(None,), diverged=(False,), steps=1, seconds=1
        )
        recorded.append(RungRecord(leg="a", index=index, result=result))
        joined = joined.then(part)
    cells = [{"leg": "a", "step": i, "genotype": {"cell": i}, "score": 0.5} for i in range(len(slices)) if i != 1]
    trial = Closed(
        number=3,
        outcome=outcome,
        reason="r",
        values=tuple(values),
        curves={"a": joined},
        audit=extra,
        evidence=extra,
        derived=tuple(cells),
    )
    back = closed_from_json(through_disk(closed_to_json(trial)), number=3, rungs=reversed(recorded))
    assert back == trial


def test_rungs_after_the_end_do_not_lengthen_the_curve() -> None:
    stored = closed_to_json(completed(0, rung(0)))
    back = closed_from_json(stored, number=0, rungs=[rung(1), rung(0)])
    assert back.curves["resnet"].steps == (10, 20)


def test_end_that_counts_more_than_its_rungs_hold_is_damaged() -> None:
    stored = closed_to_json(completed(0, rung(0), rung(1)))
    with pytest.raises(StorageError, match="counts 4 measurements; its rungs have 2"):
        closed_from_json(stored, number=0, rungs=[rung(0)])


@given(st.lists(st.tuples(st.text(min_size=1, max_size=700), st.integers(0, 99)), unique=True, max_size=6))
@settings(max_examples=50, deadline=None)
def test_rung_keys_fit_and_differ(rungs: list[tuple[str, int]]) -> None:
    keys = [rung_key(leg, index) for leg, index in rungs]
    assert len(set(keys)) == len(rungs)
    assert all(len(key) <= 512 and key.startswith("rung:") for key in keys)


@pytest.mark.parametrize("read", [opened_from_json, rung_from_json])
def test_attribute_of_a_newer_release_is_refused(read: Any) -> None:
    with pytest.raises(StorageError, match="format 2; this release reads format 1"):
        read({"format": 2})


@pytest.mark.parametrize("read", [opened_from_json, rung_from_json])
def test_damaged_attribute_is_refused(read: Any) -> None:
    with pytest.raises(StorageError, match="damaged"):
        read({"format": 1, "result": 3})


def golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


def test_format_1_of_open_is_read_and_written() -> None:
    assert opened_from_json(golden("storage-open-1.json")) == opened(1, twin=0)
    assert through_disk(opened_to_json(opened(1, twin=0))) == golden("storage-open-1.json")


def test_format_1_of_a_rung_is_read_and_written() -> None:
    assert rung_from_json(golden("storage-rung-1.json")) == rung(0)
    assert through_disk(rung_to_json(rung(0))) == golden("storage-rung-1.json")


def test_format_1_of_closed_is_read_and_written() -> None:
    trial = completed(0, rung(0), rung(1))
    assert closed_from_json(golden("storage-closed-1.json"), number=0, rungs=[rung(0), rung(1)]) == trial
    assert through_disk(closed_to_json(trial)) == golden("storage-closed-1.json")
