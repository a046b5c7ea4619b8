"""Executors, histories and trackers of a study, concrete.

Why: flows are handed these as contract parts. The rule: a worker is started from this module's `job_function` and JSON
alone; whatever else it needs it finds by locator.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from automl.assemble.header import Limits
from automl.assemble.plan import space_of, task_of
from automl.canonical import JSON
from automl.contracts import DerivingSpace, Executor, Objective, RungJob, StudyLog
from automl.flows.plan import Plan
from automl.plugins import Objects, pack, unpack

if TYPE_CHECKING:
    from automl.storage.optuna_history import OptunaHistory
    from automl.tracking.live_sync import LiveSync
    from automl.tracking.mlflow_sync import Sync
    from automl.tracking.progress import Progress
    from automl.training.runner import Runner
    from automl.training.snapshots import SnapshotStore

def executor_of(header: Mapping[str, Any], objects: Objects, *, workers: int, directory: Path) -> Executor:
    """Returns worker processes for a study, started: they import their libraries while the driver imports its own.

    Args:
        header: of the study.
        objects: what is sent to workers by value.
        workers: how many, >= 1.
        directory: where snapshots and worker logs are kept.
    """
    from automl.execution.processes import Processes

    limits = Limits(**header["limits"])
    processes = Processes(
        factory="automl.assemble:job_function",
        arguments=_worker_arguments(objects, directory),
        log_directory=directory / "logs",
        workers=workers,
        threads=limits.threads,
        limit_seconds=limits.limit_seconds,
        memory_bytes=int(limits.memory_gib * 2**30),
        devices=_visible_devices() if header["device"] == "cuda" else (),
    )
    processes.start()
    return processes


def job_function(arguments: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Mapping[str, JSON]]:
    """Returns what a worker runs: job as JSON -> result as JSON."""
    runner = runner_of({locator: unpack(text) for locator, text in arguments["objects"].items()},
    arguments["snapshots"])

    def run(job: Mapping[str, Any]) -> Mapping[str, JSON]:
        return runner.run(RungJob.from_json(job)).to_json()

    return run


def runner_of(objects: Objects, snapshots: str | Path) -> "Runner":
    """Returns a `Runner` for this process, for workers and for the export of a model."""
    from automl.export.onnx_model import probe_export
    from automl.training.runner import Runner

    return Runner(
        resolve_task=lambda locator: task_of(locator, objects),
        resolve_space=lambda locator: space_of(locator, objects),
        snapshots=snapshot_store(snapshots),
        export_probe=probe_export,
    )


def snapshot_store(directory: str | Path) -> "SnapshotStore":
    """Returns the store of training states in a directory."""
    from automl.training.snapshots import SnapshotStore

    return SnapshotStore(directory=Path(directory))


def create_study(url: str, name: str, *, header: Mapping[str, JSON], objectives: Sequence[Objective]) -> None:
    """Creates a study, or finds it with an equal header."""
    from automl.storage import studies

    studies.create_study(url, name, header=header, directions=[objective.direction for objective in objectives])


def open_history(url: str, name: str) -> "OptunaHistory":
    """Opens a study as its driver; close it when done."""
    from automl.storage import studies

    return studies.open_history(url, name)


def read_log(url: str, name: str) -> StudyLog:
    """Reads a study, also while another process drives it."""
    from automl.storage.studies import read_study

    return read_study(url, name)


def study_headers(url: str) -> Mapping[str, Mapping[str, Any]]:
    """Returns name -> header of the studies in a storage."""
    from automl.storage.studies import list_studies

    return list_studies(url)


def work_directory(url: str, study: str) -> Path:
    """Returns where a study's snapshots and worker logs lie: beside an SQLite file, else under `.automl`."""
    from automl.storage.file_names import file_name
    from automl.storage.study_database import parse_url

    place = parse_url(url)
    beside = Path(place.database or "").parent if place.get_backend_name() == "sqlite" else Path(".automl")
    return beside / "work" / file_name(study)


def sync_of(
    plan: Plan,
    tracking_uri: str,
    *,
    track: Literal["trained", "all"] = "trained",
    pictures: Literal["best", "completed"] = "best",
) -> "Sync":
    """Returns the way of one study into MLflow."""
    from automl.tracking.mlflow_settings import set_mlflow_defaults

    set_mlflow_defaults()  # read by MLflow when it is imported
    from automl.tracking.mlflow_sync import Sync
    from automl.tracking.run_record import Portrayal

    space = plan.space
    draw_derived = space.draw_derived if isinstance(space, DerivingSpace) else None
    portrayal = Portrayal(
        describe=space.describe, draw=space.draw, source=space.source, draw_derived=draw_derived
    )
    return Sync(tracking_uri, objectives=plan.task.objectives, portrayal=portrayal, pictures=pictures, track=track)


def live_sync_of(
    plan: Plan, tracking_uri: str, log: StudyLog, *, track: Literal["trained", "all"] = "trained"
) -> "LiveSync":
    """Returns the same in a side thread, started."""
    from automl.tracking.live_sync import LiveSync

    return LiveSync(lambda: sync_of(plan, tracking_uri, track=track), log=log)


def progress_of(plan: Plan, *, trials: int, closed_before: int) -> "Progress":
    """Returns the live line of a search."""
    from automl.tracking.progress import Progress

    return Progress(trials, plan.task.objectives, closed_before=closed_before, clock=time.monotonic)


def _visible_devices() -> tuple[str, ...]:
    import torch

    return tuple(str(index) for index in range(torch.cuda.device_count()))


def _worker_arguments(objects: Objects, directory: Path) -> dict[str, JSON]:
    packed: dict[str, JSON] = {locator: pack(instance) for locator, instance in objects.items()}
    return {"objects": packed, "snapshots": str((directory / "snapshots").absolute())}


def sync_now(plan: Plan, tracking_uri: str, log: StudyLog) -> dict[str, JSON]:
    """Brings MLflow level with a log, once; returns {"sent", "closed", "problem"}."""
    from automl.tracking.mlflow_sync import sync_study

    status = sync_study(sync_of(plan, tracking_uri, pictures="completed"), log)
    return {"sent": status.sent, "closed": status.closed, "problem": status.problem}
