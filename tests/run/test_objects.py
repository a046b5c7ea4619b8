"""Spaces and tasks of a user's own: objects that are sent to workers by value, and files that must not change."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import automl
from automl.errors import HeaderMismatch, UnknownName, UsageError

NO_PROBES = {"filter.stability.enabled": False, "filter.exportability.enabled": False}
SHORT = {"task.steps": 20, "task.width": 4, **NO_PROBES}


class Slope(automl.SuggestedSpace):
    name, slots = "slope", frozenset({"norm_act"})

    def __init__(self, steepest: float = 0.5) -> None:
        self.steepest = steepest

    def suggest(self, trial: Any) -> None:
        trial.suggest_float("slope", 0.0, self.steepest)

    def apply(self, genotype: Any, recipe: Any) -> Any:
        return recipe.replace(norm_act=lambda channels, role: torch.nn.LeakyReLU(genotype["slope"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Separable(automl.ClassificationTask):
    """Dark and bright images, with a network of the user's own."""

    name: ClassVar[str] = "separable"
    steps: int = 24
    learning_rate: float = 0.05
    gap: float = 3.0

    def arrays(self) -> Any:
        rng, labels = np.random.default_rng(0), np.arange(400) % 2
        return rng.normal(size=(400, 1, 4, 4)) + self.gap * labels[:, None, None, None], labels

    def network(self, signature: Any) -> torch.nn.Module:
        return torch.nn.Sequential(
            *(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()),
            torch.nn.Linear(16, signature.outputs[0]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WithLock(Separable):
    """Holds something that no worker can be sent."""

    lock: Any = field(default_factory=threading.Lock)


def options(folder: Path, **changes: Any) -> dict[str, Any]:
    shared = {"study": "mine", "storage": f"sqlite:///{folder / 'studies.db'}", "track": "none"}
    return {**shared, "trials": 3, "depth": 2, "searcher": "random", "settings": NO_PROBES, **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def study(folder: Path) -> automl.Study:
    return automl.search(Slope(), task=Separable(), **options(folder))


def test_a_space_of_ten_lines_and_a_task_of_twenty_make_a_study(study: automl.Study) -> None:
    assert study.status()["completed"] == 3
    assert study.best is not None and study.best["values"]["accuracy"] > 0.9
    assert study.log.header["space"]["locator"].startswith("object:")


def test_it_is_resumed_with_equal_objects_only(study: automl.Study, folder: Path) -> None:
    storage = study.storage
    grown = automl.resume("mine", trials=4, storage=storage, track="none", objects=[Slope(), Separable()])
    assert len(grown.log.closed) == 4 and grown.log.closed[:3] == study.log.closed
    for objects in ([], [Slope()], [Slope(0.4), Separable()], [Slope(), Separable(gap=2.0)]):
        with pytest.raises(UnknownName, match="object 'object:"):
            automl.resume("mine", trials=5, storage=storage, track="none", objects=objects)
    with pytest.raises(HeaderMismatch) as caught:
        automl.search(Slope(0.4), task=Separable(), **options(folder))
    assert caught.value.field == "space.locator"


def test_a_study_of_objects_is_read_without_them(study: automl.Study) -> None:
    found = automl.load_study("mine", storage=study.storage)
    assert found.status()["completed"] >= 3
    assert found.top(1)[0]["description"].startswith("slope=")
    assert [one["study"] for one in automl.list_studies(study.storage)] == ["mine"]


@pytest.mark.slow
def test_finalists_are_judged_on_another_task_and_exported_from_it(study: automl.Study, tmp_path: Path) -> None:
    report = study.rerank(top=1, seeds=2, steps=12, task=Separable(gap=2.0))
    assert report["task_locator"].startswith("object:") and report["verdict"] in ("winner", "tie", "worse")
    written = study.export(tmp_path / "out")
    assert written["trial"] == report["chosen"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "model.onnx" in names and "candidate.py" not in names, "this space prints no source"


@pytest.mark.parametrize(
    ("space", "task", "settings", "message"),
    [
        (Slope(), Separable(), {"task.steps": 3}, "task.steps: this task is given as an object"),
        (Slope(), Separable(), {"space.steepest": 3}, "space.steepest: this search space is given as an object"),
        (Slope(), WithLock(), {}, "WithLock cannot be sent to worker processes"),
        (Slope(), Slope(), {}, "Slope is no task: it lacks"),
        (Separable(), Separable(), {}, "Separable is no search space: it lacks"),
        (3, Separable(), {}, "int is no search space: it lacks"),
        (Slope, Separable(), {}, "is a class"),
    ],
)
def test_objects_that_will_not_do_are_refused_before_anything_is_created(
    tmp_path: Path, space: Any, task: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        automl.search(space, task=task, **options(tmp_path, settings=settings))
    assert not list(tmp_path.iterdir())


SOURCE = '''
import torch
from automl import SuggestedSpace

class Slope(SuggestedSpace):
    name, slots = "slope", frozenset({"norm_act"})

    def suggest(self, trial):
        trial.suggest_float("slope", 0.0, 0.5)

    def apply(self, genotype, recipe):
        return recipe.replace(norm_act=lambda channels, role: torch.nn.LeakyReLU(genotype["slope"]))
'''


@pytest.fixture(scope="module")
def from_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("file")
    (folder / "slope.py").write_text(SOURCE)
    done = automl.search(f"{folder / 'slope.py'}:Slope", **options(folder, trials=1, settings=SHORT))
    assert done.status()["completed"] == 1
    return folder


def test_a_file_that_has_changed_is_refused_on_resume_and_on_search(from_file: Path) -> None:
    (from_file / "slope.py").write_text(SOURCE.replace("0.5", "0.6"))
    with pytest.raises(HeaderMismatch) as caught:
        automl.resume("mine", trials=2, storage=f"sqlite:///{from_file / 'studies.db'}", track="none")
    assert caught.value.field == "space.code" and "Restore the space" in str(caught.value)
    changed = automl.load_study("mine", storage=f"sqlite:///{from_file / 'studies.db'}")
    for verb in (changed.rerank, lambda: changed.replay(0), lambda: changed.export(from_file / "out")):
        with pytest.raises(HeaderMismatch, match="space.code"):
            verb()
    with pytest.raises(HeaderMismatch) as caught:
        automl.search(f"{from_file / 'slope.py'}:Slope", **options(from_file, trials=1, settings=SHORT))
    assert caught.value.field == "space.code"


def test_a_file_put_back_as_it_was_goes_on(from_file: Path) -> None:
    (from_file / "slope.py").write_text(SOURCE)
    grown = automl.resume("mine", trials=2, storage=f"sqlite:///{from_file / 'studies.db'}", track="none")
    assert len(grown.log.closed) == 2


def test_a_file_that_is_gone_is_named_but_the_study_is_still_read(from_file: Path) -> None:
    (from_file / "slope.py").unlink()
    storage = f"sqlite:///{from_file / 'studies.db'}"
    with pytest.raises(UsageError, match=r"slope.py cannot be read: No such file"):
        automl.resume("mine", trials=3, storage=storage, track="none")
    assert automl.load_study("mine", storage=storage).status()["trials"] >= 1


def test_data_that_have_changed_are_refused_on_resume(tmp_path: Path) -> None:
    labels = np.arange(120) % 3
    images = (np.random.default_rng(0).normal(size=(120, 8, 8)) + 100 * labels[:, None, None]).clip(0, 255)
    np.savez(tmp_path / "mine.npz", images=images.astype(np.uint8), labels=labels)
    done = automl.search(
        "norm-act", task="images", data=str(tmp_path / "mine.npz"), **options(tmp_path, trials=1, settings=SHORT)
    )
    assert len(done.log.closed) == 1
    np.savez(tmp_path / "mine.npz", images=images.astype(np.uint8), labels=labels[::-1])
    with pytest.raises(HeaderMismatch) as caught:
        automl.resume("mine", trials=2, storage=done.storage, track="none")
    assert caught.value.field.startswith("task.data.") and "Restore the task and its data" in str(caught.value)
    (tmp_path / "mine.npz").unlink()
    with pytest.raises(UsageError, match="mine.npz"):
        automl.resume("mine", trials=2, storage=done.storage, track="none")
    assert automl.load_study("mine", storage=done.storage).status()["trials"] == 1
