"""How fast optimizer programs are mutated, recognized, fingerprinted and screened, and what is thrown away.

Run as `python tests/benchmarks/program_screening.py [--programs N] [--rounds R] [--seed S]`; one core, best of rounds.
Programs have 20 statements and descend from AdamW by random mutations, as in Chen et al. 2023. Targets: 50,000 valid
mutations per second, 10 us for a canonical form, 30,000 programs per second through mutation, type inference, form and,
where it is new, digest; 200 us for form, verdict and fingerprint of a program never seen.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from automl.seeding import child
from search_spaces.optimizer_program.canonical_form import form, needed_statements, simplify
from search_spaces.optimizer_program.fingerprint import fingerprint, reason
from search_spaces.optimizer_program.program import Program, from_rows, is_valid
from search_spaces.optimizer_program.value_numbering import FormTable, Roots
from search_spaces.optimizer_program.variation import Variation
from search_spaces.optimizer_program.vocabulary import LION
from search_spaces.optimizer_program.zoo import DESIGNS

STATEMENTS = 20
PARENTS = 300


def best(work: Callable[[], object], rounds: int, *, each: int) -> float:
    """Returns the microseconds of one of `each` pieces of work in the best round."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds) / each * 1e6


def line(what: str, microseconds: float, target: float) -> None:
    """Prints a time, its rate and both of the target."""
    aim = f"target {target:>6.1f} us {1e6 / target:>8,.0f}/s"
    print(f"{what:<46}{microseconds:>8.1f} us {1e6 / microseconds:>9,.0f}/s   {aim}")


def walked(count: int, rng: np.random.Generator, variation: Variation) -> list[Program]:
    """Returns programs of STATEMENTS statements that descend from AdamW, each after at least as many mutations."""
    found = []
    while len(found) < count:
        program, steps = from_rows(DESIGNS["adamw"]), 0
        while steps < STATEMENTS or len(program) != STATEMENTS:
            program, steps = variation.mutate(program, rng), steps + 1
        found.append(program)
    return found


def forms_of(programs: Sequence[Program], table: FormTable) -> set[Roots]:
    """Returns the forms of programs as the table numbers them."""
    return {table.roots(program) for program in programs}


def pipeline(parents: Sequence[Program], count: int, rng: np.random.Generator, variation: Variation) -> int:
    """Mutates, numbers and names what is new; returns how many are."""
    table, seen = FormTable(), set()
    for number in range(count):
        roots = table.roots(variation.mutate(parents[number % len(parents)], rng))
        if roots not in seen:
            seen.add(roots)
            table.form(roots)
    return len(seen)


def time_forms(parents: Sequence[Program], count: int, rounds: int, rng: np.random.Generator) -> list[Program]:
    """Prints the rates up to canonical forms; returns the children that were made."""
    variation = Variation(vocabulary=LION)
    children = [variation.mutate(parents[number % len(parents)], rng) for number in range(count)]
    assert all(is_valid(program) for program in children)
    line("valid mutations", best(
        lambda: [variation.mutate(parents[number % len(parents)], rng) for number in range(count)], rounds, each=count
    ), 20.0)  # fmt: skip
    line("canonical form, empty table", best(lambda: forms_of(children, FormTable()), rounds, each=count), 10.0)
    known = FormTable()
    forms_of(children, known)
    line("canonical form, table knows it", best(lambda: forms_of(children, known), rounds, each=count), 10.0)
    whole = best(lambda: pipeline(parents, count, rng, variation), rounds, each=count)
    line("mutate, infer, prune, form, digest of new", whole, 1e6 / 30_000)
    line("simplify", best(lambda: [simplify(program) for program in children[:500]], 1, each=500), 1000.0)
    distinct = {form(program) for program in children}
    print(f"distinct forms {len(distinct) / count:.1%}; values per program in the table {len(known) / count:.1f}")
    return children


def time_probe(children: Sequence[Program], rounds: int) -> None:
    """Prints the rates of fingerprints and verdicts of forms that were never seen, and the reasons."""
    first = {}
    for program in children:
        first.setdefault(form(program), program)
    fresh = list(first.values())

    def judged() -> Counter[str]:
        with ThreadPoolExecutor(1) as pool:  # a new thread knows nothing
            return pool.submit(lambda: Counter(reason(program) for program in fresh)).result()

    line("form, verdict and fingerprint of new ones", best(judged, rounds, each=len(fresh)), 200.0)
    functions = {fingerprint(program) for program in fresh}
    print(f"{len(fresh)} forms, {len(functions)} functions")
    for why, count in judged().most_common():
        print(f"  {count / len(fresh):6.2%}  {why or 'kept'}")


def main() -> None:
    """Reads the options and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = child(options.seed, "program_screening")
    parents = walked(PARENTS, rng, Variation(vocabulary=LION))
    redundant = 1 - sum(len(needed_statements(program)) for program in parents) / (PARENTS * STATEMENTS)
    print(f"redundant statements of random walks: {redundant:.1%} (evolution in the paper: 69.8 %)")
    children = time_forms(parents, options.programs, options.rounds, rng)
    time_probe(children, options.rounds)


if __name__ == "__main__":
    main()
