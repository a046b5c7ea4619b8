"""Guards on hand-made records, and what is read off mixing weights."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Curve, Leg, Monitor, Opened, RungRecord, RungResult, Verdict
from automl.errors import InvalidSetting
from automl.testing.filter_suite import MonitorSuite
from search_spaces.darts.cell import CellPair
from search_spaces.darts.guards import HessianCollapse, SkipCollapse, guards_of
from search_spaces.darts.search_readings import columns_of, derived_pair, readings_of
from search_spaces.darts.vocabulary import DARTS

LEG = Leg(variant="cells")
TRIAL = Opened(number=0, genotype={"seed": 0}, fingerprint="f")


def record(curve: Curve, derived: Any = None) -> RungRecord:
    result = RungResult(
        curves=(curve,),
        measurements=({} if derived is None else {"derived": derived},),
        snapshots=(None,),
        diverged=(False,),
        steps=1,
        seconds=0.0,
    )
    return RungRecord(leg=LEG.key, index=0, result=result)


def cells(*skips: int, start: int = 10, of: int = 50) -> list[dict[str, Any]]:
    return [
        {"step": step, "share": step / of, "genotype": {}, "skips": count} for step, count in enumerate(skips, start)
    ]


def skip_case(derived: Any) -> dict[str, Any]:
    curve = Curve(steps=(1,), metrics={"accuracy": (0.5,)})
    return {"trial": TRIAL, "rung": record(curve, derived), "leg": LEG, "curve": curve, "reference": ()}


def judged(monitor: Monitor, derived: Any) -> Verdict | None:
    return monitor.judge(**skip_case(derived))


def eigenvalue_case(values: Sequence[float | None], *, fresh: int | None = None) -> dict[str, Any]:
    """A curve of which the last `fresh` points are the rung's."""
    whole = Curve(steps=tuple(range(1, len(values) + 1)), metrics={"eigenvalue": tuple(values)})
    start = 0 if fresh is None else len(values) - fresh
    own = Curve(steps=whole.steps[start:], metrics={"eigenvalue": tuple(values[start:])})
    return {"trial": TRIAL, "rung": record(own), "leg": LEG, "curve": whole, "reference": ()}


def eigenvalues(
    values: Sequence[float | None], *, fresh: int | None = None, monitor: HessianCollapse | None = None
) -> Verdict | None:
    return (monitor or HessianCollapse()).judge(**eigenvalue_case(values, fresh=fresh))


class TestSkipCollapse(MonitorSuite):
    def monitor(self) -> SkipCollapse:
        return SkipCollapse()

    def kept(self) -> dict[str, Any]:
        return skip_case(cells(0, 1))

    def dropped(self) -> dict[str, Any]:
        return skip_case(cells(0, 3))

    def silent(self) -> dict[str, Any]:
        return skip_case(cells(3, 3, start=1))


class TestHessianCollapse(MonitorSuite):
    def monitor(self) -> HessianCollapse:
        return HessianCollapse()

    def kept(self) -> dict[str, Any]:
        return eigenvalue_case([1.0] * 12)

    def dropped(self) -> dict[str, Any]:
        return eigenvalue_case([1.0] * 10 + [9.0])

    def silent(self) -> dict[str, Any]:
        return eigenvalue_case([1.0] * 5)


def test_two_skip_connections_stop_a_search_and_the_cell_before_stands() -> None:
    verdict = judged(SkipCollapse(), cells(0, 1, 2, 0))
    assert verdict is not None and not verdict.keep
    assert verdict.measured == {"skips": 2, "step": 12, "stands_at_step": 11}
    assert verdict.reason == "the normal cell has 2 skip connections at step 12"
    assert (verdict.filter, verdict.threshold) == ("skip-collapse", 2)


def test_the_first_cell_of_a_rung_points_to_an_earlier_rung() -> None:
    verdict = judged(SkipCollapse(), cells(3))
    assert verdict is not None and verdict.measured == {"skips": 3, "step": 10, "stands_at_step": None}


def test_early_cells_are_not_judged() -> None:
    assert judged(SkipCollapse(), cells(5, 5, start=1)) is None
    verdict = judged(SkipCollapse(), cells(5, 5, start=9))
    assert verdict is not None and verdict.measured == {"skips": 5, "step": 10, "stands_at_step": 9}


def test_a_search_that_keeps_few_skip_connections_goes_on() -> None:
    verdict = judged(SkipCollapse(), cells(0, 1, 1))
    assert verdict is not None and verdict.keep and verdict.measured == {"skips": 1, "step": 12}


@pytest.mark.parametrize("derived", [None, [], "text", [{"step": 1}], [{"step": 20, "share": 0.4, "skips": None}]])
def test_without_cells_there_is_no_word(derived: Any) -> None:
    assert judged(SkipCollapse(), derived) is None


def test_a_steady_eigenvalue_goes_on() -> None:
    verdict = eigenvalues([1.0] * 12)
    assert verdict is not None and verdict.keep and verdict.measured == {"ratio": 1.0, "step": 12}


def test_a_growing_eigenvalue_stops_the_search_at_the_first_evaluation_that_shows_it() -> None:
    """Means of five: at evaluation 11 (1 + 1 + 1 + 1 + 4) / 5 = 1.6 against 1 four evaluations before."""
    verdict = eigenvalues([1.0] * 10 + [4.0, 9.0])
    assert verdict is not None and not verdict.keep
    assert verdict.measured == {"ratio": pytest.approx(1.6), "step": 11, "stands_at_step": 7}
    assert verdict.reason == "the eigenvalue has grown 1.60 times within 4 evaluations"


def test_a_ratio_at_the_factor_is_accepted() -> None:
    values = [1.0] * 10 + [2.0]
    assert eigenvalues(values, monitor=HessianCollapse(factor=1.2)).keep
    assert not eigenvalues(values, monitor=HessianCollapse(factor=1.19)).keep


def test_the_first_evaluations_are_not_judged() -> None:
    assert eigenvalues([1.0] * 5 + [50.0] * 5) is None
    assert eigenvalues([1.0] * 5 + [50.0] * 6) is not None


def test_only_the_evaluations_of_the_rung_are_judged() -> None:
    grown = [1.0] * 10 + [4.0] + [1.0] * 20
    assert not eigenvalues(grown).keep
    assert eigenvalues(grown, fresh=3).keep


def test_unknown_and_negative_eigenvalues_stop_nothing() -> None:
    assert eigenvalues([None] * 12) is None
    assert eigenvalues([-1.0] * 12) is None
    verdict = eigenvalues([1.0, None] * 6)
    assert verdict is not None and verdict.keep


@given(st.lists(st.floats(0.1, 10.0), min_size=11, max_size=30), st.integers(1, 20))
def test_rung_by_rung_stops_where_the_whole_stops(values: list[float], size: int) -> None:
    whole = eigenvalues(values)
    stop = None
    for end in range(size, len(values) + size, size):
        seen = values[: min(end, len(values))]
        verdict = eigenvalues(seen, fresh=min(size, len(seen) - (end - size)))
        if verdict is not None and not verdict.keep:
            stop = verdict.measured
            break
    assert stop == (whole.measured if whole is not None and not whole.keep else None)


def test_settings_name_their_guards() -> None:
    assert guards_of("none", skips_allowed=2) == ()
    assert guards_of("dartsplus", skips_allowed=5) == (SkipCollapse(limit=2),)
    assert guards_of("skips", skips_allowed=2) == (SkipCollapse(limit=3),)
    assert guards_of("eigenvalue", skips_allowed=2) == (HessianCollapse(),)
    with pytest.raises(InvalidSetting, match="dartsplus"):
        guards_of("luck", skips_allowed=2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SkipCollapse(limit=0),
        lambda: SkipCollapse(earliest=1.5),
        lambda: HessianCollapse(window=0),
        lambda: HessianCollapse(earliest=3),
        lambda: HessianCollapse(factor=0.0),
    ],
)
def test_settings_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(InvalidSetting, match="is not allowed"):
        make()


def uniform(columns: int = 8) -> dict[str, np.ndarray]:
    return {kind: np.full((14, columns), 1 / columns) for kind in ("normal", "reduce")}


def test_entropies_are_those_of_shares() -> None:
    mixing = uniform()
    mixing["reduce"] = np.eye(8)[np.zeros(14, dtype=int)] * 0.3
    found = readings_of(mixing, None, edges=False)
    assert found == {"entropy_normal": pytest.approx(math.log(8)), "entropy_reduce": 0.0, "skips": None}


def test_entropies_of_edges_are_taken_within_each_node() -> None:
    """Uniform over 2, 3, 4 and 5 edges."""
    mixing = {kind: np.full((14, 8), 1 / 8) for kind in ("normal", "reduce")}
    found = readings_of(mixing, None, edges=True)
    expected = sum(math.log(edges) for edges in (2, 3, 4, 5)) / 4
    assert found["entropy_normal_edges"] == pytest.approx(expected)


def test_skip_connections_of_the_normal_cell_are_counted() -> None:
    mixing = uniform()
    mixing["normal"][:, DARTS.index("skip_connect")] = 0.9
    cells = derived_pair(mixing, DARTS)
    assert isinstance(cells, CellPair)
    assert readings_of(mixing, cells, edges=False)["skips"] == 8


def test_weights_that_are_not_finite_derive_nothing() -> None:
    mixing = uniform()
    mixing["normal"][3, 2] = math.nan
    assert derived_pair(mixing, DARTS) is None


def test_weights_without_a_column_for_none_are_the_other_operations() -> None:
    assert columns_of(np.zeros((14, 8)), DARTS) == DARTS
    assert columns_of(np.zeros((14, 7)), DARTS) == DARTS[1:]
    cells = derived_pair(uniform(7), DARTS)
    assert cells is not None and cells.normal.nodes[0][0].operation == "max_pool_3x3"
