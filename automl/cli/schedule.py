"""`automl schedule refine | fit | predict`: schedules from a finished run, and from a law of loss curves.

The rule: what is written or printed can be searched from: the genotype of a refined schedule is a warm start.
"""

import json as json_text
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from automl.cli import options
from automl.cli.printing import emit, fields, plain, table
from automl.cli.schedule_files import read_schedules, write_refinement
from automl.errors import InvalidSetting, UsageError

app = typer.Typer(
    name="schedule",
    help="Learning-rate schedules from finished runs: refine one, fit a law to several, predict others.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

@app.command()
def refine(
    study: options.Study,
    trial: Annotated[int | None, typer.Option(min=0, help="A completed trial.", show_default="the baseline")] = None,
    leg: Annotated[
        str | None, typer.Option(metavar="LEG", help="Which training run.", show_default="the best one")
    ] = None,
    norm: Annotated[
        Literal["l1", "l2", "auto"],
        typer.Option(
            help="l1 for update rules that normalise each coordinate (Adam), l2 for others (SGD); auto tries the rule."
        ),
    ] = "auto",
    numeric: Annotated[
        bool, typer.Option("--numeric", help="Minimise the bound itself in place of the closed form.")
    ] = False,
    smoothing: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Width of the running median, as a share of the run.")
    ] = 0.1,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for schedule.csv, schedule.json, schedule.png.")
    ] = None,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Refine the schedule of a run. It is trained again, as its gradient norms say how the rate should have gone."""
    if output is not None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"--output {output} exists and is not empty. Name a new folder.")
    from automl import run
    from automl.run import schedules

    found = run.load_study(study, storage=storage)
    report = schedules.refine_schedule(
        found,
        trial,
        leg=leg,
        norm=norm,
        method="numeric" if numeric else "closed-form",
        smoothing=smoothing,
    )
    if output is not None:
        write_refinement(output, report, picture=schedules.refinement_picture(report))
    emit(report, as_json=json, text=refinement_text(report, task=found.log.header["task"]["locator"], output=output))


@app.command()
def fit(
    study: options.Study,
    trials: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS", help="Trials to fit, e.g. 0,1.", show_default="all completed ones that do not react"
        ),
    ] = None,
    law: Annotated[
        Literal["annealing", "multi-power"], typer.Option(help="Which law; multi-power takes longer.")
    ] = "annealing",
    leg: Annotated[
        str | None, typer.Option(metavar="LEG", help="Which training run.", show_default="the task's first")
    ] = None,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Fit a law of loss curves to trials of STUDY. It predicts schedules of the same peak and horizon."""
    numbers = None if trials is None else numbers_of(trials)
    from automl import run
    from automl.run import schedules

    note = schedules.fit_annealing_law(run.load_study(study, storage=storage), numbers, law=law, leg=leg)
    emit(note, as_json=json, text=law_text(note))


@app.command()
def predict(
    study: options.Study,
    schedule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A published schedule, or a file: genotype (.json), factors on the peak (.json list, .csv); repeats.",
            show_default="every published one",
        ),
    ] = None,
    storage: options.Storage = None,
    json: options.AsJson = False,
) -> None:
    """Predict the last loss of schedules by the law fitted last. With an interval or a refusal; --json has curves."""
    from automl import run
    from automl.run import schedules

    found = run.load_study(study, storage=storage)
    report = schedules.predict_schedules(found, _wanted(schedule or [], found.plan.space.zoo()))
    emit(report, as_json=json, text=prediction_text(report))


def numbers_of(text: str) -> list[int]:
    """Returns the trial numbers of `0,1`.

    Raises:
        InvalidSetting: something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InvalidSetting("trials", text, "trial numbers between commas, e.g. 0,1")
    return [int(part) for part in parts]


def refinement_text(report: Mapping[str, Any], *, task: str, output: Path | None) -> str:
    """Returns what was read, what follows and how to go on, for people."""
    whose = "the baseline" if report["trial"] is None else f"trial {report['trial']}"
    values = report["multipliers"]
    shown = {
        "run": f"{whose} of {report['study']}, leg {report['leg']}, {report['steps']} steps",
        "trained again": "came out as recorded" if report["reproduced"] else "did not come out as recorded",
        "norm": f"{report['norm']}: {report['norm_reason']}",
        "method": f"{report['method']}, smoothing {report['smoothing']:g}",
        "peak": f"at step {values.index(max(values))}",
        "at quarters": ", ".join(f"{values[round(share * (len(values) - 1) / 4)]:.3f}" for share in range(5)),
        "schedule": report["description"],
        "deviation": report["deviation"],
    }
    file = "FILE.json" if output is None else str(output / "schedule.json")
    search = shlex.join(["automl", "search", report["space"], "--task", task, "--warm-start", file])
    genotype = json_text.dumps(plain(report["genotype"]), allow_nan=False)
    first = f"Genotype of {report['space']}:\n{genotype}" if output is None else f"Written to {output}."
    return f"{fields(shown)}\n\n{first}\nIts peak learning rate is still to be tuned. To search from it:\n  {search}"


def law_text(note: Mapping[str, Any]) -> str:
    """Returns constants, errors and what the law may be believed, for people."""
    experience = note["experience"]
    head = f"Law {note['law']} of leg {note['leg']}: peak {experience['peak']:g}, {experience['steps']} steps"
    constants = {name: value for name, value in note["constants"].items() if name != "warmup"}
    lines = [head, fields(constants), "", table(note["curves"], ("trial", "actual", "fitted", "left_out"))]
    left_out = f"{_percent(note['out_of_sample'])} of last losses left out of the fit"
    lines.append(f"Mean relative error: {_percent(note['in_sample'])} of the points fitted, {left_out}.")
    if note["half_width"] is None:
        lines.append("No interval is known, so nothing will be predicted: fit to two or more curves that differ.")
    else:
        width = _percent(math.expm1(note["half_width"]))
        lines.append(f"Predictions are given to within {width}, which holds about {note['level']:.0%} of new curves.")
    lines.append(note["agreement"]["text"])
    health = note["health"]
    if health["proposals"]:
        agrees = "not known yet" if health["spearman"] is None else f"{health['spearman']:+.2f}"
        over = f"{_percent(health['error'])}, over {health['proposals']} proposals"
        lines.append(f"Searcher annealing-law: rank correlation {agrees}, mean error {over}.")
    lines += [f"Trial {number} was left out: {reason}." for number, reason in note["left_out_trials"].items()]
    return "\n".join(lines)


def prediction_text(report: Mapping[str, Any]) -> str:
    """Returns the table of predictions and whether they rank, for people."""
    rows = [
        {
            "rank": row["rank"],
            "schedule": row["schedule"],
            "loss": row["loss"],
            "interval": "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}",
            "refused": row["refused"],
        }
        for row in report["schedules"]
    ]
    level = "" if report["level"] is None else f", intervals at {report['level']:.0%}"
    head = f"Last validation loss by the {report['law']} law fitted to trials {report['trials']}{level}"
    shown = table(rows, ("rank", "schedule", "loss", "interval", "refused"), limit=None)
    return "\n".join([head, shown, report["text"]])


def _wanted(names: list[str], zoo: Mapping[str, Any]) -> dict[str, Any] | list[str]:
    """Returns the schedules asked for by name; names of the zoo win over files."""
    files = [name for name in names if name not in zoo and Path(name).suffix in (".json", ".csv")]
    if not files:
        return names
    found: dict[str, Any] = {}
    for name in names:
        added = read_schedules(Path(name)) if name in files else {name: zoo.get(name)}
        for one, value in added.items():
            if one in found:
                raise InvalidSetting("schedule", one, "schedules and files of different names")
            found[one] = value
    missing = [name for name, value in found.items() if value is None]
    return missing or found


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.2%}"
