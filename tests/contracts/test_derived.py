"""Derived genotypes in the records of rungs."""

from automl.contracts import RungRecord, RungResult, derived_after, derived_of


def record(index: int, derived: object, *, leg: str = "a", audit: bool = False) -> RungRecord:
    result = RungResult(
        curves=(), measurements=({"derived": derived},), snapshots=(None,), diverged=(False,), steps=1, seconds=0.0
    )
    return RungRecord(leg=leg, index=index, result=result, audit=audit)


def cell(step: int) -> dict[str, object]:
    return {"step": step, "genotype": {"x": step}}


def test_a_slice_that_was_trained_from_an_earlier_step_keeps_only_its_own() -> None:
    assert derived_after([cell(4), cell(8), cell(12)], 8) == [cell(12)]


def test_entries_are_in_the_order_of_legs_and_rungs_and_audits_do_not_count() -> None:
    rungs = [record(1, [cell(8)]), record(0, [cell(4)]), record(0, [cell(2)], leg="A")]
    found = derived_of([*rungs, record(2, [cell(9)], audit=True)])
    assert [(entry["leg"], entry["step"]) for entry in found] == [("A", 2), ("a", 4), ("a", 8)]


def test_what_is_no_list_of_entries_is_passed_over() -> None:
    for odd in (None, 7, "text", {"step": 1}, [1, {"step": "x", "genotype": {}}, {"step": 3}]):
        assert derived_of([record(0, odd)]) == ()
