"""What a proxy is worth: ranks over columns, signs, absent numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.numerics.correlation import spearman
from automl.numerics.proxy_worth import ProxyWorth, Row, proxy_worth, score_row, share_below

numbers = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=12)


def worth(scores: list[Row], values: list[Row], *directions: str) -> ProxyWorth:
    return proxy_worth(scores, values, directions=directions or ("maximize",), rng=np.random.default_rng(0))  # type: ignore[arg-type]


@given(numbers)
def test_one_architecture_and_one_objective_give_spearmans_correlation(table: list[tuple[int, int]]) -> None:
    first, second = [float(a) for a, _ in table], [float(b) for _, b in table]
    found = worth([(a,) for a in first], [(b,) for b in second])
    assert found.correlation == pytest.approx(spearman(first, second))
    if found.correlation is not None:
        assert found.low is not None and found.high is not None and -1 <= found.low <= found.high <= 1


def test_what_is_minimized_counts_the_other_way_round() -> None:
    scores: list[Row] = [(float(n),) for n in range(8)]
    assert worth(scores, scores, "maximize").correlation == pytest.approx(1)
    assert worth(scores, scores, "minimize").correlation == pytest.approx(-1)
    assert worth(scores, scores, "maximize").reliable and not worth(scores, scores, "minimize").reliable


def test_no_column_outweighs_another_by_its_scale() -> None:
    # ranks (1, 3, 2) and (3, 1, 2): their means are equal
    assert worth([(0.0, 9e9), (1.0, 1e9), (0.5, 5e9)], [(1.0,), (2.0,), (3.0,)]).correlation is None


def test_trials_with_an_absent_number_are_left_out_and_few_give_no_interval() -> None:
    found = worth([(1.0,), (None,), (2.0,), ()], [(1.0,), (5.0,), (None,), (3.0,)])
    assert found == ProxyWorth(trials=1)
    assert not found.reliable


def test_the_share_below_counts_ties_half_and_means_over_architectures() -> None:
    others: list[Row] = [(1.0,), (2.0,), (2.0,), (3.0,), (None,)]
    assert share_below((2.0,), others) == 0.5
    assert share_below((0.0,), others) == 0.0 and share_below((9.0,), others) == 1.0
    assert share_below((2.0, 9.0), [(1.0, 1.0), (3.0, 2.0)]) == 0.75
    assert share_below((None,), others) is None and share_below((1.0,), [(None,)]) is None


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9), st.integers(-5, 5), st.sampled_from([0.1, 3.0, 50.0]))
def test_the_share_below_depends_on_the_order_alone(others: list[int], mine: int, scale: float) -> None:
    plain = share_below((float(mine),), [(float(n),) for n in others])
    assert share_below((scale * mine**3,), [(scale * n**3,) for n in others]) == plain


def test_a_row_reads_every_architecture() -> None:
    assert score_row("snip", {"a": {"snip": 2}, "b": {"snip": None}, "c": {}}) == [2, None, None]
