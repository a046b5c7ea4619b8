"""How fast random norm-act graphs are screened, and what is thrown away for which reason.

Run as `python tests/benchmarks/screening.py [--graphs N] [--seed S]`; one core. Targets: 10,000 random graphs per
second through liveness, canonical form and duplicates; 1,000 per second of those that need the numeric probe.
"""

import argparse
import time
from collections import Counter

import numpy as np
import torch

from automl.seeding import child
from search_spaces.norm_act.fingerprint import Prober
from search_spaces.norm_act.graph import random_nodes
from search_spaces.norm_act.space import NormActSpace


def rate(count: int, seconds: float) -> str:
    """Returns a count per second, and the time of one in microseconds."""
    return f"{count / seconds:>10,.0f}/s   {seconds / count * 1e6:>8.1f} us each"


def screen(graphs: int, rng: np.random.Generator) -> None:
    """Prints the rates of generation, canonical form with duplicates, screens and fingerprints."""
    start = time.perf_counter()
    drawn = [random_nodes(rng, intermediate=10) for _ in range(graphs)]
    generated = time.perf_counter()
    prober = Prober()
    first = {}
    for nodes in drawn:
        first.setdefault(prober.form(nodes), nodes)
    formed = time.perf_counter()
    print(f"random generation                          {rate(graphs, generated - start)}")
    print(f"liveness, canonical form and duplicates    {rate(graphs, formed - generated)}")
    print(f"both together                              {rate(graphs, formed - start)}")

    begun = time.perf_counter()
    reasons = Counter(prober.reason(nodes, batch_independent=False) for nodes in drawn)
    judged = time.perf_counter()
    print(f"screens with the probe, duplicates known   {rate(graphs, judged - begun)}")
    useful = [nodes for nodes in first.values() if not prober.reason(nodes, batch_independent=False)]
    begun = time.perf_counter()
    functions = {prober.fingerprint(nodes) for nodes in useful}
    ended = time.perf_counter()
    print(f"fingerprints, values partly remembered     {rate(len(useful), ended - begun)}")
    fresh = Prober()
    begun = time.perf_counter()
    for nodes in useful:
        fresh.reason(nodes, batch_independent=False)
        fresh.fingerprint(nodes)
    ended = time.perf_counter()
    print(f"form, screens and fingerprint of new ones  {rate(len(useful), ended - begun)}")
    print(f"\nof {graphs} random graphs: {len(first)} canonical forms, {len(functions)} useful functions")
    for reason, count in reasons.most_common():
        print(f"  {count / graphs:6.2%}  {reason or 'kept'}")


def end_to_end(draws: int, rng: np.random.Generator) -> None:
    """Prints the time of the space's verbs."""
    space = NormActSpace()
    start = time.perf_counter()
    drawn = [space.sample(rng) for _ in range(draws)]
    sampled = time.perf_counter()
    mutants = [space.mutate(draw.genotype, rng) for draw in drawn]
    mutated = time.perf_counter()
    children = [space.crossover(a.genotype, b.genotype, rng) for a, b in zip(drawn, mutants, strict=True)]
    crossed = time.perf_counter()
    prints = {space.fingerprint(child.genotype) for child in (*drawn, *mutants, *children)}
    printed = time.perf_counter()
    for draw in drawn:
        space.decode(draw.genotype)
    decoded = time.perf_counter()
    redrawn = sum((Counter(draw.redrawn) for draw in drawn), Counter())
    print(f"\nspace.sample                               {rate(draws, sampled - start)}")
    print(f"space.mutate                               {rate(draws, mutated - sampled)}")
    print(f"space.crossover                            {rate(draws, crossed - mutated)}")
    print(f"space.fingerprint                          {rate(3 * draws, printed - crossed)}")
    print(f"space.decode                               {rate(draws, decoded - printed)}")
    print(f"{len(prints)} functions in {3 * draws} draws; redrawn per sample: {sum(redrawn.values()) / draws:.1f}")
    for reason, count in redrawn.most_common():
        print(f"  {count / sum(redrawn.values()):6.2%}  {reason}")


def main() -> None:
    """Reads the options and runs both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    screen(options.graphs, child(options.seed, "screening"))
    end_to_end(max(100, options.graphs // 25), child(options.seed, "verbs"))


if __name__ == "__main__":
    main()
