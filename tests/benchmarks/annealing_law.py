"""Does the annealing law foretell schedules it has not seen? Fitted to a constant and a cosine run of `text`.

Why: issue 4 asks for a mean relative error of at most 0.5 % and a rank correlation of at least 0.8 over eight unseen
schedules, with intervals, and for 100,000 schedules ranked per second and core. The rule: all runs share seed, peak
and horizon; the law is asked about re-warm-up and two steps as well, which the guards of a search would refuse.

    python tests/benchmarks/annealing_law.py --steps 2000 --seeds 3
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from automl.contracts import Schedule
from automl.numerics.annealing_law import AnnealingLaw, Floats, RecordedCurve, fit_annealing_law
from automl.numerics.correlation import spearman
from automl.numerics.schedule_experience import decay_of, law_rates, recorded_curve
from automl.searchers.schedule_curves import KNOTS, best_curves
from automl.seeding import child, child_seed
from automl.training.batches import Batches
from automl.training.tasks.text import Text

RESAMPLES = 10_000


class Table:
    """A schedule that is a table of factors."""

    def __init__(self, factors: Floats) -> None:
        self.factors = factors

    def init(self, steps: int) -> None:
        """Returns None: there is nothing to remember."""

    def multiplier(self, state: None, step: int, signals: Mapping[str, float]) -> tuple[float, None]:
        """Returns the entry of the step."""
        return float(self.factors[step]), None


def schedules(steps: int) -> dict[str, Floats]:
    """Returns the two that the law is fitted to, then the eight that it has not seen; none of them has a warm-up."""
    x = np.arange(steps) / steps
    late = np.maximum(0.0, (x - 0.8) / 0.2)
    found = {
        "constant": np.ones(steps),
        "cosine": (1 + np.cos(np.pi * x)) / 2,
        "linear": 1 - x,
        **{f"wsd-{share}%": np.minimum(1.0, (1 - x) / (share / 100)) for share in (10, 20, 50)},
        "wsd-1sqrt-20%": 1 - np.sqrt(late),
        "cosine-power": (10 ** ((1 + np.cos(np.pi * x)) / 2) - 1) / 9,
        "two-step": np.where(x < 0.5, 1.0, np.where(x < 0.8, 0.3, 0.1)),
        "re-warm-up": np.where(x < 0.5, 1 - 1.8 * x, np.where(x < 0.55, 0.1 + 8 * (x - 0.5), 0.5 * (1 - x) / 0.45)),
    }
    return found


def train(task: Text, schedule: Schedule, *, seed: int, every: int) -> tuple[list[int], list[float]]:
    """Returns the steps and validation losses of one run."""
    variant = next(iter(task.variants))
    recipe = task.baseline(variant).replace(schedule=schedule)
    data = task.data("train", variant)
    batches = Batches(
        inputs=data.inputs, targets=data.targets, size=recipe.batch_size, seed=seed, augment=recipe.augment
    )
    trainer, validation = recipe.trainer, task.data("validation", variant)
    state = trainer.init(recipe, task.signature(variant), seed=child_seed(seed, "init"), device="cpu")
    steps, losses = [], []
    for step in range(recipe.steps):
        trainer.step(state, batches.at(step), step=step)
        if (step + 1) % every == 0 or step + 1 == recipe.steps:
            steps.append(step + 1)
            losses.append(float(task.measure(trainer.model(state), validation)["loss"]))
    return steps, losses


def mean_curves(task: Text, table: Mapping[str, Floats], *, seeds: int, every: int) -> dict[str, RecordedCurve]:
    """Returns the mean validation curve over seeds of every schedule."""
    found = {}
    for name, factors in table.items():
        began = time.perf_counter()
        children = [child_seed(seed, "annealing-law") for seed in range(seeds)]
        runs = [train(task, Table(factors), seed=seed, every=every) for seed in children]
        losses = np.mean([run[1] for run in runs], axis=0)
        found[name] = recorded_curve(factors, steps=runs[0][0], losses=losses.tolist())
        print(f"  trained {name:<14} loss {losses[-1]:.4f}  {time.perf_counter() - began:.1f} s", flush=True)
    return found


def interval(values: Sequence[tuple[float, float]], *, rng: np.random.Generator) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of the rank correlation of pairs."""
    pairs = np.array(values)
    drawn = (pairs[rng.integers(len(pairs), size=len(pairs))] for _ in range(RESAMPLES))
    found = [one for sample in drawn if (one := spearman(sample[:, 0].tolist(), sample[:, 1].tolist())) is not None]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def report(law: AnnealingLaw, curves: Mapping[str, RecordedCurve]) -> None:
    """Prints errors of the eight, their mean, and the rank correlation with its interval."""
    pairs: list[tuple[float, float]] = []
    for name in list(curves)[2:]:
        curve = curves[name]
        predicted, actual = float(law.curve(curve.rates)[curve.steps[-1]]), float(curve.losses[-1])
        pairs.append((predicted, actual))
        print(f"  {name:<14} predicted {predicted:.4f}  actual {actual:.4f}  error {predicted / actual - 1:+.2%}")
    errors = [abs(predicted / actual - 1) for predicted, actual in pairs]
    rng = child(0, "annealing-law", "bootstrap")
    means = np.mean(np.array(errors)[rng.integers(len(errors), size=(RESAMPLES, len(errors)))], axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    print(f"mean relative error {np.mean(errors):.3%} (95 % interval {low:.3%} to {high:.3%}; aim <= 0.5 %)")
    agrees = spearman([one for one, _ in pairs], [one for _, one in pairs])
    low, high = interval(pairs, rng=rng)
    print(f"rank correlation {agrees:+.3f} (95 % interval {low:+.3f} to {high:+.3f}; aim >= 0.8)")


def speed(law: AnnealingLaw, *, steps: int, count: int = 20_480) -> None:
    """Prints how many schedules are ranked a second, given their rates, and drawn as well as ranked."""
    rates: Any = np.stack([law_rates(np.linspace(1, 0.1, steps))] * 1_024).astype(np.float32)
    rounds: dict[str, list[float]] = {"ranked": [], "drawn and ranked": []}
    for seed in range(5):
        began = time.perf_counter()
        for _ in range(count // 1_024):
            law.final(rates)
        rounds["ranked"].append(time.perf_counter() - began)
        began = time.perf_counter()
        best_curves(law, [np.linspace(1, 0, KNOTS)], count=count, steps=steps, rng=np.random.default_rng(seed))
        rounds["drawn and ranked"].append(time.perf_counter() - began)
    for name, seconds in rounds.items():
        print(f"{name}: {count / min(seconds):,.0f} schedules of {steps} steps a second (aim >= 100,000 on a core)")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=96)
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = Text(steps=options.steps, learning_rate=options.learning_rate, width=options.width, measured_windows=512)
    print(f"text, {options.steps} steps, peak {options.learning_rate:g}, mean of {options.seeds} seeds")
    curves = mean_curves(task, schedules(options.steps), seeds=options.seeds, every=max(1, options.steps // 40))
    began = time.perf_counter()
    with np.errstate(over="ignore"):
        law = fit_annealing_law([curves["constant"], curves["cosine"]], decay=decay_of(options.steps))
    print(f"fitted in {time.perf_counter() - began:.2f} s: {law}")
    report(law, curves)
    speed(law, steps=options.steps)


if __name__ == "__main__":
    main()
