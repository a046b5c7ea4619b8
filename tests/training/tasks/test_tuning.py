import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidSetting
from automl.training.tasks.digits import Digits
from automl.training.tasks.digits_archs import DigitsArchs
from automl.training.tasks.tuning import grid_overrides, require_grid

RATES = st.lists(st.floats(1e-9, 1e3), max_size=8, unique=True)
DECAYS = st.lists(st.floats(0, 10), max_size=8, unique=True)


def test_empty_grid_is_the_tasks_own_point() -> None:
    assert grid_overrides((), ()) == ({},)


def test_grid_holds_every_pair_with_learning_rates_outermost() -> None:
    assert grid_overrides((0.1, 1), (0, 0.5)) == (
        {"learning_rate": 0.1, "weight_decay": 0.0},
        {"learning_rate": 0.1, "weight_decay": 0.5},
        {"learning_rate": 1.0, "weight_decay": 0.0},
        {"learning_rate": 1.0, "weight_decay": 0.5},
    )


@given(RATES, DECAYS)
def test_points_are_distinct_and_vary_only_what_was_given(rates: list[float], decays: list[float]) -> None:
    require_grid(rates, decays)
    points = grid_overrides(rates, decays)
    assert len({tuple(sorted(point.items())) for point in points}) == (len(rates) or 1) * (len(decays) or 1)
    names = {"learning_rate": rates, "weight_decay": decays}
    assert all(set(point) == {name for name, values in names.items() if values} for point in points)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rates": (0.0,)}, "learning_rates.*> 0"),
        ({"learning_rates": (-1.0, 0.1)}, "learning_rates.*> 0"),
        ({"learning_rates": (math.inf,)}, "learning_rates.*finite"),
        ({"learning_rates": (math.nan,)}, "learning_rates.*finite"),
        ({"learning_rates": (True,)}, "learning_rates"),
        ({"learning_rates": ("0.1",)}, "learning_rates"),
        ({"learning_rates": 0.1}, "learning_rates"),
        ({"learning_rates": "0.1"}, "learning_rates"),
        ({"learning_rates": (1, 0.1, 1.0)}, "drop what stands twice"),
        ({"weight_decays": (-0.1,)}, "weight_decays.*>= 0"),
        ({"weight_decays": (0, 0.0)}, "drop what stands twice"),
        ({"learning_rates": range(1, 10), "weight_decays": range(8)}, "9 learning rates x 8 .* at most 64"),
    ],
)
def test_unusable_grids_are_refused_by_name(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        Digits(**settings)


def test_grid_points_are_alternative_legs_of_each_variant() -> None:
    task = DigitsArchs(learning_rates=(0.1, 0.3))
    for purpose in ("search", "rerank"):
        assert [leg.key for leg in task.legs(purpose)] == [
            f'{variant}{{"learning_rate":{rate}}}' for variant in task.variants for rate in (0.1, 0.3)
        ]
    assert all(task.rungs(leg)[-1] == (100, 300) for leg in task.legs("search"))
