"""Which kernels a program becomes, and which guards fall where they are provably not needed."""

import pytest

from search_spaces.optimizer_program.lowering import lower
from search_spaces.optimizer_program.placement import place
from search_spaces.optimizer_program.program import from_rows
from search_spaces.optimizer_program.selection import select
from search_spaces.optimizer_program.zoo import DESIGNS


def operations(rows):
    return [one.operation for one in select(lower(from_rows(rows)))]


def test_adamw_is_five_kernels():
    expected = ["lerp", "scaled_addcmul", "root", "affine", "addcdiv"]
    assert sorted(operations(DESIGNS["adamw-corrected"])) == sorted(expected)


def test_lion_is_four_kernels_whatever_scales_its_update():
    assert sorted(operations(DESIGNS["lion"])) == ["fma", "lerp", "lerp", "sign"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["x0", "mul", "g", "v1"], ["update", "add", "x0", "w"], ["update", "sign", "update"]],
         ["addcmul", "sign", "fma"]),
        ([["x0", "mul", "g", "v1"], ["update", "add", "x0", "w"], ["update", "mul", "update", "x0"]],
         ["mul", "add", "addcmul"]),
        ([["update", "mul", "g", 2.0], ["update", "negative", "update"], ["update", "div", "update", "lr"]], ["fma"]),
        ([["x0", "sqrt", "w"], ["update", "mul", "x0", "lr"]], ["sqrt", "fma"]),
        ([["v1", "add", "v1", "g"], ["update", "sqrt", "v1"]], ["add", "sqrt", "fma"]),
        ([["v1", "abs", "g"], ["x0", "sqrt", "v1"], ["update", "mul", "x0", "lr"]], ["abs", "root", "fma"]),
        ([["x0", "square", "g"], ["x0", "add", "x0", 0.1], ["update", "div", "g", "x0"]],
         ["square", "shift", "addcdiv"]),
        ([["x0", "add", "g", 0.1], ["update", "div", "g", "x0"]], ["shift", "div_finite", "fma"]),
        ([["x0", "square", "g"], ["update", "div", "g", "x0"]], ["square", "div_nonnegative", "fma"]),
        ([["x0", "log", "g"], ["update", "div", "x0", "g"]], ["log", "div", "fma"]),
        ([["update", "mul", "g", "w"]], ["mul", "fma"]),
    ],
)  # fmt: skip
def test_fusion_follows_the_algebra(rows, expected):
    assert operations(rows) == expected


def test_a_program_without_reductions_is_one_pass_with_temporaries_of_one_block():
    values = lower(from_rows(DESIGNS["adamw-corrected"]))
    placed = place(values, select(values))
    assert len(placed.passes) == 1 and placed.whole_slots == () and len(placed.block_slots) == 1


def test_a_norm_of_the_gradient_costs_a_second_pass_and_no_buffer():
    rows = [["x0", "global_norm", "g"], ["x1", "square", "g"], ["x1", "div", "x1", "x0"], ["update", "mul", "x1", 0.1]]
    values = lower(from_rows(rows))
    placed = place(values, select(values))
    assert len(placed.passes) == 2 and placed.whole_slots == ()
    assert not placed.passes[0].blocks
