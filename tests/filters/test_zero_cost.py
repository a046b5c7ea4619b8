"""The screen zero-cost: it rejects only what the study has shown that it can tell."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.contracts import Closed, Objective, Opened, Screen, Verdict
from automl.errors import InvalidSetting, UnknownName
from automl.filters.zero_cost import ZeroCost
from automl.flows.references import Seen
from automl.testing.filter_suite import ScreenSuite

UP = Objective(name="accuracy", direction="maximize", metric="accuracy")
DOWN = Objective(name="loss", direction="minimize", metric="loss")
DROPPED = (Verdict(filter="zero-cost", keep=False, reason="low"),)


def screen(**settings: Any) -> ZeroCost:
    return ZeroCost(**{"objectives": (UP,), "proxy": "snip", **settings})


def study(*trials: tuple[float | None, float | None], dropped: tuple[float, ...] = ()) -> Seen:
    """Returns a study of completed trials (score, value), and of trials with a score that the screen has dropped."""
    seen = Seen()
    for score, value in trials:
        opened = Opened(number=0, genotype={}, fingerprint="", measurements={"net": {"snip": score}})
        seen.finish(opened, Closed(number=0, outcome="completed", reason="", values=(value,)))
    for score in dropped:
        opened = Opened(number=0, genotype={}, fingerprint="", verdicts=DROPPED, measurements={"net": {"snip": score}})
        seen.finish(opened, Closed(number=0, outcome="rejected", reason="zero-cost", values=(None,)))
    return seen


def judged(score: float | None, seen: Seen, **settings: Any) -> Verdict:
    return screen(**settings).judge({}, "f", {"net": {"snip": score}}, seen)


TELLS = study(*((float(n), n / 100) for n in range(20)))
MISLEADS = study(*((float(n), -n / 100) for n in range(20)))
NOISE = study(*((float(n), float(v)) for n, v in enumerate(np.random.default_rng(3).permutation(20))))


class TestZeroCost(ScreenSuite):
    def screen(self) -> Screen:
        return screen()

    def kept(self) -> tuple[Any, ...]:
        return {}, "f", {"net": {"snip": 15.0}}, TELLS

    def dropped(self) -> tuple[Any, ...]:
        return {}, "f", {"net": {"snip": 3.5}}, TELLS


def test_a_low_score_is_dropped_with_all_that_the_trust_rests_on() -> None:
    verdict = judged(3.5, TELLS, keep=0.75)
    assert not verdict.keep and verdict.threshold == 0.25
    assert verdict.reason == "its snip is above that of 20% of the candidates only"
    assert verdict.measured == {
        "score": {"net": 3.5},
        "share_below": 0.2,
        "correlation": pytest.approx(1.0),
        "interval": pytest.approx([1.0, 1.0]),
        "trials": 20,
    }


@pytest.mark.parametrize(("keep", "lowest"), [(0.5, 10), (0.75, 5), (0.9, 2)])
def test_the_bar_is_the_quantile_of_the_scores(keep: float, lowest: int) -> None:
    assert [judged(n - 0.5, TELLS, keep=keep).keep for n in range(21)] == [n >= lowest for n in range(21)]


def test_it_keeps_everything_while_it_learns_and_says_so() -> None:
    few = study(*((float(n), n / 100) for n in range(15)), (99.0, None), (None, 1.0))
    verdict = judged(-1.0, few)
    assert verdict.keep and verdict.reason == "learning: 15 of 16 completed trials"
    assert not judged(-1.0, few, learn=15).keep


def test_it_is_switched_off_where_the_interval_includes_zero() -> None:
    verdict = judged(-1.0, NOISE)
    assert verdict.keep and verdict.reason.startswith("switched off: rank correlation ")
    assert verdict.reason.endswith(" includes zero")
    assert isinstance(verdict.measured, dict)
    low, high = verdict.measured["interval"]
    assert low < 0 < high and f"({low:+.2f} to {high:+.2f})" in verdict.reason


def test_a_proxy_that_ranks_against_its_claim_is_switched_off() -> None:
    verdict = judged(-1.0, MISLEADS)
    assert verdict.keep and verdict.reason == "switched off: rank correlation -1.00 (-1.00 to -1.00) is below zero"


def test_an_objective_to_minimize_turns_the_ranking_round() -> None:
    assert not judged(-1.0, MISLEADS, objectives=(DOWN,)).keep
    assert judged(-1.0, TELLS, objectives=(DOWN,)).keep


def test_a_constant_proxy_or_objective_is_switched_off() -> None:
    verdict = judged(-1.0, study(*[(1.0, n / 9) for n in range(20)]))
    assert verdict.keep and verdict.reason == "switched off: snip or the objective is the same for all trials"


def test_a_candidate_without_a_score_is_kept() -> None:
    verdict = judged(None, TELLS)
    assert verdict.keep and verdict.reason == "snip is undefined"


def test_the_bar_does_not_climb_with_its_own_rejections() -> None:
    trained = [(float(n), n / 100) for n in range(20)]
    climbed = study(*trained, *((float(n), n / 100) for n in range(20, 40)), dropped=())
    honest = study(*trained, *((float(n), n / 100) for n in range(20, 40)), dropped=tuple(range(-20, 0)))
    assert not judged(15.0, climbed).keep and judged(15.0, honest).keep


def test_duplicates_and_what_other_screens_dropped_are_no_reference() -> None:
    seen = study(*((float(n), n / 100) for n in range(20)))
    before = judged(7.0, seen)
    other = (Verdict(filter="cost", keep=False, reason="dear"),)
    opened = Opened(number=0, genotype={}, fingerprint="", verdicts=other, measurements={"net": {"snip": -9.0}})
    seen.finish(opened, Closed(number=0, outcome="rejected", reason="cost", values=(None,)))
    seen.finish(opened, Closed(number=0, outcome="duplicate", reason="of 0", values=(9.0,)))
    assert judged(7.0, seen) == before


@given(st.permutations(range(20)), st.sampled_from([0.01, 1.0, 1e6]), st.floats(-2, 22))
def test_only_the_order_of_the_scores_matters(order: list[int], scale: float, mine: float) -> None:
    plain = study(*((float(n), float(order[n])) for n in range(20)))
    scaled = study(*((scale * n - 7, float(order[n])) for n in range(20)))
    one, other = judged(round(mine, 3), plain), judged(scale * round(mine, 3) - 7, scaled)
    assert (one.keep, one.reason) == (other.keep, other.reason)


def test_it_asks_for_what_it_judges_and_what_it_compares() -> None:
    assert screen().probes == ("snip",)
    assert screen(beside=("naswot", "snip")).probes == ("snip", "naswot")


@pytest.mark.parametrize("settings", [{"keep": 0.0}, {"keep": 1.0}, {"confidence": 1.0}, {"learn": 3}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=r"zero-cost\."):
        screen(**settings)


@pytest.mark.parametrize("settings", [{"proxy": "synflw"}, {"beside": ("fisher",)}])
def test_an_unknown_proxy_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UnknownName, match="proxy"):
        screen(**settings)
