"""The functions of `import automl`.

Why: one call starts a search, one goes on with it, one looks at it. The rule: arguments are the options of the command
line, in the same words and with the same defaults.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automl.assemble import SEARCHERS, Request, study_headers
from automl.config import device as chosen_device
from automl.config import storage_url
from automl.contracts import Genotype
from automl.errors import UsageError
from automl.flows.plan import Budget
from automl.plugins import Kind, find, installed, object_locator
from automl.run.driving import Session, Track, go_on, start
from automl.run.study import Study
from automl.run.warm_start import started_from


def search(
    space: object,
    *,
    task: object = "digits",
    searcher: str = "evolution",
    trials: int = 64,
    trained: int | None = None,
    timeout: float | None = None,
    workers: int = 1,
    depth: int = 8,
    study: str | None = None,
    storage: str | None = None,
    tracking_uri: str | None = None,
    seed: int = 0,
    device: str = "auto",
    data: str | None = None,
    audit: float = 0.0,
    settings: Mapping[str, Any] | None = None,
    warm_start: str | Sequence[Genotype] = (),
    progress: bool = False,
    track: Track = "trained",
) -> Study:
    """Searches a space on a task; the same call again goes on where it was.

    Args:
        space: name, locator (`package.module:Name`, `path/to/file.py:Name`) or object.
        task: the same.
        searcher: who proposes; see `automl searchers`.
        trials: budget of proposals, rejected ones and duplicates included.
        trained: budget of trained trials.
        timeout: seconds after which nothing new is proposed.
        workers: worker processes; results do not depend on it.
        depth: trained trials that may be open at once; rule of thumb 4 x workers, at most an eighth of the budget.
        study: its name; None = the first free one.
        storage: SQLAlchemy URL of the history.
        tracking_uri: of MLflow.
        seed: root of every random choice.
        device: "auto", "cpu" or "cuda".
        data: file or folder for tasks that take one.
        audit: share of rejected trials that are trained anyway.
        settings: dotted names to values, as of `--set`.
        warm_start: genotypes proposed first, or the name of an earlier study in the same storage: what its trainings
            derived for this space, or its best trials of this space, fill at most a quarter of the budget.
        progress: whether a live line is shown.
        track: which trials get an MLflow run: "trained", "all" or "none".

    Returns:
        The finished study.

    Raises:
        UsageError: a name or setting that is unknown or not allowed.
        HeaderMismatch: a study of that name was created with other settings.
        StudyLocked: another process drives it.
    """
    budget = Budget(trials=trials, trained=trained)
    request = Request(
        space=space,
        task=task,
        searcher=searcher,
        seed=seed,
        depth=depth,
        device=chosen_device(device),
        data=data,
        audit=audit,
        settings=settings or {},
        warm_start=() if isinstance(warm_start, str) else warm_start,
    )
    session = Session(
        storage=storage,
        tracking=tracking_uri,
        workers=workers,
        timeout_seconds=timeout,
        progress=progress,
        track=track,
    )
    if isinstance(warm_start, str):
        request = started_from(request, warm_start, study=study, trials=trials, storage_url=session.storage_url)
    name, objects = start(request, name=study, budget=budget, session=session)
    return Study(name, session=session, objects=objects)


def resume(
    study: str,
    *,
    trials: int | None = None,
    trained: int | None = None,
    timeout: float | None = None,
    workers: int = 1,
    storage: str | None = None,
    tracking_uri: str | None = None,
    accept_environment: bool = False,
    progress: bool = False,
    track: Track = "trained",
    objects: Iterable[object] = (),
) -> Study:
    """Goes on with a study after Ctrl-C, a crash or a reboot, to its old budget or a new one.

    Args:
        study: its name.
        trials: new budget; None = as before.
        trained: the same for trained trials.
        timeout: see `search`.
        workers: see `search`.
        storage: see `search`.
        tracking_uri: see `search`.
        accept_environment: go on although torch, Python or the processor changed; the trial is marked.
        progress: see `search`.
        track: see `search`.
        objects: the space and task, where the study was started with objects.

    Raises:
        StudyNotFound: there is no such study.
        HeaderMismatch: code, data or environment are not what the study was created with.
    """
    session = Session(
        storage=storage,
        tracking=tracking_uri,
        workers=workers,
        timeout_seconds=timeout,
        progress=progress,
        track=track,
    )
    known = {object_locator(one): one for one in objects}
    go_on(
        study, trials=trials, trained=trained, session=session, accept_environment=accept_environment, objects=known
    )
    return Study(study, session=session, objects=known)


def load_study(
    study: str,
    *,
    storage: str | None = None,
    tracking_uri: str | None = None,
    workers: int = 1,
    objects: Iterable[object] = (),
) -> Study:
    """Opens a study to look at; any number of readers may, also while it is driven.

    Args:
        study: its name.
        storage: see `search`.
        tracking_uri: see `search`.
        workers: what `rerank` may use.
        objects: see `resume`.

    Raises:
        StudyNotFound: there is no such study.
    """
    session = Session(storage=storage, tracking=tracking_uri, workers=workers)
    return Study(study, session=session, objects={object_locator(one): one for one in objects})


def list_studies(storage: str | None = None) -> list[dict[str, Any]]:
    """Returns name, space, task, searcher and seed of the studies in a storage."""
    return [
        {
            "study": name,
            "space": header["space"]["locator"],
            "task": header["task"]["locator"],
            "searcher": header["searcher"]["name"],
            "seed": header["seed"],
        }
        for name, header in study_headers(storage_url(storage)).items()
    ]


def installed_spaces() -> list[dict[str, str]]:
    """Returns name and one-line description of the installed search spaces."""
    return _installed("search space")


def installed_tasks() -> list[dict[str, str]]:
    """Returns name and one-line description of the installed tasks."""
    return _installed("task")


def installed_searchers() -> list[dict[str, str]]:
    """Returns name and one-line description of the searchers."""
    return [{"name": name, "description": text} for name, text in SEARCHERS.items()]


def _installed(kind: Kind) -> list[dict[str, str]]:
    return [{"name": name, "description": _first_line(kind, name)} for name in installed(kind)]


def _first_line(kind: Kind, name: str) -> str:
    """Returns the first line of a plug-in's docstring; one that cannot be imported says so and hides no other."""
    try:
        return (find(kind, name).__doc__ or "").strip().partition("\n")[0]
    except UsageError as error:
        return f"(broken: {error})"
