"""A bundle is whole or absent."""

import json
from dataclasses import replace

import pytest
import torch

from automl.canonical import digest
from automl.errors import ExportError
from automl.export.bundle import Candidate, Provenance, read_manifest, verify_bundle, write_bundle
from automl.export.update_step import UpdateStep

PROVENANCE = Provenance(study="toy", trial=3, seed=0, command="automl export toy --trial 3", details={"a": 1})
SOURCE = "import torch\nif __name__ == '__main__':\n    print(torch.ones(1).item())\n"


@pytest.fixture
def candidate(model, images, measure):
    return Candidate(
        module=model, inputs=images, measure=measure, genotype={"op": "mul"}, description="x * sigmoid(x)", source=None
    )


def test_a_bundle_holds_everything_with_hashes(candidate, tmp_path):
    bundle = write_bundle(tmp_path / "deep" / "out", replace(candidate, source=SOURCE), provenance=PROVENANCE)
    names = {"model.onnx", "candidate.py", "genotype.json", "weights.safetensors", "parity.json"}
    assert set(bundle.files) == names
    assert {path.name for path in (tmp_path / "deep" / "out").iterdir()} == {*names, "manifest.json"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    manifest = read_manifest(bundle.directory)
    assert (manifest["study"], manifest["trial"], manifest["command"]) == ("toy", 3, PROVENANCE.command)
    assert manifest["genotype_digest"] == digest({"op": "mul"})
    assert manifest["packages"]["torch"] == torch.__version__
    assert json.loads((bundle.directory / "parity.json").read_text())["holds"] is True
    assert manifest["update_step"] is None
    assert verify_bundle(bundle.directory) == ()
    (bundle.directory / "model.onnx").write_bytes(b"changed")
    (bundle.directory / "genotype.json").unlink()
    assert verify_bundle(bundle.directory) == ("genotype.json", "model.onnx")


class GradientDescent(torch.nn.Module):
    state_names = ()
    wrong = 0.0

    def forward(self, w, g, lr, t):
        return (w - lr * (g if not torch.compiler.is_exporting() else g + self.wrong),)


def test_a_bundle_holds_the_optimizers_step(candidate, tmp_path):
    step = UpdateStep(module=GradientDescent(), parameters={"0.weight": (4, 1, 3, 3), "0.bias": (4,)})
    bundle = write_bundle(tmp_path / "out", replace(candidate, update_step=step), provenance=PROVENANCE)
    assert "update_step.onnx" in bundle.files
    report = read_manifest(bundle.directory)["update_step"]
    assert (report["inputs"], report["outputs"]) == (["w", "g", "lr", "t"], ["new_w"])


def test_a_step_that_does_not_agree_is_left_out_with_the_reason(candidate, tmp_path):
    module = GradientDescent()
    module.wrong = 1.0
    step = UpdateStep(module=module, parameters={"0.bias": (4,)})
    bundle = write_bundle(tmp_path / "out", replace(candidate, update_step=step), provenance=PROVENANCE)
    assert "update_step.onnx" not in bundle.files
    assert "ONNX step" in read_manifest(bundle.directory)["update_step"]["problem"]


def test_a_refused_source_leaves_nothing_behind(candidate, tmp_path):
    with pytest.raises(ExportError, match="import automl"):
        write_bundle(tmp_path / "out", replace(candidate, source="import automl\n"), provenance=PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_measure_leaves_nothing_behind(candidate, tmp_path):
    def broken(module):
        raise RuntimeError("no data")

    with pytest.raises(RuntimeError, match="no data"):
        write_bundle(tmp_path / "out", replace(candidate, measure=broken), provenance=PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_parity_is_not_handed_over(candidate, tmp_path):
    answers = iter(({"accuracy": 0.9}, {"accuracy": 0.1}))
    with pytest.raises(ExportError, match="metric accuracy"):
        write_bundle(tmp_path / "out", replace(candidate, measure=lambda module: next(answers)), provenance=PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_untouched_and_an_empty_one_is_taken(candidate, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("keep")
    with pytest.raises(ExportError, match="not empty"):
        write_bundle(tmp_path / "used", candidate, provenance=PROVENANCE)
    assert (tmp_path / "used" / "mine.txt").read_text() == "keep"
    (tmp_path / "empty").mkdir()
    assert write_bundle(tmp_path / "empty", candidate, provenance=PROVENANCE).source is None


def test_a_newer_or_missing_manifest_is_refused(tmp_path):
    with pytest.raises(ExportError, match="no readable"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"version":99}')
    with pytest.raises(ExportError, match="version 1"):
        read_manifest(tmp_path)
