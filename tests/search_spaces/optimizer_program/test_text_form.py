"""Programs as text: what is printed reads back, and nothing but programs is read."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InvalidGenotype
from search_spaces.optimizer_program.program import MOST_STATEMENTS, VARIABLES, from_rows
from search_spaces.optimizer_program.text_form import LONGEST_LINE, LONGEST_TEXT, parse, to_line, to_text
from search_spaces.optimizer_program.vocabulary import EXTENDED, FUNCTIONS, LION
from search_spaces.optimizer_program.zoo import DESIGNS

LION_TEXT = """update = interp(g, v1, 0.9)
update = sign(update)
v1 = interp(g, v1, 0.99)
lr = lr * 0.0002
update = update * lr"""

SOUP = (
    *VARIABLES, *(function.name for function in FUNCTIONS), "=", "+", "-", "*", "/", "(", ")", ",", "#", "\n", "\r\n",
    "\t", " ", "0.9", "-0.5", "1e-08", "1e999", "0x10", "1_000", "inf", "nan", "1", ".", ".5", "1e", "==", ":=", "**",
    "[0]", "'g'", '"', "lambda x: x", "__import__('os')", "g.data", "\0", "\ufeff", "\u2028", "\u0445", "\uff0b", "\\",
    "((((", "))))", "if", "return", "update = g", "x17", "v3", ";", "{", "}", "@", "\x0c", "\ud800", "\U0001f600", "٣",
)  # fmt: skip


def refusal(text, *, vocabulary=LION):
    with pytest.raises(InvalidGenotype) as caught:
        parse(text, vocabulary=vocabulary)
    return caught.value


def test_lion_reads_as_one_writes_it():
    assert to_text(from_rows(DESIGNS["lion"])) == LION_TEXT
    assert parse(LION_TEXT, vocabulary=LION) == from_rows(DESIGNS["lion"])


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (("x0", "add", "g", -0.5), "x0 = g + -0.5"),
        (("x0", "sub", -0.5, "g"), "x0 = -0.5 - g"),
        (("x3", "pi"), "x3 = pi()"),
        (("x0", "div", "v1", 1e-8), "x0 = v1 / 1e-08"),
        (("x0", "power", 0.9, "t"), "x0 = power(0.9, t)"),
        (("x0", "mul", "g", 1e10), "x0 = g * 10000000000.0"),
        (("v1", "select", "g", 0.1 + 0.2, "w"), "v1 = select(g, 0.30000000000000004, w)"),
    ],
)
def test_a_statement_is_one_line(row, line):
    (statement,) = from_rows([row])
    assert to_line(statement) == line
    assert parse(f"{line}\nupdate = abs(g)", vocabulary=EXTENDED)[0] == statement


@pytest.mark.parametrize("name", DESIGNS)
def test_published_designs_come_back(name):
    program = from_rows(DESIGNS[name])
    assert parse(to_text(program), vocabulary=EXTENDED) == program


@given(data=st.data())
def test_what_is_printed_reads_back_digit_for_digit(programs, data):
    program = data.draw(programs())
    text = to_text(program)
    again = parse(text, vocabulary=EXTENDED)
    assert repr(again) == repr(program)  # repr tells -0.0 from 0.0
    assert to_text(again) == text
    assert max(len(line) for line in text.split("\n")) <= LONGEST_LINE


@pytest.mark.parametrize(
    "text",
    [
        LION_TEXT.replace("\n", "\r\n"),
        "\ufeff" + LION_TEXT,
        "# Lion\n\n" + LION_TEXT.replace("\n", "  # näher an g, ja\n\n\t"),
        LION_TEXT.replace(" ", "") + "\n",
        LION_TEXT.replace(" ", " \t "),
        LION_TEXT.replace("lr * 0.0002", "mul(lr, 2e-4)").replace("0.9)", ".9)"),
    ],
    ids=["CRLF", "byte order mark", "comments", "no spaces", "many spaces", "calls and other numbers"],
)
def test_layout_is_free(text):
    assert parse(text, vocabulary=LION) == from_rows(DESIGNS["lion"])


@pytest.mark.parametrize(
    ("argument", "value"),
    [("1", 1.0), ("1.", 1.0), (".5", 0.5), ("-2", -2.0), ("- 2", -2.0), ("1E+3", 1000.0), ("007", 7.0), ("-0.0", 0.0)],
)
def test_decimal_numbers_are_floats(argument, value):
    given = parse(f"update = g * {argument}", vocabulary=LION)[0][3]
    assert type(given) is float and given == value


def test_a_minus_between_arguments_needs_no_spaces():
    assert parse("update = g-1.0", vocabulary=LION) == parse("update = g - 1.0", vocabulary=LION)
    assert parse("update = g--1.0", vocabulary=LION) == parse("update = g - -1.0", vocabulary=LION)


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("x0 = g", 7, "no copy, use g where x0 is read"),
        ("x0 = 0.5", 9, "no copy, use 0.5"),
        ("x0 = -g", 7, "negative(variable)"),
        ("x0 = sqrt(square(g))", 11, "nothing nests"),
        ("x0 = (g + w) * lr", 6, "nothing nests"),
        ("x0 = g * lr + w", 13, "one function a line"),
        ("x0 = square(g) * lr", 16, "one function a line"),
        ("x0 = sqare(g)", 6, "did you mean 'square'?"),
        ("x0 = udpate * g", 6, "did you mean 'update'?"),
        ("x17 = g * g", 1, "x16"),
        ("x0 = leaf_dot(g, g)", 6, "vocabulary 'lion'"),
        ("x0 = g * t", 1, "t is not an input in the vocabulary 'lion'"),
        ("x0 = dot(lr, g)", 1, "dot takes a tree where lr is a scalar"),
        ("  x0 = x1 * g", 3, "x1 is read before it is assigned"),
        ("x0 = interp(g, w)", 1, "interp takes 3 arguments, not 2"),
        ("x0 = pi(", 9, "a variable or a number"),
        ("x0 = square(g,)", 15, "a variable or a number"),
        ("x0 = square(g w)", 15, "a comma"),
        ("x0 = square g", 6, "a variable"),
        ("x0 == g * g", 5, "a variable or a number"),
        ("x0 += g", 4, "then ="),
        ("x0 := g * g", 4, "U+003A COLON"),
        ("g.data = g * g", 2, "U+002E FULL STOP"),
        ("x0 = g[0] * g", 7, "U+005B LEFT SQUARE BRACKET"),
        ("x0 = 'g' * g", 6, "U+0027 APOSTROPHE"),
        ("x0 = lambda", 6, "a variable"),
        ("x0 = __import__(g)", 6, "a function"),
        ("import os", 1, "a variable"),
        ("\u0445" + "0 = g * g", 1, "U+0445 CYRILLIC SMALL LETTER HA"),
        ("x0 = g \uff0b g", 8, "U+FF0B FULLWIDTH PLUS SIGN"),
        ("x0 = g * ٣", 10, "ARABIC-INDIC DIGIT THREE"),
        ("x0 = g * g\x00", 11, "U+0000"),
        ("x0 = g * g\r\r", 11, "U+000D"),
        ("x0 = g\r* g", 7, "U+000D"),
        ("x0 = g * g # \u202e", 14, "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("x0 = g * \ud800", 10, "U+D800"),
        ("x0 = g * 1_000", 10, "a decimal number"),
        ("x0 = g * 0x10", 10, "a decimal number"),
        ("x0 = g * 1.2.3", 10, "a decimal number"),
        ("x0 = g * 1e", 10, "a decimal number"),
        ("x0 = g * 1j", 10, "a decimal number"),
        ("x0 = g * inf", 10, "a variable"),
        ("x0 = g * -nan", 11, "a number behind the minus sign"),
        ("x0 = g * 1e999", 1, "numbers between -1e10 and 1e10"),
        ("x0 = g ** 2", 9, "a variable or a number"),
        ("(((((", 1, "a variable"),
    ],
)
def test_a_refusal_names_place_and_remedy(line, column, words):
    error = refusal(f"v1 = g + v1\n{line}\nupdate = g * lr")
    assert error.where == f"line 2, column {column}"
    assert words in error.allowed


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "\ufeff"])
def test_a_text_without_statements_is_refused(text):
    assert "0 statements" in refusal(text).allowed


def test_a_program_without_update_is_refused_at_its_last_line():
    error = refusal("v1 = g + v1\n\nx0 = g * g\n# end\n")
    assert error.where == "line 3, column 1"
    assert "update is never assigned" in error.allowed


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("x" * 10_000_000, "length of the text"),
        ("\n" * (LONGEST_TEXT + 1), "length of the text"),
        ("v1 = g + g\n" + "(" * 5000, "line 2"),
        ("x0 = square(" + "g, " * 200, "line 1"),
        ("update = g * lr\n" * (MOST_STATEMENTS + 1), f"line {MOST_STATEMENTS + 1}"),
    ],
    ids=["long text", "many lines", "brackets", "long line", "many statements"],
)
def test_sizes_are_bounded(text, where):
    error = refusal(text)
    assert error.where == where
    assert len(str(error)) < 300


def test_the_longest_program_is_read():
    assert len(parse("update = g * lr\n" * MOST_STATEMENTS, vocabulary=LION)) == MOST_STATEMENTS


def _fuzzed(rng, texts):
    """A valid text with a few letters or words replaced, a soup of words, or noise."""
    match rng.randrange(5):
        case 0:
            text = rng.choice(texts)
            for _ in range(rng.randrange(1, 4)):
                place, width = rng.randrange(len(text) + 1), rng.randrange(3)
                text = text[:place] + rng.choice((*SOUP, "", "")) + text[place + width :]
            return text
        case 1:
            words = re.split(r"([^\w.])", rng.choice(texts))
            for _ in range(rng.randrange(1, 3)):
                words[rng.randrange(len(words))] = rng.choice(rng.choice((VARIABLES, SOUP, ("+", "0.5", "\n", " "))))
            return "".join(words)
        case 2:
            return rng.choice(("", " ")).join(rng.choices(SOUP, k=rng.randrange(1, 40)))
        case 3:
            words = (rng.choice(VARIABLES), "=", rng.choice(SOUP), rng.choice("+-*/(,"), rng.choice(SOUP), ")")
            return " ".join(words[: rng.randrange(3, 7)]) + "\nupdate = g * lr"
        case _:
            return "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x110000)))) for _ in range(30))


def _count_programs(inputs, seed):
    rng = random.Random(seed)
    texts = [to_text(from_rows(rows)) for rows in DESIGNS.values() if len(rows) < 12]
    valid = 0
    for _ in range(inputs):
        text = _fuzzed(rng, texts)
        try:
            program = parse(text, vocabulary=EXTENDED)
        except InvalidGenotype as error:
            assert len(str(error)) < 700, text
            continue
        assert parse(to_text(program), vocabulary=EXTENDED) == program, text
        valid += 1
    return valid


def test_damaged_texts_are_refused_or_are_programs():
    assert _count_programs(10_000, seed=0) > 100


@pytest.mark.slow
def test_many_damaged_texts_are_refused_or_are_programs():
    assert _count_programs(200_000, seed=1) > 2000


@given(st.text(max_size=200))
def test_any_text_is_refused_or_is_a_program(text):
    try:
        parse(text, vocabulary=LION)
    except InvalidGenotype as error:
        assert error.where
