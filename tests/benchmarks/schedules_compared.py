"""Schedules against linear decay and cosine, each at its own best peak learning rate: test values over fresh seeds.

Why: at one fixed peak a comparison of schedules is mostly one of peaks. The refined schedule should match or beat
linear decay on most tasks, as published (Defazio et al., arXiv 2310.07831). The rule: the peak of every schedule is
chosen on the validation split with seeds of its own, then fresh seeds, the same for all, are judged on the test split;
what is reported are differences paired by seed, with intervals. `refined` follows from the gradient norms of the run
with linear decay at its best peak.

    python tests/benchmarks/schedules_compared.py --quick
    python tests/benchmarks/schedules_compared.py --workers 2 --found best.json,study:17 --storage sqlite:///...
"""

import argparse
import os
import tempfile
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automl.assemble import executor_of, task_of
from automl.canonical import dumps
from automl.config import storage_url
from automl.contracts import Executor, RungJob, RungResult
from automl.flows.jobs import Jobs
from automl.flows.workloads import Effort, Method, Run, Workload
from automl.numerics.intervals import difference_interval
from automl.numerics.ranking import utility
from automl.numerics.refinement import refine
from automl.run.method_names import OPTIMIZERS, Axis, methods_of
from automl.run.workload_names import workloads_of
from automl.training.update_rules import AdamW
from search_spaces.lr_schedule.space import LrScheduleSpace

SPACE = "search_spaces.lr_schedule.space:LrScheduleSpace"
AXES = (Axis(kind="schedule", slot="schedule", space=SPACE), OPTIMIZERS)
REFERENCES = ("linear", "cosine")
NAMES = ("linear", "cosine", "wsd-1sqrt", "cosine-power", "schedule-free", "baseline")
REFINED = "refined"
SHAKESPEARE = Path(__file__).parents[3] / "shared/data/tinyshakespeare/input.txt"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all parts of the benchmark share.

    Attributes:
        executor: runs the jobs.
        effort: learning rates and root seed.
        tuning_seeds: runs per schedule and peak.
        fresh_seeds: runs per schedule at its best peak.
    """

    executor: Executor
    effort: Effort
    tuning_seeds: int
    fresh_seeds: int

    def train(self, runs: Mapping[Hashable, RungJob]) -> dict[Any, RungResult | None]:
        """Trains jobs; None where one failed."""
        jobs, keys = Jobs(self.executor), dict(enumerate(runs))
        for number, key in keys.items():
            jobs.submit(str(number), runs[key], priority=(number,))
        found: dict[Any, RungResult | None] = {}
        while len(found) < len(runs):
            found |= {keys[int(answer.key)]: answer.result for _, answer in jobs.wait(1.0)}
        return found

    def peaks(self, methods: Sequence[Method], workload: Workload) -> dict[str, float]:
        """Returns method -> the factor on the learning rate with the best mean validation value."""
        grid = [(one, rate, seed) for one in methods for rate in self.effort.learning_rates for seed in self._tuning]
        runs = {
            (one.name, rate, seed): job(one, workload, rate, seed, "tune", self.effort) for one, rate, seed in grid
        }
        results = self.train(runs)
        chosen = {}
        for one in methods:
            means = {
                rate: np.mean([worth(results[one.name, rate, seed], workload) for seed in self._tuning])
                for rate in self.effort.learning_rates
            }
            chosen[one.name] = max(means, key=lambda rate: means[rate])
        return chosen

    def fresh(
        self, methods: Sequence[Method], peaks: Mapping[str, float], workload: Workload
    ) -> dict[str, list[float]]:
        """Returns method -> utilities on the test split, one per fresh seed."""
        runs = {
            (one.name, seed): replace(
                job(one, workload, peaks[one.name], seed, "fresh", self.effort), splits=("test",)
            )
            for seed in range(self.fresh_seeds)
            for one in methods
        }
        results = self.train(runs)
        return {
            one.name: [worth(results[one.name, seed], workload) for seed in range(self.fresh_seeds)] for one in methods
        }

    def refined(self, linear: Method, peak: float, workload: Workload, *, own: object) -> Method:
        """Returns the schedule that follows from a run with linear decay; l1 norms where the task's rule is Adam's."""
        asked = replace(job(linear, workload, peak, 0, "tune", self.effort), requests=("gradient_norms",))
        result = self.train({0: asked})[0]
        assert result is not None, "the run with linear decay failed"
        norms: Any = result.measurements[0]["gradient_norms"]
        norm = "l1" if isinstance(own, AdamW) else "l2"
        usable = [value for value in norms[norm] if value is not None]
        multipliers = refine(usable, norm=norm, steps=workload.steps)
        genotype = LrScheduleSpace().from_multipliers(multipliers.tolist())
        return Method(name=REFINED, edits=((SPACE, genotype),))

    @property
    def _tuning(self) -> range:
        return range(self.tuning_seeds)


def job(method: Method, workload: Workload, rate: float, seed: int, purpose: str, effort: Effort) -> RungJob:
    """Returns the job that trains one schedule whole."""
    run = Run(method=method, workload=workload, factor=rate, seed=seed, steps=workload.steps, purpose=purpose)
    return replace(run.job(effort), measure_every_steps=workload.steps)


def worth(result: RungResult | None, workload: Workload) -> float:
    """Returns the utility of a run's last value; a run that failed or diverged is worth -inf."""
    goal = workload.objective
    last = None if result is None or result.diverged[0] else result.curves[0].last(goal.metric)
    return utility(last, goal.direction)


def compare_on(bench: Bench, workload: Workload, methods: Sequence[Method]) -> None:
    """Tunes, judges and prints one task."""
    begun, own = time.perf_counter(), task_of(workload.task).baseline(workload.variant).update_rule
    peaks = bench.peaks(methods, workload)
    linear = next(one for one in methods if one.name == "linear")
    refined = bench.refined(linear, peaks["linear"], workload, own=own)
    peaks |= bench.peaks([refined], workload)
    everyone = [*methods, refined]
    values = bench.fresh(everyone, peaks, workload)
    sign = 1.0 if workload.objective.direction == "maximize" else -1.0
    minutes = (time.perf_counter() - begun) / 60
    print(f"\n{workload.name}: test {workload.objective.name}, {workload.steps} steps, {minutes:.1f} minutes")
    print(f"  {'schedule':16} {'peak':>8} {'mean':>8} {'sd':>7}   gain over {' and over '.join(REFERENCES)} (95 %)")
    ends = (min(bench.effort.learning_rates), max(bench.effort.learning_rates))
    for one in sorted(everyone, key=lambda method: -float(np.mean(values[method.name]))):
        numbers = sign * np.array(values[one.name])
        edge = "!" if peaks[one.name] in ends else " "
        gains = "   ".join(gain(values[one.name], values[other]) for other in REFERENCES)
        peak = f"x{peaks[one.name]:g}{edge}"
        print(f"  {one.name:16} {peak:>8} {numbers.mean():8.4f} {numbers.std(ddof=1):7.4f}   {gains}")


def gain(mine: Sequence[float], theirs: Sequence[float]) -> str:
    """Returns the mean of the paired differences with its interval; positive is better."""
    differences = [a - b for a, b in zip(mine, theirs, strict=True)]
    if not np.isfinite(differences).all():
        return f"{'a run failed':30}"
    low, high = difference_interval(differences, rng=np.random.default_rng(0))
    mark = "+" if low > 0 else "-" if high < 0 else "="
    return f"{mark} {np.mean(differences):+.4f} ({low:+.4f} to {high:+.4f})"


def tasks_of(options: argparse.Namespace) -> list[str]:
    """Returns the locators of the tasks; tinyshakespeare where its file is there."""
    if options.tasks:
        return list(options.tasks)
    found = ["text", "digits"]
    data = Path(options.data).resolve()
    return [*found, f"text?{dumps({'path': str(data)})}"] if data.exists() else found


def main() -> None:
    """Reads the options and compares on every task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", help="names or locators; text, digits and tinyshakespeare if left out")
    parser.add_argument("--data", default=str(SHAKESPEARE), help="a text that no search has seen")
    parser.add_argument("--schedules", default=",".join(NAMES), help="must hold linear and cosine")
    parser.add_argument("--found", default="", help="further ones: FILE.json or STUDY:TRIAL, between commas")
    parser.add_argument("--storage", default=None)
    parser.add_argument("--learning-rates", default="0.1,0.3,1,3,10")
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--tuning-seeds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few steps, rates and seeds: shows that it runs")
    options = parser.parse_args()
    if options.quick:
        options.learning_rates, options.tuning_seeds, options.seeds = "0.3,1", 1, 3
        options.steps = options.steps or 40
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; ! = peak at an end of the grid")
    names = [name for name in (*options.schedules.split(","), *options.found.split(",")) if name]
    methods = methods_of(names, (), storage=storage_url(options.storage), axes=AXES)
    effort = Effort(learning_rates=tuple(map(float, options.learning_rates.split(","))), seed=options.seed)
    field = workloads_of(tasks_of(options), variants=(), steps=options.steps)
    with tempfile.TemporaryDirectory(prefix="automl-schedules-") as folder:
        header: dict[str, Any] = {"limits": {}, "device": "cpu"}
        executor = executor_of(header, {}, workers=options.workers, directory=Path(folder))
        bench = Bench(
            executor=executor, effort=effort, tuning_seeds=options.tuning_seeds, fresh_seeds=options.seeds
        )
        try:
            for workload in field.workloads:
                compare_on(bench, workload, methods)
        finally:
            executor.close()


if __name__ == "__main__":
    main()
