"""What the driver itself costs per trial, on a task that costs nothing, with MLflow attached.

Why: overhead is paid by every trial of every study. The rules: a real SQLite history, a real MLflow store in its side
thread, real screens and monitors; every trial is trained, so that windows can be compared; the job's own cost is
measured apart and subtracted; CPU time of the driver's thread stands beside wall time, because on a shared machine only
the former repeats; and the loop that a user would write is timed in the same run.

    python tests/benchmarks/driver_overhead.py --trials 5000
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl.assemble import create_study, live_sync_of, open_history
from automl.assemble.plan import searcher_class
from automl.canonical import digest
from automl.contracts import Answer, Closed, Genotype, Opened, RungJob, RungRecord
from automl.execution.in_process import InProcess
from automl.filters.cost import Cost
from automl.filters.duplicates import Duplicates
from automl.filters.quality import Quality
from automl.flows.plan import Budget, Plan
from automl.flows.search import Search
from automl.seeding import child
from automl.storage.optuna_history import OptunaHistory
from automl.testing.simulated import run_toy
from automl.testing.toy_space import TOY_OBJECTIVES, ToySpace
from automl.testing.toy_task import ToyTask

OBJECTIVES = TOY_OBJECTIVES[:1]
SEARCHERS = ("random", "evolution", "tpe", "nsga2", "nsga3", "qmc", "gp")
MOST_ASKED = {"gp": 200}
WINDOW = 200
DRIVER_MS, TRACKER_MS, FLAT = 10.0, 15.0, 1.3


class Distinct(ToySpace):
    """The toy space without duplicates: genotypes that differ anywhere are trained."""

    name = "distinct"

    def fingerprint(self, genotype: Genotype) -> str:
        """Returns the digest of the whole genotype."""
        return digest(genotype)


class Meter:
    """Wall and CPU seconds of the calling thread, by kind of work."""

    def __init__(self) -> None:
        self.wall, self.cpu = Counter[str](), Counter[str]()

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Counts what happens inside."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.wall[kind] += time.perf_counter() - wall
            self.cpu[kind] += time.thread_time() - cpu

    def mark(self) -> tuple[dict[str, float], dict[str, float]]:
        """Returns the sums so far, "all" included."""
        wall, cpu = {**self.wall, "all": time.perf_counter()}, {**self.cpu, "all": time.thread_time()}
        return wall, cpu


class MeteredSearcher:
    """Any searcher, its calls counted as "ask"."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter, self.name = inner, meter, inner.name

    def init(self) -> Any:
        return self._inner.init()

    def ask(self, state: Any, pending: tuple[Genotype, ...], number: int, rng: Any) -> Any:
        with self._meter.of("ask"):
            return self._inner.ask(state, pending, number, rng)

    def tell(self, state: Any, trial: Opened, end: Closed) -> Any:
        with self._meter.of("ask"):
            return self._inner.tell(state, trial, end)

    def restore(self, state: Any, trial: Opened) -> Any:
        return self._inner.restore(state, trial)


class MeteredHistory:
    """The durable log, its calls counted as "history"."""

    def __init__(self, inner: OptunaHistory, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    def open(self, trial: Opened) -> None:
        with self._meter.of("history"):
            self._inner.open(trial)

    def record(self, number: int, rung: RungRecord) -> None:
        with self._meter.of("history"):
            self._inner.record(number, rung)

    def close_trial(self, trial: Closed) -> None:
        with self._meter.of("history"):
            self._inner.close_trial(trial)

    def note(self, name: str, value: Any) -> None:
        self._inner.note(name, value)

    def all(self) -> Any:
        return self._inner.all()

    def close(self) -> None:
        self._inner.close()


class MeteredExecutor:
    """Runs jobs in this process; what they cost is counted as "jobs"."""

    def __init__(self, meter: Meter) -> None:
        self._inner, self._meter = InProcess(run_toy), meter

    def submit(self, key: str, job: RungJob, *, priority: tuple[int, ...]) -> None:
        with self._meter.of("jobs"):
            self._inner.submit(key, job, priority=priority)

    def wait(self, timeout_seconds: float) -> Sequence[Answer]:
        with self._meter.of("jobs"):
            return self._inner.wait(timeout_seconds)

    def idle_share(self) -> float:
        return 0.0

    def close(self) -> None:
        self._inner.close()


def toy_plan(searcher: str) -> Plan:
    """Returns a plan with real screens, a real monitor, and some 25 metric values per trial."""
    space = Distinct()
    made = searcher_of(searcher, space)
    return Plan(
        space=space,
        space_locator="distinct",
        task=ToyTask(),
        task_locator="toy",
        searcher=made,
        screens=(Duplicates(), Cost(max_parameters_ratio=100, max_flops_ratio=100)),
        monitors=(Quality(objectives=OBJECTIVES, step=20),),
        measure_every_steps=10,
    )


def searcher_of(name: str, space: ToySpace, **settings: Any) -> Any:
    """Returns a searcher with its own defaults, except for those of the given settings that it has."""
    cls = searcher_class(name)
    parts = {"space": space, "objectives": OBJECTIVES, **settings}
    return cls(**{key: part for key, part in parts.items() if key in cls.__dataclass_fields__})


def drive(searcher: str, trials: int, folder: Path, *, tracked: bool) -> None:
    """Runs one study and prints its table."""
    plan, meter = toy_plan(searcher), Meter()
    url = f"sqlite:///{folder}/{searcher}-{tracked}.db"
    create_study(url, searcher, header={"searcher": searcher}, objectives=OBJECTIVES)
    history = open_history(url, searcher)
    live = live_sync_of(plan, f"sqlite:///{folder}/mlflow.db", history.all()) if tracked else None
    if live is not None:
        settle(live)
    import_cpu = live.cpu_seconds if live is not None else 0.0
    plan.searcher.init()  # imports EvoTorch, which is start-up and no cost of a trial
    marks = [meter.mark()]
    lag = [0]

    def watch(opened: Opened, closed: Closed) -> None:
        if live is not None:
            live.notify(opened, closed)
            lag[0] = max(lag[0], closed.number - live.status().sent)
        marks.append(meter.mark())

    search = Search(
        with_searcher(plan, MeteredSearcher(plan.searcher, meter)),
        budget=Budget(trials=trials),
        history=MeteredHistory(history, meter),
        executor=MeteredExecutor(meter),
        watch=watch,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    search.run()
    attached = "MLflow attached" if tracked else "without MLflow"
    print(f"\n{searcher}, {attached}: ms per trial (wall | CPU of the driver's thread)")
    print_windows(marks, trials)
    if live is not None:
        began = time.perf_counter()
        complete = live.close(wait_seconds=1_200)
        behind = time.perf_counter() - began
        per_trial = 1e3 * (live.cpu_seconds - import_cpu) / trials
        print(
            f"  tracker CPU per trial {per_trial:6.2f} ms (at most {TRACKER_MS:g});  most trials behind {lag[0]}, "
            f"{behind:.1f} s to catch up;  complete: {complete}"
        )
    history.close()


def with_searcher(plan: Plan, searcher: Any) -> Plan:
    """Returns the plan with another searcher."""
    return Plan(**{name: searcher if name == "searcher" else getattr(plan, name) for name in Plan.__slots__})


def settle(live: Any) -> None:
    """Waits until MLflow is imported and its tables exist, which is start-up and no cost of a trial."""
    while live.status().problem is not None:
        time.sleep(0.05)


def print_windows(marks: Sequence[tuple[Mapping[str, float], Mapping[str, float]]], trials: int) -> None:
    """Prints the first, a middle and the last window, and last / first."""
    width = min(WINDOW, max(1, trials // 3))
    starts = (0, max(0, 2 * trials // 5), trials - width)
    kinds = ("ask", "history", "flow", "ask+history+flow", "jobs")
    print("  trials        " + "".join(f"{kind:>20}" for kind in kinds))
    rows = []
    for start in starts:
        row = {kind: (cost(marks, 0, start, width, kind), cost(marks, 1, start, width, kind)) for kind in kinds}
        rows.append(row)
        cells = "".join(f"{wall:>11.2f} |{cpu:>7.2f}" for wall, cpu in row.values())
        print(f"  {start + 1:>5}-{start + width:<7} {cells}")
    first, last = rows[0], rows[-1]
    ratios = "".join(f"{last[k][0] / first[k][0]:>11.2f} |{last[k][1] / first[k][1]:>7.2f}" for k in kinds)
    print(f"  last / first   {ratios}")
    mine = [tuple(row["history"][i] + row["flow"][i] for i in (0, 1)) for row in rows]
    worst = max(mine, key=lambda pair: pair[1])
    flat = tuple(mine[-1][i] / mine[0][i] for i in (0, 1))
    print(
        f"  history + screens + scheduling {worst[0]:.2f} | {worst[1]:.2f} ms in the worst window (at most "
        f"{DRIVER_MS:g});  last / first {flat[0]:.2f} | {flat[1]:.2f} (at most {FLAT:g})"
    )


def cost(marks: Sequence[Any], clock: int, start: int, width: int, kind: str) -> float:
    """Returns ms per trial of one kind of work in a window; clock 0 = wall, 1 = CPU."""
    before, after = marks[start][clock], marks[start + width][clock]
    spent = Counter({name: after.get(name, 0.0) - before.get(name, 0.0) for name in after})
    own = spent["all"] - spent["jobs"]
    flow = own - spent["ask"] - spent["history"]
    whole = {"flow": flow, "ask+history+flow": own}
    return 1e3 * whole.get(kind, spent[kind]) / width


def ask_times(sizes: Sequence[int], repeats: int) -> None:
    """Prints ms per ask of every searcher after so many closed trials."""
    print("\nms per ask (median), after so many closed trials; toy space, 6 to 18 answers")
    print("  searcher  " + "".join(f"{size:>10,}" for size in sizes))
    for name in SEARCHERS:
        cells = [ask_ms(name, size, repeats) if size <= MOST_ASKED.get(name, size) else None for size in sizes]
        print(f"  {name:<10}" + "".join(f"{'-':>10}" if cell is None else f"{cell:>10.2f}" for cell in cells))


def ask_ms(name: str, size: int, repeats: int) -> float:
    """Returns the median time of `repeats` asks in a study of `size` closed random trials."""
    space = Distinct()
    searcher = searcher_of(name, space, seeds="none")
    state = searcher.init()
    for number in range(size):
        genotype = space.sample(child(0, "fill", number)).genotype
        opened = Opened(number=number, genotype=genotype, fingerprint=space.fingerprint(genotype))
        state = searcher.restore(state, opened)
        score = float(child(0, "score", number).random())
        state = searcher.tell(state, opened, Closed(number=number, outcome="completed", reason="", values=(score,)))
    times, pending = [], ()
    for number in range(size, size + repeats):
        began = time.thread_time()
        genotype, _ = searcher.ask(state, pending, number, child(0, "ask", number))
        times.append(time.thread_time() - began)
        pending = (*pending, genotype)
    return 1e3 * statistics.median(times)


def plain_loop(trials: int, folder: Path) -> None:
    """Prints the cost of the loop that a user would write: Optuna's TPE, and one MLflow call per number."""
    import mlflow
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("plain", artifact_location=(folder / "plain").as_uri())
    mlflow.set_experiment("plain")
    space, task = Distinct(), ToyTask()
    plan = toy_plan("random")
    marks: list[tuple[float, float]] = []

    def objective(trial: optuna.Trial) -> float:
        space.suggest(trial)
        with mlflow.start_run(run_name=f"trial {trial.number}"):
            mlflow.set_tags({"outcome": "completed", "trial": str(trial.number)})
            mlflow.log_params({name: str(value) for name, value in list(trial.params.items())[:4]})
            value = 0.0
            for step, row in toy_rows(plan, space.decode(trial.params), task):
                for name, number in row.items():
                    mlflow.log_metric(name, number, step=step)
                value = row["accuracy"]
                trial.report(value, step)
        return value

    study = optuna.create_study(
        storage=f"sqlite:///{folder}/plain.db", sampler=optuna.samplers.TPESampler(seed=0), direction="maximize"
    )
    for _ in range(trials):
        began = time.perf_counter(), time.process_time()
        study.optimize(objective, n_trials=1)
        marks.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall, cpu = (1e3 * statistics.median(column) for column in zip(*marks, strict=True))
    print(
        f"\nplain loop, Optuna TPE and MLflow calls per step: {wall:.1f} | {cpu:.1f} ms per trial "
        f"(88 on the reference machine), median of {trials}"
    )


def toy_rows(plan: Plan, genotype: Genotype, task: ToyTask) -> Iterator[tuple[int, dict[str, float]]]:
    """Yields (step, metrics) of a whole toy training."""
    leg = task.legs("search")[0]
    job = plan.full_job(genotype, leg, seed=0, splits=("validation",))
    curve = run_toy(job).curves[0]
    for index, step in enumerate(curve.steps):
        yield step, {name: float(values[index] or 0.0) for name, values in curve.metrics.items()}


def main() -> None:
    """Reads the options and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5_000)
    parser.add_argument("--searchers", nargs="*", default=["random", "evolution"], help="driven with MLflow attached")
    parser.add_argument("--without-mlflow", action="store_true", help="the same studies also without the tracker")
    parser.add_argument("--ask-sizes", type=int, nargs="*", default=[200, 1_000])
    parser.add_argument("--plain", type=int, default=30, help="trials of the plain loop; 0 = none")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="automl-overhead-") as folder:
        for searcher in options.searchers:
            if options.without_mlflow:
                drive(searcher, options.trials, Path(folder), tracked=False)
            drive(searcher, options.trials, Path(folder), tracked=True)
        if options.ask_sizes:
            ask_times(options.ask_sizes, repeats=5)
        if options.plain:
            plain_loop(options.plain, Path(folder))


if __name__ == "__main__":
    main()
