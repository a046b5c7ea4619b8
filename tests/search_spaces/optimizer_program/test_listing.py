"""Programs line by line: what each does, what is dead, what is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.optimizer_program.canonical_form import needed_statements
from search_spaces.optimizer_program.listing import flow, listing, live
from search_spaces.optimizer_program.listing import given as origin_of
from search_spaces.optimizer_program.program import V1, V2, G, from_rows
from search_spaces.optimizer_program.text_form import parse, to_text
from search_spaces.optimizer_program.vocabulary import EXTENDED
from search_spaces.optimizer_program.zoo import DESIGNS

KEEPS, DEAD = "keeps {} for the next step", ("never read", "no effect on update")


def told(text):
    return [line for _, line in listing(parse(text, vocabulary=EXTENDED))]


def test_lion_line_by_line():
    assert listing(from_rows(DESIGNS["lion"])) == (
        (
            "update = interp(g, v1, 0.9)",
            "(1 - 0.9) g + 0.9 v1: v1 fading towards g; v1 is what the last step left, 0 at first",
        ),
        ("update = sign(update)", "sign of update: -1, 0 or 1"),
        (
            "v1 = interp(g, v1, 0.99)",
            "(1 - 0.99) g + 0.99 v1: v1 fading towards g; keeps v1 for the next step; averages over about 100 steps",
        ),
        ("lr = lr * 0.0002", "product of lr and 0.0002"),
        ("update = update * lr", "product of update and lr; the step: w becomes w - update"),
    )


def test_the_origins_of_values_follow_overwritten_variables():
    known = flow(parse("g = g * 0.5\nv1 = g + v1\ng = g - v1\nupdate = g * lr", vocabulary=EXTENDED))
    assert known.reads == ((origin_of(G), 0.5), (0, origin_of(V1)), (0, 1), (2, origin_of(4)))
    assert known.last == (3, 1, origin_of(V2))


@pytest.mark.parametrize(
    ("line", "steps"),
    [
        ("v1 = interp(g, v1, 0.9)", 10),
        ("v1 = interp(g, v1, 0.999)", 1000),
        ("v1 = interp(g, v1, 0.8999999761581421)", 10),
        ("v1 = interp(v1, g, 0.1)", 10),
        ("v1 = interp(v1, g, 0.001)", 1000),
    ],
)
def test_an_exponential_average_is_told_in_steps(line, steps):
    assert told(f"{line}\nupdate = v1 * lr")[0].endswith(f"; averages over about {steps} steps")


@pytest.mark.parametrize(
    "lines",
    [
        "v1 = interp(g, v1, lr)\nupdate = v1 * lr",
        "v1 = interp(g, v1, 1.1)\nupdate = v1 * lr",
        "v1 = interp(g, v1, 0.3)\nupdate = v1 * lr",
        "v1 = interp(v1, v1, 0.9)\nupdate = v1 * lr",
        "v1 = interp(g, v2, 0.9)\nv2 = v1 + g\nupdate = v1 * lr",
        "v1 = clip(v1, 1)\nv1 = interp(g, v1, 0.9)\nupdate = v1 * lr",
        "v1 = interp(g, v1, 0.9)\nv1 = sin(v1)\nupdate = v1 * lr",
        "v1 = interp(g, v1, 0.9)\nupdate = g * lr",
        "update = interp(g, v1, 0.9)\nv1 = v1 + g",
    ],
    ids=["no constant", "beyond 1", "forgets at once", "of one value", "of the other state", "changed before",
         "changed after", "never used", "not kept"],
)  # fmt: skip
def test_other_mixtures_are_not_called_averages(lines):
    assert not any("averages" in line for line in told(lines))


def test_dead_statements_of_the_raw_discovery_are_marked():
    lines = listing(from_rows(DESIGNS["lion-raw"]))
    dead = {text for text, meaning in lines if meaning.endswith(DEAD)}
    # 13 of 21 are live in the published sense; v1 = cosh(update) too, but no later step reads it
    assert dead == {
        "v1 = clip(v1, lr)", "x0 = sqrt(0.6270633339881897)", "x1 = sign(v2)", "x1 = v2 - v2", "x0 = tanh(x0)",
        "x2 = square(x2)", "v1 = cosh(update)", "lr = tan(1.4572199583053589)", "lr = cos(x0)",
    }  # fmt: skip
    assert dict(lines)["v1 = clip(v1, lr)"].endswith("never read")
    assert dict(lines)["x0 = tanh(x0)"].endswith("no effect on update")


def test_a_state_is_remembered_where_it_is_written_last_and_only_if_it_matters():
    lines = told("v1 = v1 + g\nv2 = v2 + g\nv1 = v1 * 0.9\nupdate = v1 * lr")
    assert [KEEPS.format("v1") in line for line in lines] == [False, False, True, False]
    assert lines[1].endswith("no effect on update")  # v2 is read, but only to be kept
    assert not any(KEEPS.format("v2") in line for line in lines)


def test_the_old_value_of_a_state_is_told_once_and_where_it_matters():
    lines = told("x0 = abs(v1)\nx1 = v1 * g\nx2 = v1 + x1\nv1 = v1 + g\nupdate = x2 * lr")
    assert ["0 at first" in line for line in lines] == [False, True, False, False, False]


@given(data=st.data())
def test_every_statement_has_a_line_and_only_the_needed_ones_are_not_dead(programs, data):
    program = data.draw(programs(longest=25))
    lines = listing(program)
    assert "\n".join(text for text, _ in lines) == to_text(program)
    alive = [place for place, (_, meaning) in enumerate(lines) if not meaning.endswith(DEAD)]
    assert tuple(alive) == needed_statements(program)
    assert sorted(number for number in live(flow(program)) if number >= 0) == alive
    assert sum("the step:" in meaning for _, meaning in lines) == 1
    assert not any("{" in meaning for _, meaning in lines)
