"""Export with a free batch axis, quietly, and without touching the caller's module."""

import logging

import pytest
import torch
from torch import nn

from automl.errors import ExportError
from automl.export.onnx_model import OPSET, export_onnx, probe_export, read_metadata, read_onnx
from automl.export.runtime import OnnxModule


class ByValue(nn.Module):
    """Its path depends on the data: torch.export refuses it, tracing records one branch."""

    def forward(self, x):
        return x * 2 if float(x.sum()) > 0 else x * 3


class Inexpressible(nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x).real


def test_the_file_takes_any_batch_size(model, images, tmp_path, caplog, capsys):
    report = export_onnx(model, images[:2], tmp_path / "m.onnx", metadata={"study": "toy", "trial": "3"})
    assert (report.exporter, report.fallback_reason, report.opset) == ("torch.export", None, OPSET)
    assert report.size_bytes == (tmp_path / "m.onnx").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    exported = OnnxModule(tmp_path / "m.onnx")
    for batch in (1, 5, 70):
        torch.testing.assert_close(exported(images[:batch]), model(images[:batch]).detach(), rtol=1e-5, atol=1e-5)
    assert read_metadata(tmp_path / "m.onnx") == {"study": "toy", "trial": "3", "exporter": "torch.export"}
    assert capsys.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert logging.getLogger("torch.onnx").level == logging.NOTSET


def test_the_file_holds_nothing_of_this_machine(model, images, tmp_path):
    export_onnx(model, images[:2], tmp_path / "m.onnx", metadata={})
    content = (tmp_path / "m.onnx").read_bytes()
    assert b".py" not in content
    assert b"site-packages" not in content


def test_eval_mode_is_exported_and_each_modules_mode_restored(model, images, tmp_path):
    expected = model(images[:4]).detach()
    model.train()
    model[1].eval()
    export_onnx(model, images[:2], tmp_path / "m.onnx", metadata={})
    assert model.training
    assert not model[1].training
    torch.testing.assert_close(OnnxModule(tmp_path / "m.onnx")(images[:4]), expected, rtol=1e-5, atol=1e-5)


def test_what_torch_export_refuses_falls_back_with_the_reason(tmp_path):
    report = export_onnx(ByValue(), torch.ones(2, 3), tmp_path / "m.onnx", metadata={})
    assert report.exporter == "torchscript"
    assert report.fallback_reason
    assert OnnxModule(tmp_path / "m.onnx")(torch.ones(5, 3)).tolist() == [[2.0] * 3] * 5


def test_what_no_exporter_can_express_is_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(ExportError, match="Not exportable"):
        export_onnx(Inexpressible(), torch.ones(2, 3, 3), tmp_path / "m.onnx", metadata={})
    assert list(tmp_path.iterdir()) == []


def test_an_example_of_one_row_is_refused(model, images, tmp_path):
    with pytest.raises(ExportError, match="at least 2"):
        export_onnx(model, images[:1], tmp_path / "m.onnx", metadata={})


def test_the_probe_says_none_or_why(model, images):
    assert probe_export(model, images[:2]) is None
    assert "eigvals" in probe_export(Inexpressible(), torch.ones(2, 3, 3))


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x00\x01damaged")
    with pytest.raises(ExportError, match="not a valid ONNX"):
        read_onnx(tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="cannot load"):
        OnnxModule(tmp_path / "m.onnx")
