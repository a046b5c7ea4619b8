"""Files with learning-rate schedules: what `automl schedule` writes and reads.

The rule: numbers are written so that they come back equal, and a file that is none is refused with its line.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.canonical import loads
from automl.cli.printing import plain
from automl.config.sources import read_genotypes
from automl.errors import InvalidSetting, NotCanonical, UsageError

HEADER = ("step", "multiplier")


def read_schedules(path: Path) -> dict[str, Any]:
    """Returns name -> genotype or list of factors of a file.

    A .csv file has the columns step and multiplier, every step from 0 on; a .json file a list of numbers, or what
    `--warm-start` takes: a genotype or a list of them.

    Raises:
        UsageError: it cannot be read, or holds something else.
        InvalidSetting: steps are missing.
    """
    if path.suffix == ".csv":
        return {path.name: _read_csv(path)}
    try:
        content = loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--schedule {path} cannot be read: {error.strerror}.") from error
    except NotCanonical as error:
        raise UsageError(f"--schedule {path}: {error}") from error
    if isinstance(content, list) and content and not any(isinstance(one, Mapping) for one in content):
        return {path.name: content}
    genotypes = read_genotypes(path)
    names = [path.name] if len(genotypes) == 1 else [f"{path.name}#{place}" for place in range(len(genotypes))]
    return dict(zip(names, genotypes, strict=True))


def write_refinement(directory: Path, report: Mapping[str, Any], *, picture: bytes) -> None:
    """Writes schedule.csv, schedule.json (the genotype) and schedule.png.

    Raises:
        UsageError: the folder cannot be written.
    """
    rows = "".join(f"{step},{value!r}\n" for step, value in enumerate(report["multipliers"]))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "schedule.csv").write_text(f"{','.join(HEADER)}\n{rows}", encoding="utf-8")
        genotype = json.dumps(plain(report["genotype"]), allow_nan=False)
        (directory / "schedule.json").write_text(genotype + "\n", encoding="utf-8")
        (directory / "schedule.png").write_bytes(picture)
    except OSError as error:
        raise UsageError(f"--output {directory} cannot be written: {error.strerror}.") from error


def _read_csv(path: Path) -> list[float]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--schedule {path} cannot be read: {error}.") from error
    if not rows or tuple(name.strip() for name in rows[0]) != HEADER:
        header = ",".join(HEADER)
        raise UsageError(f"--schedule {path} has no header {header}. Write one, as `automl schedule refine` does.")
    values = []
    for place, row in enumerate(rows[1:]):
        try:
            step, value = row
            number, factor = int(step), float(value)
        except ValueError as error:
            raise UsageError(f"--schedule {path}, line {place + 2}: {row} is no step and multiplier.") from error
        if number != place:
            raise InvalidSetting(f"{path.name}: step", number, f"{place}; every step from 0 on, in order, without gaps")
        values.append(factor)
    return values
