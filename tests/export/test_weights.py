"""Weights come back bit for bit."""

import pytest
import torch
from torch import nn

from automl.errors import ExportError
from automl.export.weights import load_weights, read_weights, write_weights


def test_weights_and_buffers_come_back_bit_for_bit(model, tmp_path):
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert write_weights(model, tmp_path / "w", metadata={"trial": "1"}) == sum(t.numel() for t in expected.values())
    for parameter in model.parameters():
        parameter.data.zero_()
    load_weights(model, tmp_path / "w")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_tied_and_strided_weights_are_written(tmp_path):
    first = nn.Linear(3, 3)
    second = nn.Linear(3, 3)
    second.weight = first.weight
    first.bias = nn.Parameter(torch.arange(6.0)[::2])
    write_weights(nn.Sequential(first, second), tmp_path / "w", metadata={})
    found = read_weights(tmp_path / "w")
    assert torch.equal(found["0.weight"], found["1.weight"])
    assert found["0.bias"].tolist() == [0.0, 2.0, 4.0]


def test_weights_of_another_model_are_refused_and_change_nothing(model, tmp_path):
    write_weights(nn.Linear(2, 2), tmp_path / "w", metadata={})
    before = model[5].bias.clone()
    with pytest.raises(ExportError, match="does not fit"):
        load_weights(model, tmp_path / "w")
    assert torch.equal(model[5].bias, before)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"not safetensors")
    with pytest.raises(ExportError, match="safetensors"):
        read_weights(tmp_path / "w")
