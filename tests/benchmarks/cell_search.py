"""Do cells that a differentiable search derives beat random ones, on images, at equal budget, over fresh seeds?

Why: published searches often end near what a random cell of their space reaches with the same recipe (Yang, Esperança,
Carlucci 2020; Li, Talwalkar 2019). The rule: every search hands over the last cell that it derived, whatever its
supernet reached; these cells, random ones, a hand-made one and the task's own network are trained with one recipe, one
budget and the same seeds. Methods are compared on the gate split; test is read for the finalist that gate chose, and
for those from whom nobody chooses. Studies and the second look's report are kept, so an interrupted run goes on where
it was; a second look that is cut off begins anew.

    python tests/benchmarks/cell_search.py --data cifar10/train.parquet --folder cells --workers 2
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import automl
from automl.canonical import dumps
from automl.numerics.intervals import crossed_interval
from search_spaces.darts import DartsSpace

WEIGHTINGS = ("softmax", "max-w")
UNJUDGED = {f"filter.{name}.enabled": False for name in ("cost", "early-learning", "quality", "stability")}
"""All cells must reach the second look: those that a filter would drop are a result too."""
Values = np.ndarray[Any, np.dtype[np.float64]]


def searched(weighting: str, options: argparse.Namespace) -> list[Mapping[str, Any]]:
    """Returns the last cell that each differentiable search of one weighting derived."""
    begun = time.perf_counter()
    study = automl.search(
        "darts-supernet",
        searcher="random",
        trials=options.searches,
        study=f"supernet-{weighting}",
        settings={
            "space.weighting": weighting,
            "space.channels": options.search_channels,
            "space.architecture_learning_rate": options.architecture_learning_rate,
            "task.steps": options.search_steps,
            "task.batch_size": 32,
            "executor.limit_seconds": 3600,
            **task_settings(options),
        },
        **common(options),
    )
    found = []
    for trial, closed in zip(study.log.opened, study.log.closed, strict=True):
        entries = closed.derived
        shown = f"accuracy {closed.values[0]:.4f}" if closed.values[0] is not None else closed.reason
        if not entries:
            print(f"  {weighting}, trial {trial.number}: {closed.outcome}, {shown}, no cell")
            continue
        first, last = entries[0], entries[-1]
        names = [f"entropy_{kind}" for kind in ("normal", "reduce")]
        entropies = ", ".join(f"{name} {first[name]:.3f} -> {last[name]:.3f}" for name in names)
        print(f"  {weighting}, trial {trial.number}: {shown}, {entropies}, skips {last['skips']:.0f}")
        print(f"    {DartsSpace().describe(last['genotype'])}")  # type: ignore[arg-type]
        found.append(last["genotype"])
    print(f"  {weighting}: {(time.perf_counter() - begun) / 60:.1f} minutes in this call", flush=True)
    return found  # type: ignore[return-value]


def second_look(cells: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> tuple[automl.Study, dict[str, Any]]:
    """Trains the cells as trials, then again with fresh seeds beside random ones and the hand-made one."""
    study = automl.search(
        "darts",
        searcher="random",
        trials=len(cells),
        study="derived-cells",
        settings={
            "space.channels": options.channels,
            "task.steps": options.steps,
            **UNJUDGED,
            **task_settings(options),
        },
        warm_start=list(cells),
        **common(options),
    )
    kept = study.log.notes.get("rerank")
    if kept is not None and (kept["seeds"], _drawn(kept["companions"])) == (options.seeds, options.random):
        return study, kept
    return study, study.rerank(top=len(cells), seeds=options.seeds, random=options.random, designs=["one-shot"])


def _drawn(companions: Mapping[str, Any]) -> int:
    """Returns how many random cells a report is about, those included that failed."""
    rows = [*companions["random"], *companions["failed"]]
    return sum(row["name"].startswith("random ") for row in rows)


def common(options: argparse.Namespace) -> dict[str, Any]:
    """Returns what all studies share."""
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "task": "images" if options.data else "digits",
        "data": options.data,
        "seed": options.seed,
        "workers": options.workers,
        "storage": f"sqlite:///{folder.absolute()}/studies.db",
        "tracking_uri": f"sqlite:///{folder.absolute()}/mlflow.db",
        "progress": True,
    }


def task_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings of the task that searches and second look share."""
    return {"task.examples": options.examples} if options.data else {}


def gate_values(rows: Sequence[Mapping[str, Any]]) -> Values:
    """Returns [rows, seeds]."""
    return np.array([[values[0] for values in row["gate_values"]] for row in rows])


def minus(mine: Values, theirs: Values) -> str:
    """Returns the difference of two groups of cells, each [cells, seeds], with its interval over all that was drawn.

    That is the cells of either group and the seeds; a group of one cell counts as that cell, not as its method.
    """
    differences = mine[:, None] - theirs[None]
    axes = tuple(axis for axis, size in enumerate(differences.shape) if size == 1)
    low, high = crossed_interval(differences.squeeze(axes), rng=np.random.default_rng(0))
    return f"{differences.mean():+.4f} (95 % {low:+.4f} to {high:+.4f}), {len(mine)} against {len(theirs)} cells"


def parameters(study: automl.Study, genotype: Mapping[str, Any] | None) -> int:
    """Returns how many numbers the network of a cell has; None = the task's own network."""
    plan = study.plan
    variant = plan.variants[0]
    recipe = plan.task.baseline(variant)
    recipe = recipe if genotype is None else plan.space.apply(genotype, recipe)
    model = recipe.model(plan.task.signature(variant), recipe.norm_act, torch.Generator())
    return sum(one.numel() for one in model.parameters())


def print_report(report: Mapping[str, Any], origin: Mapping[int, str], study: automl.Study) -> None:
    """Prints every candidate, then the comparisons."""
    beside = report["companions"]
    finalists = {row["trial"]: row for row in report["finalists"]}
    cells = {number: study.log.opened[number].genotype for number in finalists}
    rows = [(f"{origin[number]}, trial {number}", row, cells[number]) for number, row in finalists.items()]
    rows += [(row["name"], row, row["genotype"]) for kind in ("random", "designs") for row in beside[kind]]
    rows.append(("the task's own network", report["baseline"], None))
    print(f"\n{'who':24} {'gate':>8} {'sd':>7} {'parameters':>11}")
    for name, row, genotype in sorted(rows, key=lambda entry: -gate_values([entry[1]]).mean()):
        values = gate_values([row])[0]
        print(f"{name:24} {values.mean():8.4f} {values.std(ddof=1):7.4f} {parameters(study, genotype):11,}")
    groups = {
        name: gate_values([row for number, row in finalists.items() if origin[number] == name])
        for name in dict.fromkeys(origin[number] for number in finalists)
    }
    print("\nGate accuracy, over cells and seeds")
    for name, values in groups.items():
        print(f"  {name} minus random: {minus(values, gate_values(beside['random']))}")
    if len(groups) == 2:
        first, second = groups
        print(f"  {second} minus {first}: {minus(groups[second], groups[first])}")
    print(f"\n{report['text']}\n{beside['text']}")


def main() -> None:
    """Reads the options, searches and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=None, help="images as of `--data` of the task images; digits if left out")
    parser.add_argument("--folder", default="cell-search", help="where studies are kept")
    parser.add_argument("--examples", type=int, default=8_000)
    parser.add_argument("--searches", type=int, default=2, help="differentiable searches per weighting")
    parser.add_argument("--search-channels", type=int, default=8)
    parser.add_argument("--search-steps", type=int, default=300)
    parser.add_argument("--architecture-learning-rate", type=float, default=1e-2)
    parser.add_argument("--channels", type=int, default=4, help="of the networks that are compared")
    parser.add_argument("--steps", type=int, default=200, help="of their training")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--random", type=int, default=8, help="random cells")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default=None, help="file for the report as JSON")
    options = parser.parse_args()
    begun = time.perf_counter()
    derived = {weighting: searched(weighting, options) for weighting in WEIGHTINGS}
    cells = [cell for found in derived.values() for cell in found]
    study, report = second_look(cells, options)
    names = [weighting for weighting, found in derived.items() for _ in found]
    print_report(report, dict(enumerate(names)), study)
    print(f"{(time.perf_counter() - begun) / 60:.1f} minutes in this call, second look included")
    if options.output is not None:
        Path(options.output).write_text(dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
