"""Formulas and equations: short, and the same function as the program.

The oracle: program and text are evaluated in the field of integers modulo a prime, where + - * / and powers 2 and 3 are
exact and every other function is an arbitrary one, told by name and arguments. Two texts that differ as rational
functions agree there with chance about 1e-17 (Schwartz 1980, Zippel 1979).
"""

import ast
import hashlib
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.optimizer_program.canonical_form import simplify
from search_spaces.optimizer_program.formula import LONGEST, WIDEST, formula, mathematics
from search_spaces.optimizer_program.program import FIRST_LOCAL, INPUTS, UPDATE, V1, V2, VARIABLES, from_rows
from search_spaces.optimizer_program.text_form import parse
from search_spaces.optimizer_program.vocabulary import EXTENDED, FUNCTIONS, INDEX, Vocabulary
from search_spaces.optimizer_program.zoo import DESIGNS

PRIME = (1 << 61) - 1
START = {VARIABLES[one]: 1_234_567_891_011 * (one + 3) ** 5 % PRIME for one in INPUTS}
TIDY = st.sampled_from([0.9, 0.99, 0.5, -0.25, 1e-08, 2.0, 3.0, 1.0, -1.0, 0.0])
"""Constants that need no rounding."""

ARITHMETIC = Vocabulary(
    name="arithmetic",
    functions=tuple(
        INDEX[name]
        for name in ("add", "sub", "mul", "div", "negative", "reciprocal", "square", "power", "abs", "interp")
    ),
    step=True,
)
"""Where signs and parentheses can go wrong."""


def inverse(number):
    return pow(number, PRIME - 2, PRIME)  # 0 for 0, as the language divides


def constant(text):
    number = Fraction(text)
    return number.numerator * inverse(number.denominator) % PRIME


def arbitrary(name, arguments):
    text = f"{name}{arguments}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") % PRIME


def apply(name, arguments):
    match name, arguments:
        case ("add", [x, y]):
            return (x + y) % PRIME
        case ("sub", [x, y]):
            return (x - y) % PRIME
        case ("mul", [x, y]):
            return x * y % PRIME
        case ("div", [x, y]):
            return x * inverse(y) % PRIME
        case ("reciprocal", [x]):
            return inverse(x)
        case ("negative", [x]):
            return -x % PRIME
        case ("square", [x]) | ("power", [x, 2]):
            return x * x % PRIME
        case ("cube", [x]) | ("power", [x, 3]):
            return x**3 % PRIME
        case ("interp", [x, y, a]):
            return ((1 - a) * x + a * y) % PRIME
        case ("eps", []):
            return constant("1e-08")
    return arbitrary({"maximum": "max", "minimum": "min"}.get(name, name), arguments)


def of_program(program):
    """update, v1 and v2 after one step."""
    values = {one: START[VARIABLES[one]] for one in INPUTS}
    for function, target, *arguments in program:
        read = [values[one] if isinstance(one, int) else constant(repr(one)) for one in arguments]
        values[target] = apply(FUNCTIONS[function].name, read)
    return {"update": values[UPDATE], "v1'": values[V1], "v2'": values[V2]}


SIGNS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power"}


def of_text(text, values):
    """A right-hand side as people read it: powers first, then products from left to right, then sums."""
    python = re.sub(r"\|([^|]*)\|", r"abs(\1)", text).replace("^", "**").replace("'", "_next")
    return walk(ast.parse(python, mode="eval").body, python, values)


def walk(node, text, values):
    match node:
        case ast.Constant():
            return constant(ast.get_source_segment(text, node))
        case ast.Name(id="pi" | "e" as name) if name not in values:
            return apply(name, [])
        case ast.Name(id=name):
            return values[name.replace("_next", "'")]
        case ast.UnaryOp(op=ast.USub(), operand=x):
            return -walk(x, text, values) % PRIME
        case ast.BinOp(left=x, op=sign, right=y):
            return apply(SIGNS[type(sign)], [walk(x, text, values), walk(y, text, values)])
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return apply(name, [walk(one, text, values) for one in arguments])
    raise AssertionError(ast.dump(node))


def of_equations(equations):
    waiting, values = dict(equation.split(" = ") for equation in equations), dict(START)
    assert len(waiting) == len(equations)
    while waiting:
        ready = [name for name, text in waiting.items() if not (words(text) & waiting.keys())]
        assert ready, "equations that define each other"
        for name in ready:
            values[name] = of_text(waiting.pop(name), values)
    return values


def words(text):
    return set(re.findall(r"[a-z]\w*'?", text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sgd", "update = 0.1*lr*g"),
        ("momentum", "update = 0.1*lr*v1'; v1' = 0.9*v1 + g"),
        ("nesterov", "update = 0.1*lr*(0.9*v1' + g); v1' = 0.9*v1 + g"),
        ("lion", "update = 0.0002*lr*sign(interp(g, v1, 0.9)); v1' = interp(g, v1, 0.99)"),
        (
            "adamw",
            "update = 0.001*lr*(v1'/sqrt(v2') + 0.01*w); v1' = interp(g, v1, 0.9); v2' = interp(g^2, v2, 0.999)",
        ),
    ],
)
def test_published_designs_read_as_in_the_papers(name, text):
    assert formula(from_rows(DESIGNS[name])) == text


def test_equations_write_averages_out_and_number_their_lines():
    assert mathematics(from_rows(DESIGNS["adamw"])) == (
        "(1) v1' = 0.9*v1 + (1 - 0.9)*g",
        "(2) v2' = 0.999*v2 + (1 - 0.999)*g^2",
        "(3) update = 0.001*lr*(v1'/sqrt(v2') + 0.01*w)",
    )


def test_an_old_and_a_new_state_are_told_apart():
    program = parse("x0 = g - v1\nv1 = v1 * 0.9\nv1 = v1 + g\nupdate = x0 * v1", vocabulary=EXTENDED)
    assert mathematics(program) == ("(1) v1' = 0.9*v1 + g", "(2) update = (g - v1)*v1'")


def test_what_a_state_held_within_a_step_is_no_state():
    program = parse("v1 = v1 * 0.9\nupdate = v1 * g\nv1 = w + v1", vocabulary=EXTENDED)
    assert mathematics(program) == ("(1) update = 0.9*v1*g", "(2) v1' = w + 0.9*v1")


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("x0 = w + g\nupdate = x0 * lr", "lr*(w + g)"),
        ("x0 = w + g\nupdate = t - x0", "t - (w + g)"),
        ("x0 = w - g\nupdate = t + x0", "t + w - g"),
        ("x0 = negative(g)\nupdate = w + x0", "w - g"),
        ("x0 = g * -0.5\nupdate = w - x0", "w + 0.5*g"),
        ("x0 = w + g\nx0 = negative(x0)\nupdate = square(x0)", "(-(w + g))^2"),
        ("x0 = square(g)\nx0 = negative(x0)\nupdate = square(x0)", "(-g^2)^2"),
        ("x0 = square(g)\nupdate = cube(x0)", "(g^2)^3"),
        ("x0 = w / g\nupdate = lr / x0", "lr/(w/g)"),
        ("x0 = w / g\nupdate = x0 / lr", "w/g/lr"),
        ("x0 = w * g\nupdate = lr / x0", "lr/(w*g)"),
        ("x0 = power(w, -0.8)\nupdate = g / x0", "g/w^(-0.8)"),
        ("x0 = abs(g)\nx0 = x0 - 1\nupdate = abs(x0)", "abs(|g| - 1)"),
        ("x0 = pi()\nupdate = g * x0", "pi*g"),
        ("x0 = eps()\nupdate = g + x0", "g + 1e-08"),
        ("x0 = reciprocal(lr)\nupdate = maximum(g, x0)", "max(g, 1/lr)"),
        ("update = g * 1", "g"),
        ("update = g + 0", "g"),
        ("x0 = g / 0\nupdate = x0 + w", "w"),
    ],
)
def test_signs_and_parentheses_stand_where_they_are_needed(lines, text):
    assert mathematics(parse(lines, vocabulary=EXTENDED)) == (f"(1) update = {text}",)


def test_a_short_value_is_repeated_and_a_long_one_named():
    short = parse("x0 = square(g)\nx1 = tanh(x0)\nupdate = x1 + x0", vocabulary=EXTENDED)
    long = parse("x0 = interp(g, w, lr)\nx1 = tanh(x0)\nupdate = x1 - x0", vocabulary=EXTENDED)
    assert formula(short) in ("update = tanh(g^2) + g^2", "update = g^2 + tanh(g^2)")
    assert formula(long) == "update = tanh(a1) - a1; a1 = interp(g, w, lr)"


@pytest.mark.parametrize(
    ("constant", "text"),
    [
        (0.8999999761581421, "0.9"),
        (0.99999, "0.99999"),
        (0.0002171761734643951, "0.000217"),
        (1.109133005142212, "1.1091"),
        (20.0, "20"),
        (-1e10, "-10000000000"),
    ],
)
def test_constants_of_a_formula_are_rounded_but_never_to_another_decay(constant, text):
    program = from_rows([("x0", "tanh", "g"), ("update", "power", "x0", constant)])
    shown = f"({text})" if constant < 0 else text
    assert formula(program) == f"update = tanh(g)^{shown}"
    assert mathematics(program)[0].endswith(f"^{f'({text})' if constant < 0 else repr(constant).removesuffix('.0')}")


def test_a_long_formula_is_cut_between_words():
    line = formula(from_rows(DESIGNS["adamp"]))
    assert line.endswith("...") and LONGEST - 40 < len(line) <= LONGEST
    assert line.startswith("update = 0.001*lr/(1 - 0.9^t)*(a1 - ")


def test_what_does_not_move_w_is_not_written():
    program = from_rows(DESIGNS["momentum"])
    weight = from_rows([("x5", "cosh", "w"), ("v2", "mul", "v2", "x5"), ("x6", "div", "v2", "g")])
    assert mathematics((*program[:2], *weight, *program[2:])) == mathematics(program)
    assert formula((*weight, *program)) == formula(program)


def test_a_state_that_is_read_and_never_written_stays_what_it_is():
    assert mathematics(parse("update = g + v1", vocabulary=EXTENDED)) == ("(1) v1' = v1", "(2) update = g + v1")


@pytest.mark.parametrize("name", DESIGNS)
def test_equations_of_published_designs_are_their_programs(name):
    program = from_rows(DESIGNS[name])
    _assert_same(of_equations(_unnumbered(program)), of_program(program))


@pytest.mark.parametrize("vocabulary", [EXTENDED, ARITHMETIC], ids=lambda vocabulary: vocabulary.name)
@given(data=st.data())
@settings(max_examples=300)
def test_equations_are_the_program(programs, vocabulary, data):
    drawn = data.draw(programs(vocabulary=vocabulary, longest=20, constants=TIDY))
    locals_ = sorted({statement[1] for statement in drawn if statement[1] >= FIRST_LOCAL})
    program = (*drawn, *((INDEX["add"], UPDATE, UPDATE, one) for one in locals_))  # so that little is dead
    _assert_same(of_equations(_unnumbered(program)), of_program(program))


@given(data=st.data())
def test_a_formula_that_is_not_cut_is_the_short_program(programs, data):
    program = data.draw(programs(constants=TIDY))
    line, short = formula(program), simplify(program)
    assert "\n" not in line and len(line) <= LONGEST
    constants = [one for statement in short for one in statement[2:] if isinstance(one, float)]
    if not line.endswith("...") and all(float(f"{one:.2g}") == one for one in constants):  # folded ones are rounded
        _assert_same(of_equations(line.split("; ")), of_program(short))


@given(data=st.data())
def test_equations_are_never_much_wider_than_allowed(programs, data):
    program = data.draw(programs(longest=60))
    for line in mathematics(program):
        assert line.count("(") == line.count(")")
        assert len(line) <= WIDEST + 20


def _unnumbered(program):
    equations = mathematics(program)
    assert [line.split(" ")[0] for line in equations] == [f"({number + 1})" for number in range(len(equations))]
    return [line.split(" ", 1)[1] for line in equations]


def _assert_same(told, meant):
    written = {name for name in meant if name in told}
    assert "update" in written
    assert {name: told[name] for name in written} == {name: meant[name] for name in written}
