"""Flat buffers: where leaves lie, and reductions that see them."""

import pytest
import torch

from search_spaces.optimizer_program.layout import Layout, inner, leaf_inner, means, spread
from search_spaces.optimizer_program.workspace import block_bounds

LAYOUT = Layout(parts=(((2, 3), ()), ((2, 1, 2),)))


def parts(first=0.0):
    return LAYOUT.cut(torch.arange(first, first + 11, dtype=torch.float64))


def test_sizes_follow_the_shapes():
    assert LAYOUT.sizes == ((6, 1), (4,)) and LAYOUT.lengths == (7, 4)
    assert LAYOUT.total == 11 and LAYOUT.leaf_count == 3 and LAYOUT.shapes == ((2, 3), (), (2, 1, 2))


def test_leaves_and_matrices_are_views_in_order():
    given = parts()
    assert [leaf.tolist() for leaf in LAYOUT.leaves(given)] == [[0, 1, 2, 3, 4, 5], [6], [7, 8, 9, 10]]
    assert [tuple(matrix.shape) for matrix in LAYOUT.matrices(given)] == [(2, 3), (1, 1), (2, 2)]
    LAYOUT.matrices(given)[2][1, 0] = -1
    assert given[1].tolist() == [7, 8, -1, 10]


def test_inner_products_over_everything_and_leaf_by_leaf():
    partial, out = torch.empty(2, dtype=torch.float64), torch.empty((), dtype=torch.float64)
    inner(parts(), parts(1), partial, out)
    assert out == sum(i * (i + 1) for i in range(11))
    by_leaf = torch.empty(3, dtype=torch.float64)
    leaf_inner(LAYOUT, parts(), parts(), by_leaf)
    assert by_leaf.tolist() == [55, 36, 49 + 64 + 81 + 100]


@pytest.mark.parametrize(
    ("dim", "expected"),
    [(1, [1, 1, 1, 4, 4, 4, 6, 7.5, 7.5, 9.5, 9.5]), (0, [1.5, 2.5, 3.5, 1.5, 2.5, 3.5, 6, 8, 9, 8, 9])],
)
def test_means_over_rows_and_columns(dim, expected):
    target = LAYOUT.cut(torch.empty(11, dtype=torch.float64))
    means(LAYOUT, parts(), target, dim=dim)
    assert torch.cat(target).tolist() == expected


def test_a_vector_is_one_row():
    layout = Layout(parts=(((4,),),))
    target = (torch.empty(4),)
    means(layout, (torch.arange(4.0),), target, dim=1)
    assert target[0].tolist() == [1.5] * 4
    means(layout, (torch.arange(4.0),), target, dim=0)
    assert target[0].tolist() == [0, 1, 2, 3]


def test_numbers_per_leaf_are_repeated():
    target = LAYOUT.cut(torch.empty(11))
    spread(LAYOUT, torch.tensor([1.0, 2.0, 3.0]), target)
    assert torch.cat(target).tolist() == [1] * 6 + [2] + [3] * 4


@pytest.mark.parametrize(("length", "block"), [(1, 128), (128, 128), (1000, 128), (1001, 128), (190, 128), (64, 1)])
def test_blocks_cover_each_part_once_and_are_of_about_equal_length(length, block):
    layout = Layout(parts=(((length,),), ((3,),)))
    bounds = block_bounds(layout, block=block)
    for part, total in enumerate((length, 3)):
        inside = [(start, size) for one, start, size in bounds if one == part]
        assert [start for start, _ in inside] == [sum(size for _, size in inside[:i]) for i in range(len(inside))]
        assert sum(size for _, size in inside) == total
    assert max(size for _, _, size in bounds) <= max(64, 1.5 * block + 64)
