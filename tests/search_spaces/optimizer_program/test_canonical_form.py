"""Forms, live statements and short programs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.optimizer_program import canonical_form
from search_spaces.optimizer_program.canonical_form import (
    digest,
    form,
    live_statements,
    needed_statements,
    simplify,
)
from search_spaces.optimizer_program.program import (
    FIRST_LOCAL,
    LOCALS,
    Program,
    from_rows,
    is_valid,
    to_rows,
)
from search_spaces.optimizer_program.reference import run, step_noise
from search_spaces.optimizer_program.value_numbering import FormTable
from search_spaces.optimizer_program.variation import Variation
from search_spaces.optimizer_program.vocabulary import EXTENDED, FUNCTIONS, LION
from search_spaces.optimizer_program.zoo import DESIGNS

torch.set_num_threads(1)
SHAPES = ((3, 2), (4,), ())
ZOO = {name: from_rows(rows) for name, rows in DESIGNS.items()}
SEEDS = st.integers(0, 10**6)


def walked(seed: int) -> Program:
    """A random program, or a published one after up to 30 mutations."""
    rng = np.random.default_rng(seed)
    variation = Variation(vocabulary=EXTENDED)
    if seed % 3 == 0:
        return variation.random(rng)
    program = list(ZOO.values())[seed % len(ZOO)]
    for _ in range(int(rng.integers(1, 30))):
        program = variation.mutate(program, rng)
    return program


def updates(program: Program, *, steps: int = 5, seed: int = 0) -> torch.Tensor:
    """Updates of the interpreter in float64 on random gradients, w moving by 1 % of them."""
    generator = torch.Generator().manual_seed(seed)

    def drawn() -> tuple[torch.Tensor, ...]:
        return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES)

    w, lr, seen = drawn(), torch.tensor(0.9, dtype=torch.float64), []
    v1 = v2 = tuple(torch.zeros_like(leaf) for leaf in w)
    for step in range(1, steps + 1):
        noise = step_noise(SHAPES, seed=1, step=step, like=lr)
        t = torch.tensor(float(step), dtype=torch.float64)
        update, v1, v2 = run(program, w=w, g=drawn(), v1=v1, v2=v2, lr=lr, t=t, noise=noise)
        w = tuple(leaf - 0.01 * change for leaf, change in zip(w, update, strict=True))
        seen.append(torch.cat([leaf.expand(shape).reshape(-1) for leaf, shape in zip(update, SHAPES, strict=True)]))
    return torch.stack(seen)


def renamed(program: Program, rng: np.random.Generator) -> Program:
    """The same program with other names of its locals."""
    names = [*range(FIRST_LOCAL), *(FIRST_LOCAL + rng.permutation(LOCALS)).tolist()]
    return tuple(
        (function, names[target], *(names[a] if isinstance(a, int) else a for a in arguments))
        for function, target, *arguments in program
    )


def reordered(program: Program, rng: np.random.Generator) -> Program:
    """The same program with neighbours exchanged that do not touch each other, and arguments where that is free."""
    listed = [list(statement) for statement in program]
    for place in rng.integers(0, max(1, len(listed) - 1), 60).tolist():
        if place + 1 < len(listed):
            one, other = listed[place], listed[place + 1]
            reads = [a for a in one[2:] if isinstance(a, int)], [a for a in other[2:] if isinstance(a, int)]
            if one[1] != other[1] and one[1] not in reads[1] and other[1] not in reads[0]:
                listed[place : place + 2] = other, one
    return tuple(
        (f, target, *(a[::-1] if FUNCTIONS[f].commutative and rng.random() < 0.5 else a)) for f, target, *a in listed
    )


def test_the_raw_discovered_program_has_13_live_statements_of_21():
    """Chen et al. 2023, figure 4: the redundancy remover keeps cosh, as v1 is an output."""
    raw = ZOO["lion-raw"]
    kept = [tuple(to_rows(raw)[place][:2]) for place in live_statements(raw)]
    assert (len(raw), len(kept)) == (21, 13)
    assert kept == [
        ("g", "clip"), ("g", "arcsin"), ("v1", "interp"), ("x2", "mul"), ("v2", "interp"), ("lr", "mul"),
        ("update", "mul"), ("x2", "sqrt"), ("update", "div"), ("x3", "mul"), ("x3", "mul"), ("v1", "cosh"),
        ("update", "add"),
    ]  # fmt: skip


def test_a_state_that_no_later_update_reads_is_not_needed():
    raw = ZOO["lion-raw"]
    assert [to_rows(raw)[place][1] for place in set(live_statements(raw)) - set(needed_statements(raw))] == ["cosh"]
    other = tuple((*statement[:1], *statement[1:]) if place != 17 else (*raw[16][:1], 2, *raw[16][2:])
                  for place, statement in enumerate(raw))  # fmt: skip
    assert to_rows(other)[17][0] == "v1"
    assert digest(other) == digest(raw)
    assert torch.equal(updates(other), updates(raw))


def test_states_that_only_feed_each_other_are_not_needed():
    program = from_rows((("v1", "add", "v2", "g"), ("v2", "mul", "v1", 0.5), ("update", "mul", "g", "lr")))
    assert needed_statements(program) == (2,)
    assert live_statements(program) == (0, 1, 2)


SUM = (("x0", "square", "g"), ("x1", "sin", "w"), ("update", "add", "x0", "x1"))


@pytest.mark.parametrize(
    "rows",
    [
        (("x5", "square", "g"), ("x3", "sin", "w"), ("update", "add", "x5", "x3")),
        (*SUM, ("x4", "tan", "update"), ("lr", "cos", "lr")),
        (("x0", "square", "g"), ("x1", "sin", "w"), ("update", "add", "x1", "x0")),
        (("x1", "sin", "w"), ("x0", "square", "g"), ("update", "add", "x0", "x1")),
        (("g", "mul", "g", "g"), ("w", "sin", "w"), ("update", "add", "g", "w"), ("update", "mul", "update", 1.0)),
    ],
    ids=["names", "dead statement", "commuted", "order", "inputs overwritten"],
)
def test_disguises_share_a_digest(rows):
    assert digest(from_rows(rows)) == digest(from_rows(SUM))


@pytest.mark.parametrize("function", ["sub", "mul", "maximum"])
def test_another_function_is_another_form(function):
    assert digest(from_rows((*SUM[:2], ("update", function, "x0", "x1")))) != digest(from_rows(SUM))


def test_published_designs_differ_and_read_as_published():
    assert len({form(program) for program in ZOO.values()}) == len(ZOO)
    assert to_rows(simplify(ZOO["lion"]))[:2] == [["x0", "interp", "g", "v1", 0.9], ["x0", "sign", "x0"]]
    assert all(len(simplify(program)) <= len(program) for program in ZOO.values())


def test_m_over_the_root_of_its_square_is_its_sign():
    """The step from the published program to Lion."""
    names = [row[1] for row in to_rows(simplify(ZOO["lion-printed"]))]
    assert "sign" in names and "sqrt" not in names and "div" not in names and len(names) == 9


def test_two_chained_averages_are_the_one_of_lion():
    """(0.9, 1.1) is 0.01 g + 0.99 v in exact arithmetic; 200 random steps, Chen et al. 2023, appendix.

    The buffers differ by rounding only: at most a few 1e-16 per step, of which 100 steps are remembered. Over 30 sets
    of standard normal gradients we measured 0.8e-15 to 2.2e-15 at most, so the 1e-15 of our notes is no bound.
    """
    average, chained = (("x0", "interp", "g", "v2", 0.9), ("update", "sign", "x0")), ("v2", "interp", "g", "x0", 1.1)
    programs = from_rows((*average, chained)), from_rows((*average, ("v2", "interp", "g", "v2", 0.99)))
    generator = torch.Generator().manual_seed(0)
    zeros, one = (torch.zeros(50, dtype=torch.float64),), torch.tensor(1.0, dtype=torch.float64)
    buffers = [zeros, zeros]
    for _ in range(200):
        g = (torch.randn(50, generator=generator, dtype=torch.float64),)
        results = [
            run(program, w=zeros, g=g, v1=zeros, v2=buffer, lr=one, t=one)
            for program, buffer in zip(programs, buffers, strict=True)
        ]
        assert torch.equal(results[0][0][0], results[1][0][0])
        buffers = [result[2] for result in results]
        assert (buffers[0][0] - buffers[1][0]).abs().max() < 1e-14


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((("update", "mul", "g", 1.0),), [["update", "mul", "g", 1.0]]),
        ((("v1", "interp", "g", "v1", 0.9), ("update", "mul", "v1", 1.0)),
         [["update", "interp", "g", "v1", 0.9], ["v1", "mul", "update", 1.0]]),
        ((("x0", "add", "v1", 0.0), ("v1", "sub", "v2", "g"), ("v2", "add", "x0", 0.0), ("update", "div", "v1", "v2")),
         [["x0", "sub", "v2", "g"], ["update", "div", "x0", "v1"], ["v2", "mul", "v1", 1.0], ["v1", "mul", "x0", 1.0]]),
        ((("x0", "abs", "v1"), ("v1", "add", "v2", 0.0), ("v2", "sub", "x0", "g"), ("update", "div", "v1", "v2")),
         None),
    ],
    ids=["an input", "one value twice", "an old state", "states of each other"],
)  # fmt: skip
def test_outputs_that_are_no_value_of_their_own_are_copied_last(rows, expected):
    program = from_rows(rows)
    short = simplify(program)
    if expected is not None:
        assert sorted(map(str, to_rows(short))) == sorted(map(str, expected))
    assert is_valid(short)
    assert torch.equal(updates(short), updates(program))


def test_a_sign_in_three_places_is_not_made_three_signs():
    program = from_rows((
        ("x0", "negative", "g"), ("x1", "sin", "x0"), ("x2", "cube", "x0"), ("x3", "tanh", "x0"),
        ("x1", "maximum", "x1", "w"), ("x2", "maximum", "x2", "x1"), ("update", "maximum", "x3", "x2"),
    ))  # fmt: skip
    assert simplify(program) == program


@given(seed=SEEDS)
def test_the_short_program_moves_w_alike(seed):
    program = walked(seed)
    short = simplify(program)
    ours, theirs = updates(short), updates(program)
    finite = theirs.isfinite().all(1).cumprod(0).bool()
    assert is_valid(short) and len(short) <= len(needed_statements(program))
    assert torch.equal(ours[finite], theirs[finite])


@given(seed=SEEDS)
def test_simplifying_keeps_the_form_and_is_done_once(seed):
    program = walked(seed)
    short = simplify(program)
    assert form(short) == form(program)
    assert simplify(short) == short


@given(seed=SEEDS)
def test_names_order_and_dead_statements_keep_the_digest(seed):
    program, rng = walked(seed), np.random.default_rng(seed)
    assert digest(renamed(program, rng)) == digest(program)
    assert digest(reordered(program, rng)) == digest(program)
    assert digest(tuple(program[place] for place in live_statements(program))) == digest(program)
    assert digest(tuple(program[place] for place in needed_statements(program))) == digest(program)


def test_digests_do_not_depend_on_what_a_table_has_seen(monkeypatch):
    programs = [walked(seed) for seed in range(200)]
    expected = [(form(program), simplify(program)) for program in programs]
    monkeypatch.setattr(canonical_form, "MAX_FORMS", 60)
    assert [(form(program), simplify(program)) for program in reversed(programs)] == expected[::-1]
    for program, (name, _) in zip(programs[:50], expected, strict=False):
        table = FormTable()
        assert table.form(table.roots(program)) == name


def test_a_digest_is_the_same_in_another_process():
    code = (
        "from search_spaces.optimizer_program.canonical_form import digest; "
        "from search_spaces.optimizer_program.program import from_rows; "
        "from search_spaces.optimizer_program.zoo import DESIGNS; "
        "print(','.join(digest(from_rows(rows)) for rows in reversed(DESIGNS.values())))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}, cwd="."
    )
    assert told.stdout.strip().split(",") == [digest(program) for program in reversed(ZOO.values())]


def test_a_program_of_the_published_vocabulary_stays_in_it():
    variation, rng = Variation(vocabulary=LION), np.random.default_rng(0)
    for _ in range(200):
        assert {statement[0] for statement in simplify(variation.random(rng))} <= set(LION.functions)
