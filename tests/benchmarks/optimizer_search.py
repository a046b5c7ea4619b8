"""Searching optimizer programs on text: what the cache saves, and evolution against random search and tuned AdamW.

Why: the search behind Lion reports 70 % redundant statements and 89 % cache hits late in the search, and beats random
search and AdamW with tuned constants. The rule: methods are compared at equal training steps; the best of each is
trained again with fresh seeds on the test split, because the best of many short runs is partly luck.

    python tests/benchmarks/optimizer_search.py proposals --proposals 5000
    python tests/benchmarks/optimizer_search.py methods --trained 300 --seeds 3
    python tests/benchmarks/optimizer_search.py winner --trained 300 --seeds 10 --data TEXT_THE_SEARCH_HAS_NOT_SEEN
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import automl
from automl.numerics.intervals import difference_interval
from search_spaces.optimizer_program.canonical_form import needed_statements
from search_spaces.optimizer_program.genotype import to_program

SPACE, TASK = "optimizer-program", "text"
FROM_ADAMW: Mapping[str, Any] = {"searcher.seeds": "first", "searcher.initial": 1}
METHODS: Mapping[str, tuple[str, Mapping[str, Any], float]] = {
    "evolution": ("evolution", FROM_ADAMW, 1.4),
    "AdamW constants": ("evolution", {**FROM_ADAMW, "space.mutation": "constants"}, 1.0),
    "random": ("random", {}, 3.7),
}
"""Searcher, settings, and how many times more candidates it trains: most of the latter's are dropped early, and methods
are to be compared at equal steps."""
EXECUTOR: Mapping[str, Any] = {"executor.limit_seconds": 60}


def search(folder: str, name: str, *, searcher: str, seed: int, options: argparse.Namespace, **given: Any) -> Any:
    """Runs one study and returns it with the minutes it took."""
    begun = time.perf_counter()
    settings = {**EXECUTOR, **given.pop("settings", {})}
    task = [f"task.{one}" for one in options.task]
    settings.update(dict(pair.split("=", 1) for pair in task))
    study = automl.search(
        SPACE,
        task=TASK,
        searcher=searcher,
        seed=seed,
        workers=options.workers,
        study=name,
        storage=f"sqlite:///{folder}/studies.db",
        track="none",
        settings=settings,
        **given,
    )
    return study, (time.perf_counter() - begun) / 60


def proposals(options: argparse.Namespace, folder: str) -> None:
    """One long evolution from AdamW without redrawing: every repeat is a trial, so the cache can be seen."""
    settings = {**FROM_ADAMW, "searcher.redraws": 0, "searcher.population": 100, "searcher.tournament": 10}
    settings |= {"searcher.patience": 500, "searcher.fresh": 0.0}
    study, minutes = search(
        folder, "proposals", searcher="evolution", seed=0, options=options, trials=options.proposals, settings=settings
    )
    status, log = study.status(), study.log
    print(f"{options.proposals} proposals in {minutes:.1f} minutes with {options.workers} workers")
    print(f"  programs judged per minute           {options.proposals / minutes:.0f}")
    print(f"  trained                              {status['trained']}, of which {status['completed']} to the end")
    full = log.notes["baseline"]["steps"]
    spent = status["steps_trained"]
    print(f"  training steps saved                 {1 - spent / (full * options.proposals):.0%} of {full} a proposal")
    print(f"  drawn again before they were trials  {status['redrawn']}")
    print(f"  rejected {status['rejected_by']}, failed {status['failures']}")
    for share in range(5):
        part = slice(share * options.proposals // 5, (share + 1) * options.proposals // 5)
        opened, closed = log.opened[part], log.closed[part]
        lengths = [(len(to_program(one.genotype)), len(needed_statements(to_program(one.genotype)))) for one in opened]
        redundant = 1 - sum(live for _, live in lengths) / sum(length for length, _ in lengths)
        hits = sum(one.outcome == "duplicate" for one in closed) / len(closed)
        mean = sum(length for length, _ in lengths) / len(lengths)
        best = min(one.values[0] for one in log.closed[: part.stop] if one.values[0] is not None)
        print(
            f"  proposals {part.start:>5}-{part.stop:<5} length {mean:4.1f}, redundant statements {redundant:.0%}, "
            f"cache hits {hits:.0%}, best loss so far {best:.4f}"
        )
    print(f"  baseline {study.baseline}; best {study.best['values']}: {study.best['description']}")


def methods(options: argparse.Namespace, folder: str) -> None:
    """Evolution, random search and tuning of AdamW's constants, at equal training steps, several seeds each."""
    studies: dict[str, list[Any]] = {name: [] for name in METHODS if options.only in (None, name)}
    for seed in range(options.seeds):
        for name, (searcher, settings, factor) in METHODS.items():
            if options.only not in (None, name):
                continue
            study, minutes = search(
                folder,
                f"{name.replace(' ', '-')}-{seed}",
                searcher=searcher,
                seed=seed,
                options=options,
                trials=100 * options.trained,
                trained=round(factor * options.trained),
                settings=settings,
            )
            studies[name].append(study)
            print(f"{name}, seed {seed}: {minutes:.1f} minutes, {study.status()['steps_trained']} steps", flush=True)
    budget = min(study.status()["steps_trained"] for group in studies.values() for study in group)
    print(f"\nbest validation loss after {budget} training steps each (the smallest total of all studies):")
    reached = {name: [best_within(study, budget) for study in group] for name, group in studies.items()}
    baselines = [study.log.notes["baseline"]["values"][0] for group in studies.values() for study in group]
    table(reached, baselines)
    print(f"\ngain in test loss over the baseline of each study's best within the budget, {options.fresh} fresh seeds:")
    for name, group in studies.items():
        for study, (_, number) in zip(group, reached[name], strict=True):
            report = rerank_one(study, number, seeds=options.fresh)
            row = report["finalists"][0] if report["finalists"] else None
            told = "could not be trained again" if row is None else interval(row["test"]["loss"])
            print(f"  {name:16} trial {number:<5} gain {told}   {study.show(number)['description'][:90]}")


def best_within(study: Any, budget: int) -> tuple[float, int]:
    """Returns (loss, trial) of the best trial closed before `budget` steps were spent."""
    spent, best = 0, (float("inf"), -1)
    for closed in study.log.closed:
        spent += closed.steps
        if spent > budget:
            break
        if closed.outcome == "completed" and closed.values[0] is not None:
            best = min(best, (closed.values[0], closed.number))
    return best


def rerank_one(study: Any, number: int, *, seeds: int) -> Any:
    """Returns the second look at one trial, which need not be the best, through a study that proposes it alone."""
    alone = automl.search(
        SPACE,
        task=study.log.header["task"]["locator"],
        trials=1,
        study=f"{study.name}-{number}",
        storage=study.storage,
        track="none",
        warm_start=[study.log.opened[number].genotype],
    )
    return alone.rerank(top=1, seeds=seeds)


def table(reached: Mapping[str, Sequence[tuple[float, int]]], baselines: Sequence[float]) -> None:
    """Prints mean and range of each method, and paired differences to evolution over the seeds."""
    values = {name: np.array([loss for loss, _ in rows]) for name, rows in reached.items()}
    print(f"  {'AdamW untuned':16} {np.mean(baselines):.4f}")
    for name, losses in values.items():
        print(f"  {name:16} {losses.mean():.4f}   each {', '.join(f'{loss:.4f}' for loss in losses)}")
    for name in values:
        if name != "evolution" and "evolution" in values and len(values[name]) > 1:
            differences = (values[name] - values["evolution"]).tolist()
            low, high = difference_interval(differences, rng=np.random.default_rng(0))
            print(f"  {name} minus evolution: {np.mean(differences):+.4f} (95 % interval {low:+.4f} to {high:+.4f})")


def winner(options: argparse.Namespace, folder: str) -> None:
    """One search, the second look with tuned legs, the funnel's larger task, and a text that was never seen."""
    settings = {**FROM_ADAMW, "searcher.initial": 8}
    study, minutes = search(
        folder,
        "winner",
        searcher="evolution",
        seed=options.seed,
        options=options,
        trials=100 * options.trained,
        trained=options.trained,
        settings=settings,
    )
    print(f"search: {minutes:.1f} minutes; baseline {study.baseline}, best {study.best['values']}")
    grid = {"learning_rates": [0.01, 0.03, 0.1], "weight_decays": [0.0, 0.1]}
    tasks = {"text, legs tuned": locator(grid), "text x10, legs tuned": locator({**grid, "scale": 10})}
    if options.data:
        tasks["tinyshakespeare, legs tuned"] = locator({**grid, "path": str(Path(options.data).resolve())})
    for name, task in tasks.items():
        report = study.rerank(top=options.top, seeds=options.seeds, task=task)
        print(f"\n{name}: {report['text']}")
        print(f"  baseline's setting {report['baseline']['legs'][0]['overrides']}")
        for row in report["finalists"][:1]:
            rule = study.show(row["trial"])["description"]
            print(f"  chosen: trial {row['trial']} at {row['legs'][0]['overrides']}: {rule}")


def locator(settings: Mapping[str, Any]) -> str:
    """Returns the text task with settings."""
    from automl.canonical import dumps

    return f"{TASK}?{dumps(settings)}"


def interval(one: Mapping[str, float]) -> str:
    """Returns mean and interval of a gain."""
    return f"{one['mean']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f})"


def main() -> None:
    """Reads the options and runs one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["proposals", "methods", "winner"], nargs="?", default="proposals")
    parser.add_argument("--proposals", type=int, default=300)
    parser.add_argument("--trained", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--fresh", type=int, default=5, help="fresh seeds of the second look at each method's best")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--only", choices=[*METHODS], default=None, help="one method")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", default=None, help="a text that the search has not seen")
    parser.add_argument("--task", action="append", default=[], help="setting of the text task, e.g. steps=100")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="automl-optimizer-") as folder:
        {"proposals": proposals, "methods": methods, "winner": winner}[options.part](options, folder)


if __name__ == "__main__":
    main()
