"""How many training steps a passing graph costs with the screens and the early ladder, and what they wrongly reject.

The plain protocol (EvoNorm, Liu et al. 2020) trains every random graph for 100 steps and keeps what reaches twice
chance: 100/p steps for each graph that passes, p being the pass rate. Here the same stream of raw random graphs runs
through the real filters and the real runner; a repeated function is replayed at no cost, and counts as a passing graph
where its first occurrence passed. Then rejected graphs are trained anyway, to see how many would have passed.

    python tests/benchmarks/rejection.py [--graphs 7500] [--audit 300] [--seed 0]

The rule of the audit: rejected graphs are drawn at random, repeats included, separately from those of the engine's
filters and those of the space's screen; each group gives a binomial rate with its Clopper-Pearson bound. The two bounds
hold at 97.5 % each, hence their sum at 95 %. What is at chance by construction (the output has no axis over examples)
is only spot-checked, and what was trained for all 100 steps needs no audit. The thresholds were chosen on the stream of
seed 0; other seeds are held out.
"""

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from automl.assemble.parts import runner_of
from automl.contracts import Failure, Genotype, Monitor, Opened, RungJob, RungRecord, RungResult, Verdict
from automl.execution.in_process import InProcess
from automl.filters.duplicates import Duplicates
from automl.filters.early_learning import EarlyLearning
from automl.filters.quality import Quality
from automl.filters.validity import Validity
from automl.flows.plan import Plan
from automl.flows.references import Seen
from automl.flows.screening import screen
from automl.flows.trial_run import TrialRun
from automl.numerics.intervals import rate_interval
from automl.searchers.random_search import RandomSearch
from automl.seeding import child
from automl.training.tasks.digits import Digits
from search_spaces.norm_act.canonical_form import BATCH, FormTable
from search_spaces.norm_act.graph import Nodes, random_nodes, to_genotype, to_nodes
from search_spaces.norm_act.space import NormActSpace

HORIZON = 100
"""Steps after which the plain protocol judges."""

PASSED, PROVEN = "passes", "at chance by construction"
SPOT_CHECKS = 10
TARGET = 0.6


@dataclass(slots=True, kw_only=True)
class Function:
    """One distinct function of the stream.

    Attributes:
        genotype: of its first occurrence.
        fate: `PASSED`, the filter that rejected it, or how its training failed.
        group: "engine", "space" or `PROVEN` for a rejection before step 100; "" where nothing is left to audit.
        steps: trained on it.
        graphs: how often it occurred.
    """

    genotype: Genotype
    fate: str
    group: str = ""
    steps: int = 0
    graphs: int = 0


@dataclass(slots=True, kw_only=True)
class Protocol:
    """The real filters and runner, on the digits.

    Attributes:
        plan: space, task, screens and monitors.
        executor: of jobs.
        seen: fingerprints so far.
        forms: knows over which axes an output varies.
    """

    plan: Plan
    executor: InProcess
    seen: Seen = field(default_factory=Seen)
    forms: FormTable = field(default_factory=FormTable)

    def first_occurrence(self, genotype: Genotype, fingerprint: str, number: int) -> Function | None:
        """Screens and trains one graph; None for a repeated function."""
        verdicts = screen(
            genotype,
            fingerprint,
            screens=self.plan.screens,
            variants=self.plan.variants,
            study=self.seen,
            probe=lambda g, variant, requests: self._run(self.plan.probe_job(g, variant, requests)),
        ).verdicts
        if verdicts[0].duplicate_of is not None:
            return None
        self.seen.add(fingerprint, number)
        dropped = next((verdict for verdict in verdicts if not verdict.keep), None)
        if dropped is None:
            return self.train(genotype, self.plan.monitors)
        return Function(genotype=genotype, fate=_fate(dropped), group=self._group(genotype, dropped.filter))

    def train(self, genotype: Genotype, monitors: Sequence[Monitor]) -> Function:
        """Trains one graph until a monitor drops it, it fails, or step 100."""
        trial = Opened(number=0, genotype=genotype, fingerprint="")
        run = TrialRun(trial, task=self.plan.task, monitors=monitors, reference=lambda leg, rung: ())
        while (rung := run.next()) is not None and rung.steps[0] < HORIZON:
            found = self._run(self.plan.train_job(genotype, rung))
            result, failure = (None, found) if isinstance(found, Failure) else (found, None)
            run.absorb(RungRecord(leg=rung.leg.key, index=rung.index, result=result, failure=failure))
        if run.end is None:
            return Function(genotype=genotype, fate=PASSED, steps=HORIZON)
        early = run.end.outcome == "rejected" and run.end.steps < HORIZON
        return Function(
            genotype=genotype, fate=run.end.reason, group="engine" if early else "", steps=run.end.steps
        )

    def would_pass(self, function: Function) -> bool:
        """Trains a rejected function as the plain protocol does."""
        quality = [monitor for monitor in self.plan.monitors if isinstance(monitor, Quality)]
        return self.train(function.genotype, quality).fate == PASSED

    def _group(self, genotype: Genotype, by: str) -> str:
        if not self.forms.axes[self.forms.root(to_nodes(genotype))] & BATCH:
            return PROVEN
        return "space" if by in {own.name for own in self.plan.space.screens()} else "engine"

    def _run(self, job: RungJob) -> RungResult | Failure:
        self.executor.submit("", job, priority=())
        (answer,) = self.executor.wait(0.0)
        return answer.result or answer.failure or Failure(reason="infrastructure", evidence={})


def _fate(verdict: Verdict) -> str:
    """Returns the filter, and the reason where a filter has several."""
    return f"{verdict.filter}: {verdict.reason}"


def protocol(directory: Path, seed: int) -> Protocol:
    """Returns the engine's default filters, as far as they judge whether a graph learns."""
    space, task = NormActSpace(), Digits()
    plan = Plan(
        space=space,
        space_locator="norm-act",
        task=task,
        task_locator="digits",
        searcher=RandomSearch(space=space),
        screens=(Duplicates(), *space.screens(), Validity()),
        monitors=(EarlyLearning(objectives=task.objectives), Quality(objectives=task.objectives)),
        seed=seed,
    )
    return Protocol(plan=plan, executor=InProcess(runner_of({}, directory).run))


def run_stream(ours: Protocol, graphs: Iterable[Nodes]) -> list[Function]:
    """Returns the distinct functions of a stream of raw graphs, in order."""
    functions: dict[str, Function] = {}
    for number, nodes in enumerate(graphs):
        genotype = to_genotype(nodes)
        fingerprint = ours.plan.space.fingerprint(genotype)
        first = ours.first_occurrence(genotype, fingerprint, number)
        if first is not None:
            functions[fingerprint] = first
        functions[fingerprint].graphs += 1
    return list(functions.values())


def report_costs(functions: Sequence[Function]) -> int:
    """Prints what a passing graph costs, and where graphs and steps went; returns the number of passing graphs."""
    graphs, steps = sum(f.graphs for f in functions), sum(f.steps for f in functions)
    passing = [f for f in functions if f.fate == PASSED]
    passes = sum(f.graphs for f in passing)
    by_fate: dict[str, list[Function]] = defaultdict(list)
    for function in functions:
        by_fate[function.fate].append(function)
    print(f"{graphs} raw random graphs, {len(functions)} distinct functions\n")
    print(f"{'fate':<66}{'graphs':>8}{'share':>9}{'functions':>11}{'steps':>8}")
    for fate, group in sorted(by_fate.items(), key=lambda item: -sum(f.graphs for f in item[1])):
        count = sum(f.graphs for f in group)
        print(f"{fate:<66}{count:>8}{count / graphs:>9.2%}{len(group):>11}{sum(f.steps for f in group):>8}")
    if not passes:
        print("\nnothing passed; take more graphs")
        return 0
    low, high = rate_interval(passes, graphs)
    rate, cost = passes / graphs, steps / passes
    print(f"\npass rate p             {rate:.4f}  [{low:.4f}, {high:.4f}], 1/p = {1 / rate:.1f}")
    plain = HORIZON / rate
    print(f"steps per passing graph plain {plain:.0f}, ours {cost:.1f}: {plain / cost:.1f} times fewer")
    print(f"of the limit 1/p        {HORIZON / cost:.2f}  (target {TARGET}; above 1 by replaying duplicates)")
    print(f"without the replays     {steps / len(passing):.0f} steps per distinct passing function")
    return passes


def report_audit(ours: Protocol, functions: Sequence[Function], *, passes: int, size: int, seed: int) -> None:
    """Trains rejected functions anyway, and prints what was lost."""
    audited, lost, bound = 0, 0.0, 0.0
    print(f"\n{'audit of rejections':<28}{'graphs':>8}{'trained':>9}{'drawn':>7}{'false':>7}   share  95 % interval")
    for group, most in (("engine", (size + 1) // 2), ("space", size), (PROVEN, SPOT_CHECKS)):
        rejected = [f for f in functions if f.group == group]
        trained, drawn, wrong = audit(ours, rejected, most - (audited if group == "space" else 0), seed)
        false = wrong.total()
        count, (low, high) = sum(f.graphs for f in rejected), rate_interval(false, drawn)
        share = false / drawn if drawn else 0.0
        row = f"{group:<28}{count:>8}{trained:>9}{drawn:>7}{false:>7}{share:>8.2%}"
        print(f"{row}  [{low:.2%}, {high:.2%}]")
        for fate, times in sorted(wrong.items()):
            print(f"    {times} false by {fate}")
        if group != PROVEN:
            audited, lost, bound = audited + trained, lost + count * share, bound + count * high
    print(f"\npassers lost            {lost / (passes + lost):.2%}, at most {bound / (passes + bound):.2%} at 95 %")
    if audited < size:
        print(f"only {audited} distinct functions were there to audit; take more --graphs for {size}")


def audit(ours: Protocol, rejected: Sequence[Function], most: int, seed: int) -> tuple[int, int, Counter[str]]:
    """Draws rejected graphs without replacement until `most` distinct functions are trained.

    Returns:
        Functions trained, graphs drawn, and by fate how many of those would have passed.
    """
    graphs = np.repeat(np.arange(len(rejected)), [f.graphs for f in rejected])
    verdicts: dict[int, bool] = {}
    drawn, wrong = 0, Counter[str]()
    for index in child(seed, "audit").permutation(graphs).tolist():
        if index not in verdicts:
            if len(verdicts) == most:
                break
            verdicts[index] = ours.would_pass(rejected[index])
        drawn += 1
        if verdicts[index]:
            wrong[rejected[index].fate] += 1
    return len(verdicts), drawn, wrong


def main() -> None:
    """Reads the options and runs stream and audit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=7500, help="raw random graphs")
    parser.add_argument("--audit", type=int, default=300, help="distinct rejected functions to train anyway")
    parser.add_argument("--seed", type=int, default=1, help="of graphs, training and audit")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = child(options.seed, "rejection")
    stream = (random_nodes(rng, intermediate=10) for _ in range(options.graphs))
    with tempfile.TemporaryDirectory() as directory:
        ours = protocol(Path(directory), options.seed)
        functions = run_stream(ours, stream)
        passes = report_costs(functions)
        if passes and options.audit:
            report_audit(ours, functions, passes=passes, size=options.audit, seed=options.seed)


if __name__ == "__main__":
    main()
