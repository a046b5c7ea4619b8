"""What the 24 operators compute, by hand numbers."""

import math

import pytest
import torch

from automl.errors import InvalidSetting
from search_spaces.norm_act.operators import (
    BINARY,
    COMMUTATIVE,
    EPS,
    OPERATORS,
    TABLE,
    aggregate,
    element_wise,
    fitting_groups,
    statistic,
)


def _on(name: str, *numbers: float) -> float:
    return element_wise(name, *(torch.tensor(number, dtype=torch.float64) for number in numbers), eps=EPS).item()


def test_table_holds_twelve_element_wise_operators_and_twelve_aggregates():
    assert len(OPERATORS) == len(set(OPERATORS)) == 24
    assert sum(operator.kind == "aggregate" for operator in TABLE.values()) == 12
    assert {"add", "mul", "div", "max"} == BINARY
    assert {"add", "mul", "max"} == COMMUTATIVE


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("log", (-math.e,), -1.0),
        ("log", (0.5,), -0.693147180559945),
        ("log", (-0.5,), 0.693147180559945),
        ("log", (0.0,), 0.0),
        ("log", (1e-9,), math.log(EPS)),
        ("sqrt", (-4.0,), -2.0),
        ("sqrt", (0.0,), 0.0),
        ("square", (-3.0,), 9.0),
        ("abs", (-3.0,), 3.0),
        ("neg", (2.0,), -2.0),
        ("max", (2.0, -3.0), 2.0),
        ("div", (3.0, 4.0), 0.75),
        ("div", (3.0, -EPS), -3.0 / EPS),
        ("div", (3.0, 0.0), 3.0 / EPS),
        ("div", (3.0, -0.0), 3.0 / EPS),
        ("div", (3.0, -1e-9), -3.0 / EPS),
        ("sigmoid", (0.0,), 0.5),
        ("exp", (0.0,), 1.0),
        ("tanh", (0.5,), math.tanh(0.5)),
    ],
)
def test_element_wise_operator_gives_the_hand_number(name, arguments, expected):
    assert _on(name, *arguments) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("index_set", ["bwh", "whc", "wh", "whcg"])
def test_aggregate_equals_the_moment_over_the_index_set(index_set):
    x = torch.randn(3, 4, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grouped = x.view(3, 2, 2, 2, 5)
    over = {"bwh": (0, 2, 3), "whc": (1, 2, 3), "wh": (2, 3)}
    for moment in ("mean", "rms", "std"):
        value = aggregate(statistic(x, moment=moment, index_set=index_set, groups=2), moment=moment, eps=EPS)
        t, axes = (grouped, (2, 3, 4)) if index_set == "whcg" else (x, over[index_set])
        expected = {
            "mean": t.mean(axes, keepdim=True),
            "rms": (t.square().mean(axes, keepdim=True) + EPS).sqrt(),
            "std": (t.var(axes, unbiased=False, keepdim=True) + EPS).sqrt(),
        }[moment]
        torch.testing.assert_close(value.expand_as(x), expected.expand_as(t).reshape(x.shape), rtol=1e-12, atol=1e-12)


def test_variance_of_a_large_mean_does_not_cancel():
    x = 1e4 + torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    found = statistic(x, moment="std", index_set="bwh", groups=1)
    expected = x.double().var((0, 2, 3), unbiased=False, keepdim=True)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("channels", "groups", "expected"), [(32, 8, 8), (12, 8, 6), (7, 8, 7), (13, 8, 1), (64, 32, 32)]
)
def test_groups_are_lowered_until_they_divide_the_channels(channels, groups, expected):
    assert fitting_groups(channels, groups) == expected


def test_groups_below_one_are_refused():
    with pytest.raises(InvalidSetting, match="groups=0"):
        fitting_groups(8, 0)


def test_formula_text_fills_in_the_arguments():
    assert TABLE["div"].text("x", TABLE["std_wh"].text("x")) == "(x / std_wh(x))"
