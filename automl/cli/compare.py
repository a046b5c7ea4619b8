"""`automl compare`: schedules and optimizers by the steps that they need to a target."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from automl.cli import options
from automl.cli.printing import emit, table
from automl.errors import InvalidSetting

SHOWN_FACTORS = (1.0, 1.1, 1.5, 2.0, 3.0, 4.0)
NONE = "none"
NAMES = "NAME[,NAME]"


def compare(
    task: Annotated[list[str], typer.Argument(metavar="TASK...", help="Tasks to compare on; see `automl tasks`.")],
    schedules: Annotated[
        str | None,
        typer.Option(
            metavar=NAMES,
            help="Designs of the space lr-schedule, schedule-free, baseline, FILE.json or STUDY:TRIAL.",
            show_default="the task's own",
        ),
    ] = None,
    optimizers: Annotated[
        str | None,
        typer.Option(
            metavar=NAMES,
            help="Designs of the space optimizer-program, baseline, FILE.json or STUDY:TRIAL.",
            show_default="the task's own",
        ),
    ] = None,
    studies: Annotated[int, typer.Option(min=1, help="Fresh seeds with which every method is tuned anew.")] = 3,
    learning_rates: Annotated[
        str, typer.Option(metavar="X[,X]", help="Multiples of the task's own that every method is tuned on.")
    ] = "0.3,1,3",
    target_trials: Annotated[
        int, typer.Option(min=1, help="Runs of the baseline per learning rate that set the target.")
    ] = 5,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps of the baseline; compared runs may take 4/3 of it.", show_default="the task's own"
        ),
    ] = None,
    variants: Annotated[
        str, typer.Option(metavar=NAMES, help="Held-out variants of every task: width, batch, split; or none.")
    ] = "width,batch,split",
    seed: Annotated[int, typer.Option(help="Root of every random choice.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for report.json and profile.png; made where missing.")
    ] = None,
    workers: options.Workers = 1,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Compare schedules and optimizers. Each is tuned alike; what counts is the steps to what the baseline reaches."""
    rates = _numbers(learning_rates)
    from automl.run.compare import compare as run_compare

    report = run_compare(
        task,
        schedules=_names(schedules),
        optimizers=_names(optimizers),
        studies=studies,
        learning_rates=rates,
        target_trials=target_trials,
        steps=steps,
        variants=() if variants == NONE else _names(variants),
        seed=seed,
        workers=workers,
        storage=storage,
        output=output,
    )
    emit(report, as_json=json, text=comparison_text(report))


def comparison_text(report: Mapping[str, Any]) -> str:
    """Returns targets, times, held-out variants, scores and profile for people."""
    counted = [one for one in report["workloads"] if one["held_out_of"] is None]
    held_out = [one for one in report["workloads"] if one["held_out_of"] is not None]
    lines = [f"{one['workload']}: {_goal(one)}" for one in counted]
    lines += ["", "Steps to the target (times the fastest); * missed a held-out variant", _times(report, counted)]
    if held_out:
        lines += ["", "Held-out variants, which enter no score", _times(report, held_out)]
    lines += ["", "Share of workloads within a factor of the fastest", _profile(report), "", report["text"]]
    lines += [f"{where}: {text}" for where, text in _failures(report)]
    if report.get("left_out"):
        lines.append(f"Variants that do not exist: {', '.join(report['left_out'])}.")
    return "\n".join(lines)


def _goal(one: Mapping[str, Any]) -> str:
    sign = "<=" if one["direction"] == "minimize" else ">="
    of = f"the baseline's in {one['steps']} steps at learning rate x{one['target_learning_rate']:g}"
    return f"{one['objective']} {sign} {one['target']:.4g} within {one['budget']} steps ({of})"


def _times(report: Mapping[str, Any], workloads: list[Mapping[str, Any]]) -> str:
    rows = []
    for name in _ordered(report):
        marked = f"{name} *" if report["missed_variants"][name] else name
        found = {one["workload"]: _time(report["times"][name][one["workload"]]) for one in workloads}
        rows.append({"method": marked, **found})
    return table(rows, ["method", *(one["workload"] for one in workloads)])


def _time(one: Mapping[str, Any]) -> str:
    if one["steps"] is None:
        return "missed"
    times = "over 4" if one["ratio"] is None else f"{one['ratio']:.2f}"
    return f"{one['steps']:g} ({times}), {one['seconds']:.2g} s"


def _profile(report: Mapping[str, Any]) -> str:
    places = [report["profile"]["factors"].index(factor) for factor in SHOWN_FACTORS]
    rows = []
    for name in _ordered(report):
        score, shares = report["scores"][name], report["profile"]["shares"][name]
        found = {f"{factor:g}": shares[place] for factor, place in zip(SHOWN_FACTORS, places, strict=True)}
        interval = None if score["low"] is None else f"{score['low']:.2f} to {score['high']:.2f}"
        rows.append(
            {
                "method": name,
                **found,
                "score": score["score"],
                "95 % interval": interval,
                f"speed-up over {report['reference']}": score["speed_up"],
            }
        )
    return table(rows, rows[0])


def _ordered(report: Mapping[str, Any]) -> list[str]:
    """Returns the methods, best score first."""
    return sorted(report["scores"], key=lambda name: -report["scores"][name]["score"])


def _failures(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns one line per method and workload with runs that failed."""
    return [
        (f"{method} on {workload}", f"failed runs: {len(one['failures'])}; first: {one['failures'][0]}")
        for method, found in report["times"].items()
        for workload, one in found.items()
        if one["failures"]
    ]


def _names(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",")]


def _numbers(text: str) -> list[float]:
    try:
        return [float(one) for one in text.split(",")]
    except ValueError as error:
        raise InvalidSetting("learning_rates", text, "numbers between commas, e.g. 0.3,1,3") from error
