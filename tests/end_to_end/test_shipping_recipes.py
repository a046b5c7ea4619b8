"""What is left of a schedule and an optimizer outside this package: exported files, held against the search's own."""

import csv
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

import automl
from automl.export.bundle import read_manifest, verify_bundle

pytestmark = pytest.mark.slow


def exported(space: str, tmp_path: Path, **given: Any) -> tuple[Any, Path]:
    """Searches the text task very shortly and exports the best trial."""
    study = automl.search(
        space,
        task="text",
        trials=2,
        storage=f"sqlite:///{tmp_path}/studies.db",
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
        track="none",
        settings={"task.steps": 30, "task.context": 8, "task.width": 16, **given},
    )
    study.export(tmp_path / "out")
    return study, tmp_path / "out"


def test_a_schedule_is_a_table_a_picture_and_a_function_that_agree(tmp_path: Path) -> None:
    study, folder = exported("lr-schedule", tmp_path)
    assert verify_bundle(folder) == () and (folder / "candidate.png").stat().st_size > 1000
    with (folder / "schedule.csv").open() as stream:
        rows = [(int(row["step"]), float(row["multiplier"])) for row in csv.DictReader(stream)]
    wanted = study.plan.space.multipliers(study.best["genotype"], 30).tolist()
    assert rows == list(enumerate(wanted))
    module = runpy.run_path(str(folder / "candidate.py"))
    assert module["table"](30) == pytest.approx(wanted, abs=1e-12)
    assert "learning_rate 0.03" in module["__doc__"]


def test_an_optimizer_is_a_file_and_a_graph_of_its_step(tmp_path: Path) -> None:
    study, folder = exported("optimizer-program", tmp_path, **{"searcher.seeds": "first"})
    assert "update_step.onnx" in read_manifest(folder)["files"] and verify_bundle(folder) == ()
    module = runpy.run_path(str(folder / "candidate.py"))
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = module["FoundOptimizer"]([weight], lr=0.01)
    rule = study.plan.space.apply(study.best["genotype"], study.plan.task.baseline("mlp")).update_rule
    buffers = {"decayed": weight.detach().clone()}
    state = rule.init(buffers, shapes={"decayed": [(2,)]})
    for step in range(5):
        gradient = torch.tensor([0.5 - step / 4, 0.25], dtype=torch.float64)
        weight.grad = gradient.clone()
        optimizer.step()
        buffers, state = rule.step(
            buffers, {"decayed": gradient}, state, learning_rate=0.01, weight_decay={"decayed": 0.0}, step=step
        )
    torch.testing.assert_close(weight.detach(), buffers["decayed"], rtol=1e-10, atol=1e-14)
