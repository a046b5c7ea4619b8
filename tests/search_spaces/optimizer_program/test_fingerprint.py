"""Fingerprints and screens of programs."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.optimizer_program import canonical_form, probe
from search_spaces.optimizer_program.canonical_form import form, simplify
from search_spaces.optimizer_program.fingerprint import Prober, fingerprint, prober, reason
from search_spaces.optimizer_program.probe import GIVEN, NOISE, SHAPES, STEPS, Probe
from search_spaces.optimizer_program.program import LR, G, Program, T, W, from_rows
from search_spaces.optimizer_program.reference import Leaves, run, step_noise
from search_spaces.optimizer_program.value_numbering import FormTable
from search_spaces.optimizer_program.variation import Variation
from search_spaces.optimizer_program.vocabulary import EXTENDED
from search_spaces.optimizer_program.zoo import DESIGNS

torch.set_num_threads(1)
ZOO = {name: from_rows(rows) for name, rows in DESIGNS.items()}


def walked(seed: int) -> Program:
    """A random program, or a published one after up to 12 mutations."""
    rng = np.random.default_rng(seed)
    variation = Variation(vocabulary=EXTENDED)
    if seed % 5 == 0:
        return variation.random(rng)
    program = list(ZOO.values())[seed % len(ZOO)]
    for _ in range(int(rng.integers(1, 13))):
        program = variation.mutate(program, rng)
    return program


def leaves(row: np.ndarray) -> Leaves:
    parts = np.split(row, [6, 10])
    return tuple(torch.tensor(part.reshape(shape)) for part, shape in zip(parts, SHAPES, strict=True))


def flat(tree: Leaves) -> np.ndarray:
    return torch.cat([leaf.expand(shape).reshape(-1) for leaf, shape in zip(tree, SHAPES, strict=True)]).numpy()


def interpreted_on_the_probe(program: Program) -> np.ndarray:
    v1 = v2 = leaves(np.zeros(11))
    updates = []
    for step in range(STEPS):
        lr, t = torch.tensor(GIVEN[LR][step, 0]), torch.tensor(GIVEN[T][step, 0])
        update, v1, v2 = run(
            program, w=leaves(GIVEN[W][step]), g=leaves(GIVEN[G][step]), v1=v1, v2=v2, lr=lr, t=t,
            noise=leaves(NOISE[step]),
        )  # fmt: skip
        updates.append(flat(update))
    return np.stack(updates)


def updates_elsewhere(program: Program, *, steps: int = 8, seed: int = 5) -> np.ndarray:
    """Updates of the interpreter in float64 on standard normal data, w moving by 1 % of them."""
    generator = torch.Generator().manual_seed(seed)

    def drawn() -> Leaves:
        return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES)

    w, lr, updates = drawn(), torch.tensor(0.9, dtype=torch.float64), []
    v1 = v2 = tuple(torch.zeros_like(leaf) for leaf in w)
    for step in range(1, steps + 1):
        t, noise = torch.tensor(float(step), dtype=torch.float64), step_noise(SHAPES, seed=1, step=step, like=lr)
        update, v1, v2 = run(program, w=w, g=drawn(), v1=v1, v2=v2, lr=lr, t=t, noise=noise)
        w = tuple(leaf - 0.01 * change for leaf, change in zip(w, update, strict=True))
        updates.append(flat(update))
    return np.stack(updates)


def test_the_probe_computes_what_the_interpreter_computes():
    table, compared, differ = FormTable(), 0, 0
    own = Probe(table)
    for seed in range(800):
        program = walked(seed)
        roots = table.roots(program)
        with np.errstate(all="ignore"):
            ours = own.values(roots).rows(roots[0])
        theirs = interpreted_on_the_probe(program)
        if np.isfinite(theirs).all() and np.abs(theirs).max() < 1e8:
            compared += 1
            differ += not np.allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    assert compared > 500
    assert differ <= 0.01 * compared, "what remains is chaotic, such as the cosine of 1e9"


def test_published_designs_all_differ_and_pass():
    assert len({fingerprint(program) for program in ZOO.values()}) == len(ZOO)
    assert {name: reason(program) for name, program in ZOO.items()} == dict.fromkeys(ZOO, "")


LION = (("update", "interp", "g", "v1", 0.9), ("update", "sign", "update"), ("v1", "interp", "g", "v1", 0.99))


@pytest.mark.parametrize(
    ("rows", "other"),
    [
        ((("update", "power", "g", 2.0),), (("update", "square", "g"),)),
        ((("x0", "add", "g", "w"), ("update", "sub", "x0", "w")), (("update", "mul", "g", 1.0),)),
        ((("x0", "mul", "g", 3.0), ("x0", "sign", "x0"), ("update", "mul", "x0", "lr")),
         (("x0", "sign", "g"), ("update", "mul", "x0", "lr"))),
        ((("v1", "add", "v1", "g"), ("update", "mul", "v1", 0.1)),
         (("x0", "mul", "g", 0.1), ("v2", "add", "v2", "x0"), ("update", "mul", "v2", 1.0))),
        ((("v2", "mul", "v2", 0.9), ("update", "add", "g", "v2")), (("update", "mul", "g", 1.0),)),
        ((*LION[:2], ("v1", "mul", "v1", 0.99), ("x0", "mul", "g", 0.01), ("v1", "add", "v1", "x0")), LION),
        ((("v1", "interp", "g", "v2", 0.9), ("v2", "interp", "g", "v1", 1.1), ("update", "sign", "v1")), LION),
        ((("x0", "abs", "g"), ("x1", "mul", "g", 3.0), ("update", "div", "x1", "x0")),
         (("x0", "sign", "g"), ("update", "mul", "x0", 3.0))),
    ],
    ids=[
        "power", "cancellation", "scale under a sign", "state in another unit", "state that stays 0", "average", "lion",
        "x / |x|",
    ],
)  # fmt: skip
def test_equal_rules_of_different_forms_share_a_fingerprint(rows, other):
    one, two = from_rows(rows), from_rows(other)
    assert form(one) != form(two)
    assert fingerprint(one) == fingerprint(two)


def scaled(rows, place, factor):
    return tuple((*row[:-1], row[-1] * factor) if number == place else row for number, row in enumerate(rows))


BRANCH = (("x0", "sub", "t", 50.0), ("x1", "mul", "g", 2.0), ("update", "select", "x0", "x1", "g"))

SIGNED = (("x0", "sub", "t", 50.0), ("x0", "mul", "g", "x0"), ("update", "sign", "x0"))


@pytest.mark.parametrize(
    ("rows", "other"),
    [
        (LION, scaled(LION, 0, 1.001)),
        (LION, scaled(LION, 2, 1.001)),
        ((*LION, ("x0", "clip", "w", 1.0)), (("update", "sign", "g"),)),
        (BRANCH, scaled(BRANCH, 0, 1.1)),
        (BRANCH, scaled(BRANCH, 1, 1.0001)),
        ((("update", "clip", "g", 1e6),), (("update", "clip", "g", 1e5),)),
        ((("x0", "minimum", "t", 5000.0), ("update", "mul", "g", "x0")),
         (("x0", "minimum", "t", 6000.0), ("update", "mul", "g", "x0"))),
        (SIGNED, scaled(SIGNED, 0, 1.1)),
        (DESIGNS["lion-raw"], scaled(DESIGNS["lion-raw"], 6, 1.01)),
        ((("update", "add", "g", 1e-6),), (("update", "add", "g", 1.1e-6),)),
        ((("x0", "dot", "g", "g"), ("x0", "sub", "x0", 1e-4), ("update", "mul", "x0", "g")),
         (("x0", "dot", "g", "g"), ("x0", "sub", "x0", 1e-4), ("x0", "abs", "x0"), ("update", "mul", "x0", "g"))),
        ((("v2", "interp", "v2", "g", 0.001), ("update", "add", "g", "v2")),
         (("x0", "interp", "v2", "g", 0.001), ("update", "add", "g", "x0"), ("v2", "sin", "x0"))),
    ],
    ids=["inner average", "outer average", "no average", "branch", "taken branch", "clip", "bound", "turning sign",
         "x / |x|", "small", "magnitude of one sign", "sine of a small state"],
)  # fmt: skip
def test_rules_that_differ_where_the_probe_may_not_look_have_two_fingerprints(rows, other):
    assert fingerprint(from_rows(rows)) != fingerprint(from_rows(other))


def test_programs_that_overflow_are_told_apart_by_their_form():
    rows = (("x0", "exp10", "g"), ("x0", "exp10", "x0"), ("update", "exp10", "x0"))
    longer = (*rows[:2], ("x0", "exp10", "x0"), ("update", "exp10", "x0"))
    assert fingerprint(from_rows(rows)) != fingerprint(from_rows(longer))
    assert fingerprint(from_rows(rows)) == fingerprint(from_rows((("x3", "sin", "lr"), *rows)))


@given(seed=st.integers(0, 10**6))
def test_a_program_and_its_short_form_share_fingerprint_and_reason(seed):
    program = walked(seed)
    short = simplify(program)
    assert (fingerprint(short), reason(short)) == (fingerprint(program), reason(program))


def disagreements(programs: Iterable[Program]) -> tuple[int, int]:
    """How many passing programs share a fingerprint with another form, and how many of those move w otherwise."""
    known: dict[str, tuple[bytes, Program]] = {}
    pairs = wrong = 0
    for program in programs:
        if not reason(program):
            first, other = known.setdefault(fingerprint(program), (form(program), program))
            if first != form(program):
                one, two = updates_elsewhere(other), updates_elsewhere(program)
                pairs += 1
                wrong += not np.allclose(one, two, rtol=1e-5, atol=1e-9, equal_nan=True)
    return pairs, wrong


def mutants(first: int, count: int) -> Iterator[Program]:
    """Programs and some mutants of each, which differ little."""
    variation = Variation(vocabulary=EXTENDED)
    for seed in range(first, first + count // 20):
        rng, program = np.random.default_rng(seed), walked(seed)
        yield from (variation.mutate(program, rng) for _ in range(20))


@pytest.mark.slow
def test_programs_with_one_fingerprint_move_w_alike_on_other_data():
    pairs, wrong = disagreements(mutants(0, 40_000))
    assert (pairs > 500, wrong) == (True, 0)


def test_some_programs_with_one_fingerprint_move_w_alike_on_other_data():
    pairs, wrong = disagreements(mutants(50_000, 2_000))
    assert (pairs > 20, wrong) == (True, 0)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((("update", "mul", "w", "lr"),), "update does not depend on the gradient"),
        ((("x0", "sub", "g", "g"), ("update", "add", "w", "x0")), "update does not depend on the gradient"),
        ((("v1", "add", "v1", "w"), ("update", "mul", "v1", "lr"), ("v2", "cosh", "g")),
         "update does not depend on the gradient"),
        ((("update", "sub", "g", "g"),), "update is zero"),
        ((("update", "mul", "g", "v1"),), "update is zero"),
        ((("update", "mul", "g", 1e-15),), "update is zero"),
        ((("x0", "exp", "t"), ("update", "mul", "g", "x0")), "not finite on the probe"),
        ((("update", "arccosh", "g"),), "not finite on the probe"),
        ((("update", "mul", "g", 1e9),), "update is huge on the probe"),
        ((("x0", "negative", "g"), ("update", "mul", "x0", "lr")), "moves uphill"),
        ((("v1", "interp", "g", "v1", 0.9), ("update", "mul", "v1", -0.5)), "moves uphill"),
        ((("update", "mul", "v1", 1.0), ("v1", "mul", "g", 1.0)), ""),
        ((("x0", "mul", "g", 1e-3), ("x1", "mul", "w", 0.5), ("update", "add", "x0", "x1")), ""),
        ((("update", "arcsin", "g"),), ""),
        ((("x0", "exp10", "g"), ("x0", "exp10", "x0"), ("update", "mul", "g", "x0")), "update is huge on the probe"),
    ],
)  # fmt: skip
def test_screens_name_their_reason(rows, expected):
    assert reason(from_rows(rows)) == expected


def test_full_memories_change_no_answer(monkeypatch):
    programs = [walked(seed) for seed in range(150)]
    expected = [(reason(program), fingerprint(program)) for program in programs]
    monkeypatch.setattr(canonical_form, "MAX_FORMS", 60)
    monkeypatch.setattr(probe, "MAX_VALUES", 15)
    tight, sizes, told = Prober(), [], []
    for program in reversed(programs):
        told.append((tight.reason(program), tight.fingerprint(program)))
        sizes.append(len(tight))
    assert told == expected[::-1]
    assert max(sizes) <= 60


def test_every_thread_has_its_own_memory_and_the_same_answers():
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(prober).result()
        told = pool.submit(other.fingerprint, ZOO["adamw"]).result()
    assert other is not prober()
    assert told == fingerprint(ZOO["adamw"])


def test_a_fingerprint_is_the_same_in_another_process():
    code = (
        "from search_spaces.optimizer_program.fingerprint import fingerprint; "
        "from search_spaces.optimizer_program.program import from_rows; "
        "from search_spaces.optimizer_program.zoo import DESIGNS; "
        "print(','.join(fingerprint(from_rows(rows)) for rows in reversed(DESIGNS.values())))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}, cwd="."
    )
    assert told.stdout.strip().split(",") == [fingerprint(program) for program in reversed(ZOO.values())]
