"""What each zero-cost proxy is worth on the digits: its rank correlation with trained accuracy, and its milliseconds.

Why: published correlations are those of other spaces and tasks. The rule: random candidates, distinct functions that
pass the validity screen (the screen zero-cost judges after it), each probed and trained as a search would; parameters
and FLOPs stand beside the proxies as the baselines to beat. A proxy whose interval includes zero would be switched off.
Intervals are per proxy at 95 %: of eight that are worthless, one in three tables shows one that is not.

    python tests/benchmarks/zero_cost.py [--space norm-act] [--candidates 64] [--steps 300] [--seed 0]
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from automl.assemble.parts import runner_of
from automl.assemble.plan import space_of
from automl.canonical import JSON
from automl.contracts import Genotype, Leg
from automl.filters.validity import Validity
from automl.flows.plan import Plan
from automl.flows.references import Seen
from automl.numerics.proxy_worth import PROXIES, proxy_worth
from automl.searchers.random_search import RandomSearch
from automl.seeding import child
from automl.training.runner import Runner
from automl.training.tasks.digits import Digits
from automl.training.zero_cost import SCORES, zero_cost_scores


@dataclass(slots=True, kw_only=True)
class Scored:
    """Candidates of one space with all scores.

    Attributes:
        plan: space and task.
        runner: probes and trains.
        genotypes: candidates so far.
        probes: their measurements.
        milliseconds: proxy -> time of each score; the baselines cost nothing beyond the probe.
        drawn: genotypes drawn, repeats and invalid ones included.
    """

    plan: Plan
    runner: Runner
    genotypes: list[Genotype] = field(default_factory=list)
    probes: list[Mapping[str, JSON]] = field(default_factory=list)
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    drawn: int = 0

    @property
    def leg(self) -> Leg:
        """The architecture that candidates are trained on."""
        return self.plan.task.legs("search")[0]

    def collect(self, count: int, rng: np.random.Generator) -> None:
        """Draws until there are `count` candidates."""
        seen: set[str] = set()
        while len(self.genotypes) < count:
            genotype = self.plan.space.sample(rng).genotype
            self.drawn += 1
            fingerprint = self.plan.space.fingerprint(genotype)
            if fingerprint in seen:
                continue
            seen.add(fingerprint)
            (probed,) = self.runner.run(self.plan.probe_job(genotype, self.leg.variant, ())).measurements
            if Validity().judge(genotype, fingerprint, {self.leg.variant: probed}, Seen()).keep:
                self.genotypes.append(genotype)
                self.probes.append({**probed, **self._scores(genotype)})

    def _scores(self, genotype: Genotype) -> dict[str, JSON]:
        """Scores one candidate, each proxy by itself and timed on its second run (the first may compile kernels)."""
        recipe = self.runner.recipe(self.plan.ref(genotype, self.leg))
        signature = self.plan.task.signature(self.leg.variant)
        state = recipe.trainer.init(recipe, signature, seed=self.plan.seed, device="cpu")
        model, data = recipe.trainer.model(state), self.plan.task.data("train", self.leg.variant)
        batch = (data.inputs[: recipe.batch_size], data.targets[: recipe.batch_size])
        scores: dict[str, JSON] = {}
        for name in SCORES:
            for _ in range(2):
                start = time.perf_counter()
                scores |= zero_cost_scores(model, recipe.loss, batch=batch, wanted=[name], seed=0)
                seconds = time.perf_counter() - start
            self.milliseconds[name].append(1000 * seconds)
        return scores

    def accuracies(self) -> tuple[list[float | None], float]:
        """Trains every candidate; returns the last accuracies (None where it diverged) and the seconds of one."""
        found, start = [], time.perf_counter()
        for genotype in self.genotypes:
            job = self.plan.full_job(genotype, self.leg, seed=self.plan.seed, splits=("validation",))
            found.append(self.runner.run(job).curves[0].last("accuracy"))
        return found, (time.perf_counter() - start) / len(found)


def report(scored: Scored, accuracies: Sequence[float | None], seconds: float) -> None:
    """Prints one row per proxy."""
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    quartiles = np.quantile(known, [0, 0.25, 0.5, 0.75, 1]).round(3).tolist()
    print(f"{len(accuracies)} candidates of {scored.drawn} drawn, {len(accuracies) - len(known)} diverged")
    print(f"accuracy (least, quartiles, most) {quartiles}, {seconds:.1f} s a training\n")
    print(f"{'proxy':<12}{'candidates':>11}{'correlation':>13}   {'95 % interval':<18}{'ms':>7}")
    for proxy in PROXIES:
        worth = proxy_worth(
            [(_number(probed[proxy]),) for probed in scored.probes],
            [(accuracy,) for accuracy in accuracies],
            directions=("maximize",),
            rng=child(0, "zero-cost"),
        )
        cost = f"{np.median(scored.milliseconds[proxy]):.1f}" if proxy in SCORES else "-"
        if worth.correlation is None:
            print(f"{proxy:<12}{worth.trials:>11}{'-':>13}   {'':<18}{cost:>7}")
            continue
        interval = f"{worth.low:+.2f} to {worth.high:+.2f}"
        use = "" if worth.reliable else "  switched off"
        print(f"{proxy:<12}{worth.trials:>11}{worth.correlation:>+13.2f}   {interval:<18}{cost:>7}{use}")


def _number(value: JSON) -> float | None:
    return value if isinstance(value, int | float) else None


def main() -> None:
    """Reads the options, scores, trains and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="norm-act", help="name or locator of the search space")
    parser.add_argument("--candidates", type=int, default=64, help="distinct valid ones")
    parser.add_argument("--steps", type=int, default=300, help="of a training")
    parser.add_argument("--seed", type=int, default=0, help="of candidates, weights and data order")
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = space_of(options.space)
    with tempfile.TemporaryDirectory() as directory:
        plan = Plan(
            space=space,
            space_locator=options.space,
            task=Digits(steps=options.steps),
            task_locator=f'digits?{{"steps":{options.steps}}}',
            searcher=RandomSearch(space=space),
            seed=options.seed,
        )
        scored = Scored(plan=plan, runner=runner_of({}, Path(directory)))
        scored.collect(options.candidates, child(options.seed, "zero-cost"))
        report(scored, *scored.accuracies())


if __name__ == "__main__":
    main()
