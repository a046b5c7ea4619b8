"""Pictures of programs."""

import itertools
import random

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from search_spaces.optimizer_program.drawing import draw_program
from search_spaces.optimizer_program.program import (
    FIRST_LOCAL,
    UNDEFINED,
    UPDATE,
    Program,
    from_rows,
    is_valid,
    result_kind,
    start_kinds,
)
from search_spaces.optimizer_program.vocabulary import ANY, FUNCTIONS, TREE
from search_spaces.optimizer_program.zoo import DESIGNS


def axes_of(program: Program):
    figure = Figure(figsize=(12, 4) if len(program) <= 15 else (18, 5))
    axes = figure.add_subplot()
    draw_program(program, axes)
    FigureCanvasAgg(figure).draw()
    return axes


def texts(rows) -> list[str]:
    return sorted(text.get_text() for text in axes_of(from_rows(rows)).texts)


def random_program(seed: int, length: int) -> Program:
    """A valid program of this many statements, the last of which writes update."""
    rng, kinds, program = random.Random(seed), start_kinds(), []
    while len(program) < length:
        index = rng.randrange(len(FUNCTIONS))
        arguments = []
        for wanted in FUNCTIONS[index].arguments:
            fitting = [v for v, kind in enumerate(kinds) if kind != UNDEFINED and wanted in (ANY, kind)]
            constant = wanted != TREE and (not fitting or rng.random() < 0.2)
            arguments.append(rng.gauss(0, 1) if constant else rng.choice(fitting) if fitting else 0)
        last = len(program) == length - 1
        target = UPDATE if last else rng.choice([2, 3, *range(FIRST_LOCAL, FIRST_LOCAL + 6)])
        statement = (index, target, *arguments)
        if target >= FIRST_LOCAL or result_kind(statement, kinds) == TREE:
            program.append(statement)
            kinds[target] = result_kind(statement, kinds)
    return tuple(program)


def test_a_picture_shows_the_inputs_the_values_and_the_outputs():
    assert texts(DESIGNS["lion"]) == sorted(
        ["g", "v1", "lr", "interp\n0.9", "sign", "interp\n0.99", "\N{MULTIPLICATION SIGN} 0.0002",
         "\N{MULTIPLICATION SIGN}", "w \N{MINUS SIGN} update", "v1 next"]
    )  # fmt: skip


def test_what_never_reaches_w_is_not_drawn():
    drawn = " ".join(texts(DESIGNS["lion-raw"]))
    assert not {"cosh", "tan", "tanh", "cos", "sign"} & set(drawn.split()) and "v1" not in drawn


def test_a_state_that_reaches_w_through_the_other_is_drawn():
    rows = (("v1", "add", "v1", "v2"), ("v2", "mul", "v2", 0.5), ("v2", "add", "v2", "g"), ("update", "sin", "v1"))
    assert {"v1 next", "v2 next"} <= set(texts(rows))


def test_a_state_that_is_never_written_has_no_output():
    assert "v1 next" not in texts((("update", "add", "v1", "g"),))


def test_equal_values_are_one_box():
    rows = (("x0", "sin", "g"), ("x1", "sin", "g"), ("update", "power", "x0", "x1"))
    assert texts(rows) == sorted(["g", "sin", "^ itself", "w \N{MINUS SIGN} update"])


def test_constants_stand_where_they_belong():
    rows = (
        ("x0", "sub", 1.0, "g"), ("x0", "sub", "x0", 2.0), ("x0", "power", 0.9, "x0"), ("x0", "maximum", "x0", 0.5),
        ("x0", "select", "x0", 1.0, "g"), ("update", "mul", "x0", 3.0),
    )  # fmt: skip
    drawn = texts(rows)
    for label in ("1 \N{MINUS SIGN}", "\N{MINUS SIGN} 2", "0.9 ^", "maximum\n0.5"):
        assert label in drawn
    assert "select\n\N{MIDDLE DOT}, 1, \N{MIDDLE DOT}" in drawn


def lines(rows) -> list[str]:
    """Returns the dash patterns of the lines that are not full."""
    full = [line for line in axes_of(from_rows(rows)).lines if line.get_marker() == "None"]
    return [str(line._unscaled_dash_pattern[1]) for line in full if line._unscaled_dash_pattern[1]]


@pytest.mark.parametrize(
    ("row", "dashed"),
    [(("update", "sub", "g", "w"), 1), (("update", "add", "g", "w"), 0), (("update", "sub", 1.0, "w"), 0),
     (("update", "interp", "g", "w", "lr"), 2), (("update", "cosine_sim", "g", "w"), 0)],
)  # fmt: skip
def test_the_second_and_third_of_ordered_arguments_come_on_broken_lines(row, dashed):
    rows = (("x0", *row[1:]), ("update", "mul", "x0", "g")) if row[1] == "cosine_sim" else (row,)
    assert len(lines(rows)) == dashed


@pytest.mark.parametrize("name", DESIGNS)
def test_data_flows_to_the_right_from_inputs_to_outputs(name):
    axes = axes_of(from_rows(DESIGNS[name]))
    at = {text.get_text(): text.get_position()[0] for text in axes.texts}
    right = max(at.values())
    assert all(x == right for text, x in at.items() if text.endswith(("update", "next")))
    assert all(at[tree] == 0 for tree in ("w", "g", "v1", "v2") if tree in at)
    for line in axes.lines:
        xs = line.get_xdata()
        assert all(one <= other for one, other in itertools.pairwise(xs))


def overlaps(program: Program) -> list[tuple[str, str]]:
    drawn = axes_of(program).texts
    extents = [(text.get_text(), text.get_bbox_patch().get_window_extent()) for text in drawn]
    return [(one[0], other[0]) for one, other in itertools.combinations(extents, 2) if one[1].overlaps(other[1])]


def test_boxes_of_designs_do_not_overlap():
    for name, rows in DESIGNS.items():
        assert not overlaps(from_rows(rows)), name


@pytest.mark.parametrize("length", [5, 12, 25])
def test_boxes_of_random_programs_do_not_overlap(length):
    for seed in range(12):
        program = random_program(seed, length)
        assert is_valid(program)
        assert not overlaps(program)


@pytest.mark.parametrize("rows", [(("update", "randn"),), (("update", "power", "w", 0.0),)])
def test_a_program_that_does_not_learn_can_be_drawn(rows):
    assert len(texts(rows)) == len(rows) + 1 + ("w" in rows[0])
