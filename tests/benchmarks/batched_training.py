"""Candidates per second, stacked against one after the other, for 64 learning-rate schedules on four networks.

Why: stacking must make small networks several times as fast, and must not be chosen where it makes them slower. The
rule: both ways train the same candidates through the runner, measurements included, in turn; the best round counts, in
seconds of processor time, which other work on the machine disturbs less than wall time.

    OMP_NUM_THREADS=1 python tests/benchmarks/batched_training.py --rounds 3 --threads 1
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from automl.contracts import Leg, Recipe, RecipeRef, RungJob, RungResult, Task
from automl.training.calibration import calibrate
from automl.training.runner import Runner
from automl.training.schedules import WarmupCosine
from automl.training.snapshots import SnapshotStore
from automl.training.tasks.digits import Digits
from automl.training.tasks.digits_mlp import DigitsMLP
from automl.training.tasks.text import Text

TASKS: Mapping[str, Task] = {
    "digits-mlp": DigitsMLP(),
    "text mlp": Text(),
    "digits resnet": Digits(),
    "text transformer": Text(model="transformer", width=32, learning_rate=3e-3),
}
TARGETS = {"digits-mlp": 5.0, "text mlp": 2.5}


class Cosines:
    """Genotype {"warmup": w}."""

    def encode(self, genotype: Mapping[str, Any]) -> Mapping[str, Any]:
        return genotype

    def decode(self, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        return answers

    def apply(self, genotype: Mapping[str, Any], recipe: Recipe) -> Recipe:
        return recipe.replace(schedule=WarmupCosine(warmup=genotype["warmup"]))


def job_of(name: str, candidates: int, *, steps: int, width: int, threads: int) -> RungJob:
    """Returns the job that trains so many schedules for so many steps."""
    variant = TASKS[name].legs("search")[0].variant
    refs = tuple(
        RecipeRef(task=name, variant=variant, edits=(("cosines", {"warmup": index / (2 * candidates)}),))
        for index in range(candidates)
    )
    return RungJob(
        kind="train",
        refs=refs,
        leg=Leg(variant=variant),
        steps=(0, steps),
        measure_every_steps=25,
        threads=threads,
        width=width,
    )


def seconds(runner: Runner, job: RungJob) -> tuple[float, RungResult]:
    """Runs a job and returns its processor time, over all threads."""
    begun = time.process_time()
    result = runner.run(job)
    return time.process_time() - begun, result


def difference(first: RungResult, second: RungResult) -> float:
    """Returns the largest difference of a validation loss."""
    pairs = zip(first.curves, second.curves, strict=True)
    return max(abs((one.last("loss") or 0) - (other.last("loss") or 0)) for one, other in pairs)


def measure(name: str, runner: Runner, options: argparse.Namespace) -> None:
    """Prints one network's lines."""
    torch.set_num_threads(options.threads)
    chosen = calibrate(TASKS[name], memory_bytes=4 << 30, threads=options.threads)
    print(f"\n{name}: calibration takes width {chosen.width} (x{chosen.speed_up:.2f}; {chosen.reason[:70]})")
    heavy = name in ("digits resnet", "text transformer")
    count, steps = (8, 20) if heavy else (options.candidates, options.steps)
    for width in [8] if heavy else options.widths:
        alone = job_of(name, count, steps=steps, width=1, threads=options.threads)
        stacked = job_of(name, count, steps=steps, width=width, threads=options.threads)
        try:
            runner.run(job_of(name, width, steps=1, width=width, threads=options.threads))
        except Exception as error:
            print(f"  width {width}: cannot be stacked ({str(error)[:60]}...)")
            continue
        rounds = [(seconds(runner, alone), seconds(runner, stacked)) for _ in range(options.rounds)]
        one, many = (min(row[place][0] for row in rounds) for place in (0, 1))
        drift = difference(rounds[0][0][1], rounds[0][1][1])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        target = f" (target {TARGETS[name]})" if name in TARGETS else ""
        print(
            f"  width {width}: {count / one:.2f} -> {count / many:.2f} candidates/s of {steps} steps, x{one / many:.2f}"
            f"{target}; loss differs by {drift:.1e}; peak {peak:.0f} MiB"
        )


def main() -> None:
    """Reads the options and measures each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--candidates", type=int, default=64)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--only", nargs="+", default=list(TASKS), choices=list(TASKS))
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {options.threads} thread(s)")
    with tempfile.TemporaryDirectory(prefix="automl-batched-") as folder:
        runner = Runner(
            resolve_task=TASKS.__getitem__,
            resolve_space={"cosines": Cosines()}.__getitem__,  # type: ignore[dict-item]
            snapshots=SnapshotStore(directory=Path(folder)),
        )
        for name in options.only:
            measure(name, runner, options)


if __name__ == "__main__":
    main()
